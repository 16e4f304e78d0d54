/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * o7s-irm on a private bus, where the test plays the layer and a child of it plays systemd. There is no polkit, so root
 * alone may change something.
 */

#include <systemd/sd-bus.h>

#include "tests/unit/irm/irm-fixture.h"

typedef struct BusFixture {
        IrmFixture irm;
        char address[128];
        pid_t daemon;
        pid_t systemd;
        sd_bus *bus;
} BusFixture;

/* For cmocka; the state that it begins with is the program, the one that tests get a BusFixture. */
int bus_fixture_set_up(void **state);
int bus_fixture_tear_down(void **state);

/* The layer "lan", known to be online: the bus and the layer are two connections. Returns: the layer's. */
int bus_fixture_online_layer(BusFixture *f);
