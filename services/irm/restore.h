/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Taking over what an earlier life of the IRM has left in the store of systemd: see state.h. */

#include "services/irm/manager.h"

/* Opens the state of before, or a new one. */
int restore_open(Manager *m);

/* Names, bindings and registrations; then connections; then flows. What makes no sense (any more) is dropped. */
void restore_names(Manager *m);
void restore_clients(Manager *m);
void restore_flows(Manager *m);
