/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members that join, see joined-net.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ipcp-unicast/joined-net.h"

int joined_net_set_up(void **state) {
        Net *net = malloc(sizeof(*net));

        if (!net)
                return -1;
        net_init(net, 1);
        *state = net;
        return 0;
}

int joined_net_tear_down(void **state) {
        net_done(*state);
        free(*state);
        return 0;
}

bool joined_net_is_online(Net *net) {
        for (unsigned i = 0; i < net->n_members; i++)
                if (net->members[i].alive && (net->members[i].state != LAYER_ONLINE ||
                                              (net->n_members > 1 && net->members[i].unicast.n_neighbours == 0)))
                        return false;

        return true;
}

void joined_net_make(Net *net, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                net_start(net_add(net, i == 0));

        assert_true(net_run_until(net, joined_net_is_online, 10 * USEC_PER_SEC) != USEC_INFINITY);
        net_run(net, 2 * USEC_PER_SEC);
        assert_true(joined_net_is_online(net));
}
