/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member whose address another one has, too, draws a new one and joins again. Flows whose peers can be told go with
 * it; the others end, as ever.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/unicast-net.h"

#define FLOW 7U
#define NAME 'n'

/* As the handshake would have left it. */
static void give_keys(NetMember *m, uint64_t flow_id, bool asked) {
        UnicastFlow *flow = net_flow(m, flow_id);
        LayerControl keys = { .present = true };

        memset(keys.send, asked ? 1 : 2, sizeof(keys.send));
        memset(keys.receive, asked ? 2 : 1, sizeof(keys.receive));
        flow_control_init(&flow->layer.control, &keys, true);
        flow_upkeep_begin(flow, m->net->now);
}

static void assert_data_goes(NetMember *a, NetMember *b) {
        unsigned n[] = { a->n_delivered, b->n_delivered };

        net_write(a, FLOW, "to b", 4);
        net_write(b, FLOW + 1000, "to a", 4);
        net_run(a->net, 20 * NET_DELAY_USEC);
        assert_int_equal(b->n_delivered, n[1] + 1);
        assert_int_equal(a->n_delivered, n[0] + 1);
}

static void run(bool keys, unsigned mover) {
        Net net;
        NetMember *members[3], *a, *b, *m;
        uint64_t before;

        net_init(&net, 3);
        for (unsigned i = 0; i < ELEMENTSOF(members); i++) {
                members[i] = net_add(&net, i == 0);
                net_start(members[i]);
        }
        net_run(&net, 30 * USEC_PER_SEC);
        a = members[1];
        b = members[2];
        assert_true(net_connect(a, b, FLOW, NAME));
        if (keys) {
                give_keys(a, FLOW, true);
                give_keys(b, FLOW + 1000, false);
                net_run(&net, USEC_PER_SEC);
        }
        assert_data_goes(a, b);

        m = members[mover];
        before = m->unicast.address;
        unicast_address_conflict(&m->unicast, "a test", net.now);
        net_run(&net, 60 * USEC_PER_SEC);
        assert_true(m->unicast.is_member);
        assert_true(m->unicast.address != before);
        assert_int_equal(m->state, LAYER_ONLINE);

        if (keys) {
                assert_int_equal(a->n_ended + b->n_ended, 0);
                assert_true(net_flow(mover == 1 ? b : a, mover == 1 ? FLOW + 1000 : FLOW)->peer_address ==
                            m->unicast.address);
                assert_data_goes(a, b);
        } else
                assert_int_equal(m->n_ended, 1);
        net_done(&net);
}

static void test_who_asked_moves(void **state) {
        run(true, 1);
}

static void test_who_was_asked_moves(void **state) {
        run(true, 2);
}

static void test_without_keys(void **state) {
        run(false, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_asked_moves),
                cmocka_unit_test(test_who_was_asked_moves),
                cmocka_unit_test(test_without_keys),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
