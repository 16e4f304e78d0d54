/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Staying a member: whole members that lose each other, layers below, and their address, and what an operator orders.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/cep.h"
#include "tests/unit/ipcp-unicast/joined-net.h"

static bool is_complete(Net *net) {
        return net_n_flows(&net->members[0], LOWER_MANAGEMENT, 0) > 0 &&
               net_n_flows(&net->members[0], LOWER_DATA, CUBE_BEST_EFFORT) > 0 &&
               net->members[0].unicast.n_neighbours > 0;
}

/* -- staying -- */

/* A member is killed and comes back: with a new address, and in no time. */
static void test_killed(void **state) {
        Net *net = *state;
        NetMember *a, *b;
        uint64_t address;

        joined_net_make(net, 2);
        a = &net->members[0];
        b = &net->members[1];
        net_run(net, 60 * USEC_PER_SEC);
        address = b->unicast.address;
        net_kill(b, true);
        net_run(net, 200 * USEC_PER_MSEC);
        assert_int_equal(a->n_down, 1);
        assert_int_equal(a->packet_max, 0);
        assert_int_equal(a->unicast.n_neighbours, 0);

        net_start(b);
        assert_true(net_run_until(net, joined_net_is_online, 5 * USEC_PER_SEC) < USEC_PER_SEC);
        assert_true(net_run_until(net, is_complete, 5 * USEC_PER_SEC) < USEC_PER_SEC);
        assert_true(b->unicast.address != address);
}

/* The same to a member that has no reason to come by itself: it is its neighbour who finds it again. */
static void test_first_member_killed(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        joined_net_make(net, 2);
        a = &net->members[0];
        b = &net->members[1];
        net_run(net, 60 * USEC_PER_SEC);
        a->config.keep_neighbours = false;
        net_kill(a, true);
        net_run(net, 300 * USEC_PER_MSEC);
        assert_int_equal(b->state, LAYER_DEGRADED);
        assert_non_null(strstr(b->reason, "connecting to home over lan"));
        net_start(a);
        assert_true(net_run_until(net, is_complete, 5 * USEC_PER_SEC) < USEC_PER_SEC);
        net_run(net, 2 * USEC_PER_SEC);
        assert_int_equal(b->state, LAYER_ONLINE);
        assert_int_equal(net_n_flows(a, LOWER_DATA, CUBE_VOICE), 1);
}

/* The layer below goes and comes back; its flows survive, and carry nothing in between. */
static void test_lower_flaps(void **state) {
        Net *net = *state;
        NetMember *a, *b;
        Neighbour *n;

        joined_net_make(net, 2);
        a = &net->members[0];
        b = &net->members[1];
        n = net_neighbour(a, b);
        unicast_lower_changed(&a->unicast, 0, false, net->now);
        assert_null(neighbour_data_flow(n, CUBE_BEST_EFFORT));
        assert_null(n->management_in_use);
        assert_int_equal(n->state, NEIGHBOUR_TRYING);
        assert_int_equal(a->packet_max, NET_PACKET_MAX - 15);
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_lower_flows, 4);

        unicast_lower_changed(&a->unicast, 0, true, net->now);
        assert_non_null(neighbour_data_flow(n, CUBE_VOICE));
        assert_int_equal(n->state, NEIGHBOUR_UP);
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_lower_flows, 4);
        assert_int_equal(a->n_down, 0);
}

/* Two members that look for each other at once end up with one flow of a kind, whoever was faster. */
static void test_both_at_once(void **state) {
        for (uint64_t seed = 1; seed <= 100; seed++) {
                Net *net = calloc(1, sizeof(*net));

                assert_non_null(net);
                net_init(net, seed);
                for (unsigned i = 0; i < 2; i++)
                        net_start(net_add(net, true));
                assert_true(net_run_until(net, joined_net_is_online, USEC_PER_SEC) != USEC_INFINITY);
                net_run(net, 5 * USEC_PER_SEC);

                for (unsigned i = 0; i < 2; i++) {
                        assert_int_equal(net_n_flows(&net->members[i], LOWER_MANAGEMENT, 0), 1);
                        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                                assert_int_equal(net_n_flows(&net->members[i], LOWER_DATA, cube), 1);
                }
                net_done(net);
                free(net);
        }
}

/* Four members of one layer below, in two content pairs: found out, and made one. */
static void test_two_groups(void **state) {
        Net *net = *state;

        for (unsigned i = 0; i < 4; i++)
                (void) net_add(net, true);

        /* Two of them come up while nobody else is there, then the other two, who find each other first. */
        net_start(&net->members[0]);
        net_start(&net->members[1]);
        net_run(net, 100 * USEC_PER_MSEC);
        net->members[0].is_cut_off = net->members[1].is_cut_off = true;
        net_start(&net->members[2]);
        net_start(&net->members[3]);
        net_run(net, 100 * USEC_PER_MSEC);
        net->members[0].is_cut_off = net->members[1].is_cut_off = false;
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(net->members[i].state, LAYER_ONLINE);
                assert_int_equal(net->members[i].unicast.n_neighbours, 1);
        }

        net_run(net, 30 * USEC_PER_SEC);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(routing_statistics(net->members[i].unicast.routing)->n_members, 3);

        /* And not more neighbours than that takes. */
        for (unsigned i = 0; i < 4; i++)
                assert_in_range(net->members[i].unicast.n_neighbours, 1, 3);
        net_run(net, 600 * USEC_PER_SEC);
        for (unsigned i = 0; i < 4; i++)
                assert_in_range(net_n_flows(&net->members[i], LOWER_MANAGEMENT, 0), 1, 3);
}

/* -- addresses -- */

