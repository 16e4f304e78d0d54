/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the layers below do to flows of members that have joined: whether there is a way to their peers, and how large
 * packets may be. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ipcp-unicast/joined-net.h"

#define FLOW 1U
#define NAME 'x'
#define MOMENT (10 * USEC_PER_MSEC)
#define HEADER 15U

static void connect_two(Net *net, NetMember **ret_a, NetMember **ret_b) {
        joined_net_make(net, 2);
        *ret_a = &net->members[0];
        *ret_b = &net->members[1];
        assert_true(net_connect(*ret_a, *ret_b, FLOW, NAME));
        net_run(net, 5 * USEC_PER_SEC);
        assert_int_equal((*ret_a)->n_no_way + (*ret_a)->n_way, 0);
}

static void set_lower(NetMember *m, bool up) {
        for (unsigned i = 0; i < NET_LOWER; i++)
                unicast_lower_changed(&m->unicast, i, up, m->net->now);
}

/* Told after a while, once; and told at once when it is back. */
static void test_way(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        connect_two(net, &a, &b);
        for (unsigned i = 0; i < 3; i++) {
                set_lower(a, false);
                net_run(net, UNICAST_NO_WAY_USEC - MOMENT);
                assert_int_equal(a->n_no_way, i);
                net_run(net, 2 * MOMENT);
                assert_int_equal(a->n_no_way, i + 1);
                net_run(net, 5 * USEC_PER_SEC);
                assert_int_equal(a->n_no_way, i + 1);
                assert_int_equal(a->n_way, i);

                set_lower(a, true);
                net_run(net, MOMENT);
                assert_int_equal(a->n_way, i + 1);
                net_run(net, 5 * USEC_PER_SEC);
                assert_int_equal(a->n_no_way, i + 1);
                assert_int_equal(a->n_way, i + 1);
        }
        assert_int_equal(a->n_ended + b->n_ended, 0);
}

/* One that is back before that was never gone, however often. */
static void test_short(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        connect_two(net, &a, &b);
        for (unsigned i = 0; i < 20; i++) {
                set_lower(a, false);
                net_run(net, UNICAST_NO_WAY_USEC - MOMENT);
                set_lower(a, true);
                net_run(net, MOMENT);
        }
        net_run(net, 5 * USEC_PER_SEC);
        assert_int_equal(a->n_no_way + a->n_way, 0);
}

/* Nobody says that the other member is gone: silence does. */
static void test_silence(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        connect_two(net, &a, &b);
        b->is_cut_off = true;
        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(a->n_no_way, 1);
        b->is_cut_off = false;
        net_run(net, 30 * USEC_PER_SEC);
        assert_int_equal(a->n_no_way, 1);
        assert_int_equal(a->n_way, 1);
}

/* Between two programs of one member nothing has to lead. */
static void test_to_ourselves(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        connect_two(net, &a, &b);
        net_flow(a, FLOW)->peer_address = a->unicast.address;
        set_lower(a, false);
        net_run(net, 5 * USEC_PER_SEC);
        assert_int_equal(a->n_no_way, 0);
}

static void resize(NetMember *m, LowerPurpose purpose, uint32_t packet_max) {
        LowerFlow *flow;

        list_for_each(flow, &m->unicast.lower_flows, by_unicast)
                if (flow->purpose == purpose)
                        unicast_lower_resized(flow, packet_max, m->net->now);
}

/* The smallest of the flows that carry data counts, when it shrinks and when it grows. */
static void test_packet_max(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        connect_two(net, &a, &b);
        assert_int_equal(a->packet_max, NET_PACKET_MAX - HEADER);
        resize(a, LOWER_MANAGEMENT, 500);
        assert_int_equal(a->packet_max, NET_PACKET_MAX - HEADER);
        resize(a, LOWER_DATA, 1000);
        assert_int_equal(a->packet_max, 1000 - HEADER);
        resize(a, LOWER_DATA, HEADER);                  /* no room for anything */
        resize(a, LOWER_DATA, 0);
        assert_int_equal(a->packet_max, 1000 - HEADER);
        resize(a, LOWER_DATA, HEADER + 1);
        assert_int_equal(a->packet_max, 1);
        unicast_lower_resized(neighbour_data_flow(net_neighbour(a, b), CUBE_VOICE), 9000, net->now);
        assert_int_equal(a->packet_max, 1);
        resize(a, LOWER_DATA, 9000);
        assert_int_equal(a->packet_max, 9000 - HEADER);
        unicast_want_packet_max(&a->unicast, 1200);
        assert_int_equal(a->packet_max, 1200);
}

#define NET_TEST(function) cmocka_unit_test_setup_teardown(function, joined_net_set_up, joined_net_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                NET_TEST(test_way),
                NET_TEST(test_short),
                NET_TEST(test_silence),
                NET_TEST(test_to_ourselves),
                NET_TEST(test_packet_max),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
