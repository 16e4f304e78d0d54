/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects as JSON, for Describe() and so for "o7sctl --json". */

#include "services/irm/flow.h"

int describe_manager(Manager *m, char **ret);
int describe_layer(const Layer *l, char **ret);
