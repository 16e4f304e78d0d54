/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole members that join one layer, in memory: a fixture for cmocka around tests/support/unicast-net.h. */

#include "tests/support/unicast-net.h"

/* The state is a Net. */
int joined_net_set_up(void **state);
int joined_net_tear_down(void **state);

/* All that live are online, and with others have a neighbour. */
bool joined_net_is_online(Net *net);

/* A first member and n - 1 that enroll, online. */
void joined_net_make(Net *net, unsigned n);