static void test_same_address(void **state) {
        Net *net = *state;
        NetMember *a = net_add(net, true), *b = net_add(net, true);
        uint64_t address;

        a->fixed_random = b->fixed_random = 0x1122334455667788;
        net_start(a);
        net_start(b);
        address = a->unicast.address;
        assert_true(b->unicast.address == address);
        a->fixed_random = b->fixed_random = 0;
        assert_true(net_run_until(net, joined_net_is_online, 10 * USEC_PER_SEC) != USEC_INFINITY);
        net_run(net, 5 * USEC_PER_SEC);
        assert_true(joined_net_is_online(net));

        /* One of them gave way, and one alone. */
        assert_true(a->unicast.address != b->unicast.address);
        assert_true(a->unicast.address == address || b->unicast.address == address);

        /* Which drew a new address, but is in the layer that it began (both drew the same id): it begins no other. */
        assert_true(a->unicast.layer.have_id && b->unicast.layer.have_id);
        assert_memory_equal(a->unicast.layer.id, b->unicast.layer.id, LAYER_ID_BYTES);
}

/* -- orders -- */

static void test_orders(void **state) {
        Net *net = *state;
        NetMember *a, *b;
        Join *join;

        for (unsigned i = 0; i < 2; i++) {
                a = net_add(net, true);
                a->config.keep_neighbours = false;
                net_start(a);
        }
        a = &net->members[0];
        b = &net->members[1];
        join = &a->unicast.join;
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_neighbours, 0);

        assert_int_equal(join_disconnect(join, "home.1", true, true, net->now), -ENOENT);
        assert_int_equal(join_connect(join, "home.1", 7, true, true, net->now), -EINVAL);
        assert_int_equal(join_connect(join, "home.1", 0, false, false, net->now), -EINVAL);
        assert_int_equal(join_connect(join, "", 0, true, true, net->now), -EINVAL);
        assert_int_equal(join_connect(join, "home.1", -1, true, false, net->now), 0);
        net_run(net, 100 * USEC_PER_MSEC);
        assert_int_equal(net_n_flows(a, LOWER_MANAGEMENT, 0), 1);
        assert_int_equal(net_n_flows(a, LOWER_DATA, 0), 0);
        assert_int_equal(net_neighbour(a, b)->state, NEIGHBOUR_TRYING);

        assert_int_equal(join_connect(join, "home.1", -1, true, false, net->now), -EEXIST);
        assert_int_equal(join_connect(join, "home.1", -1, true, true, net->now), 0);
        net_run(net, 100 * USEC_PER_MSEC);
        assert_int_equal(net_n_flows(a, LOWER_DATA, 0), 1);
        assert_int_equal(net_neighbour(a, b)->state, NEIGHBOUR_UP);

        assert_int_equal(join_disconnect(join, "home.1", false, true, net->now), 0);
        net_run(net, 10 * USEC_PER_SEC);
        assert_int_equal(net_n_flows(a, LOWER_MANAGEMENT, 0), 1);
        assert_int_equal(net_n_flows(a, LOWER_DATA, 0), 0);

        assert_int_equal(join_disconnect(join, "home.1", true, true, net->now), 0);
        net_run(net, 60 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_lower_flows, 0);
        assert_int_equal(b->unicast.n_lower_flows, 0);
        assert_int_equal(join->n_targets, 0);
        assert_int_equal(a->state, LAYER_ONLINE);
}

/* A neighbour of the file: its cost, what is said while it is away, and that it may be let go of. */
static void test_neighbour_of_file(void **state) {
        static const UnicastNeighbourConfig wanted = {
                .name = "home.1",
                .lower = 0,
                .management = true,
                .data = true,
                .cost = 5,
        };
        Net *net = *state;
        NetMember *a = net_add(net, true), *b = net_add(net, false);

        a->config.keep_neighbours = false;
        b->config.keep_neighbours = false;
        a->config.neighbours = &wanted;
        a->config.n_neighbours = 1;
        net_start(a);
        net_run(net, 5 * USEC_PER_SEC);
        assert_int_equal(a->state, LAYER_DEGRADED);
        assert_non_null(strstr(a->reason, "home.1 (nobody has this name)"));

        net_start(b);
        assert_true(net_run_until(net, joined_net_is_online, 20 * USEC_PER_SEC) != USEC_INFINITY);
        assert_int_equal(net_neighbour(a, b)->cost, 5);
        assert_int_equal(net_neighbour(b, a)->cost, ROUTING_COST_DEFAULT);

        assert_int_equal(join_disconnect(&a->unicast.join, "home.1", true, true, net->now), 0);
        net_run(net, 100 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_neighbours, 0);
        assert_int_equal(a->state, LAYER_ONLINE);
}

/* An operator lets go of whoever answered to the layer's name: it stays gone. */
static void test_disconnect_implicit(void **state) {
        Net *net = *state;
        NetMember *a, *b;

        joined_net_make(net, 2);
        a = &net->members[0];
        b = &net->members[1];
        assert_int_equal(join_disconnect(&a->unicast.join, "home.1", true, true, net->now), 0);
        assert_int_equal(join_disconnect(&b->unicast.join, "home", true, true, net->now), 0);
        net_run(net, 100 * USEC_PER_SEC);
        assert_int_equal(a->unicast.n_neighbours, 0);
        assert_int_equal(b->unicast.n_neighbours, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_killed, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_first_member_killed, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_lower_flaps, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test(test_both_at_once),
                cmocka_unit_test_setup_teardown(test_two_groups, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_same_address, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_orders, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_neighbour_of_file, joined_net_set_up, joined_net_tear_down),
                cmocka_unit_test_setup_teardown(test_disconnect_implicit, joined_net_set_up, joined_net_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
