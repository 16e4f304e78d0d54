/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Routing between members, in virtual time: what becomes of links that come, go, flap and are lied about, how long it
 * takes, and what it costs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/routing-net.h"

#define MS USEC_PER_MSEC
#define S USEC_PER_SEC

static Net *make_line(unsigned n) {
        Net *net = net_new(n);

        for (unsigned i = 0; i + 1 < n; i++)
                net_connect(net, i, i + 1, 1);
        return net;
}

static Net *make_ring(unsigned n) {
        Net *net = make_line(n);

        net_connect(net, n - 1, 0, 1);
        return net;
}

static void assert_right_within(Net *net, usec_t usec) {
        usec_t took = net_run_until_right(net, usec);

        print_message("  took %" PRIu64 " ms\n", took / MS);
        assert_true(took <= usec);
}

static uint64_t sequence_at(const Net *net, unsigned i, unsigned from, unsigned to) {
        RoutingLink link;

        assert_true(net_find_link(net, i, net->members[from].address, net->members[to].address, &link));
        return link.sequence;
}

static bool knows(const Net *net, unsigned i, unsigned from, unsigned to) {
        RoutingLink link;

        return net_find_link(net, i, net->members[from].address, net->members[to].address, &link);
}

/* -- without trouble -- */

static void test_line(void **state) {
        _cleanup_(net_freep) Net *net = make_line(8);
        RoutingLink link;

        assert_right_within(net, 500 * MS);
        net_run(net, 200 * S);          /* and stays so: refreshes keep it alive */
        assert_true(net_is_right(net));

        assert_true(net_find_link(net, 0, net_address(6), net_address(7), &link));
        assert_true(link.two_way && !link.own && link.cost == 1);
        assert_true(link.age_usec < 16 * S);
        assert_int_equal(routing_statistics(net->members[0].routing)->n_links, 14);
        assert_int_equal(routing_statistics(net->members[0].routing)->n_members, 7);
        assert_in_range(link.sequence, 12, 14);
        assert_in_range(routing_sequence(net->members[7].routing), 12, 14);
}

/* Refreshes cost each member one message per link and neighbour, and no computation. */
static void test_quiet(void **state) {
        _cleanup_(net_freep) Net *net = make_ring(6);
        uint64_t n_sent, n_computed;

        net_run(net, 20 * S);
        n_sent = net->members[2].n_sent;
        n_computed = routing_statistics(net->members[2].routing)->computations;
        net_run(net, 10 * NET_UPDATE_USEC);
        assert_int_equal(routing_statistics(net->members[2].routing)->computations, n_computed);
        assert_in_range(net->members[2].n_sent - n_sent, 10 * 12, 10 * 24);
}

static void test_ring_cut(void **state) {
        _cleanup_(net_freep) Net *net = make_ring(8);

        assert_right_within(net, 1 * S);
        net_run(net, 10 * S);
        net_disconnect(net, 3, 4);
        assert_right_within(net, 100 * MS);     /* withdrawn at once, by both ends */
        net_run(net, 10 * S);
        net_connect(net, 3, 4, 1);
        assert_right_within(net, 100 * MS);
}

static void test_partition(void **state) {
        _cleanup_(net_freep) Net *net = make_line(6);

        assert_right_within(net, 500 * MS);
        net_disconnect(net, 2, 3);
        assert_right_within(net, 500 * MS);
        net_run(net, 2 * NET_TIMEOUT_USEC + 20 * S);
        assert_true(net_is_right(net));
        assert_false(knows(net, 0, 4, 5));      /* it timed out */
        net_connect(net, 2, 3, 1);
        assert_right_within(net, 500 * MS);
}

static void test_leave(void **state) {
        _cleanup_(net_freep) Net *net = make_line(4);

        assert_right_within(net, 500 * MS);
        routing_leave(net->members[3].routing, net->now);
        net_run(net, 100 * MS);
        assert_false(knows(net, 0, 3, 2));
        assert_null(net_route(net, 0, 3));
        net_kill(net, 3);
        net_run(net, 1 * S);
        assert_true(net_is_right(net));
}

static void test_costs(void **state) {
        _cleanup_(net_freep) Net *net = net_new(3);

        net_connect(net, 0, 1, 10);
        net_connect(net, 1, 2, 3);
        net_connect(net, 0, 2, 4);
        net_run(net, 1 * S);
        assert_int_equal(net_route(net, 0, 1)->cost, 7);
        assert_int_equal(net_route(net, 0, 1)->hops[0], net_address(2));
        assert_int_equal(net_route(net, 0, 1)->n_links, 2);

        /* The cost of one end counts for its direction only. */
        assert_int_equal(routing_link_up(net->members[0].routing, net_address(1), 2, net->now), 0);
        net_run(net, 1 * S);
        assert_int_equal(net_route(net, 0, 1)->cost, 2);
        assert_int_equal(net_route(net, 1, 0)->cost, 7);
}

/* -- trouble -- */

/* A link that flaps costs computations that get rarer, and no end of its numbers. */
static void test_flap(void **state) {
        _cleanup_(net_freep) Net *net = make_ring(6);
        uint64_t before, n_computed, n_sent;

        net_run(net, 20 * S);
        before = sequence_at(net, 0, 3, 4);
        n_computed = routing_statistics(net->members[0].routing)->computations;
        n_sent = net->members[0].n_sent;

        for (unsigned i = 0; i < 400; i++) {
                net_disconnect(net, 3, 4);
                net_run(net, 10 * MS);
                net_connect(net, 3, 4, 1);
                net_run(net, 15 * MS);
        }

        /* Ten seconds: at once, then after 50, 100, 200, ... ms. */
        assert_in_range(routing_statistics(net->members[0].routing)->computations - n_computed, 3, 12);
        assert_in_range(net->members[0].n_sent - n_sent, 400, 400 * 8);
        assert_right_within(net, NET_RECALCULATE_USEC);
        assert_true(sequence_at(net, 0, 3, 4) >= before + 800);
}

static void test_restart_with_old_sequence(void **state) {
        _cleanup_(net_freep) Net *net = make_ring(5);

        net_run(net, 100 * S);
        assert_true(sequence_at(net, 3, 0, 1) > 5);

        /* It is back, with its address, in no time, and nobody kept its number. Its links to others are what they
         * were, */
        net_kill(net, 0);
        net_start(net, 0, net_address(0), 0);
        net_connect(net, 0, 1, 1);
        net_connect(net, 0, 4, 1);
        assert_right_within(net, 2 * S);
        net_run(net, 100 * S);
        assert_true(net_is_right(net));

        /* or not: what is left of the old life is denied. */
        net_kill(net, 0);
        net_start(net, 0, net_address(0), 0);
        net_connect(net, 0, 1, 1);
        assert_right_within(net, 2 * S);
        net_run(net, 1 * S);
        assert_false(knows(net, 2, 0, 4));
        assert_int_equal(net->members[0].n_conflicts, 0);
}

static void test_loss(void **state) {
        _cleanup_(net_freep) Net *net = net_new(8);

        net->loss_percent = 20;
        for (unsigned i = 0; i < 8; i++)
                net_connect(net, i, (i + 1) % 8, 1);
        assert_right_within(net, 10 * S);
        for (unsigned i = 0; i < 8; i++) {
                net_disconnect(net, i, (i + 1) % 8);
                assert_right_within(net, 10 * S);
                net_connect(net, i, (i + 1) % 8, 1);
                assert_right_within(net, 10 * S);
        }
}

/* A neighbour without room gets everything later, and others do not wait for it. */
static void test_no_room(void **state) {
        _cleanup_(net_freep) Net *net = make_line(5);

        assert_right_within(net, 500 * MS);
        net->members[0].is_full = true;
        net_disconnect(net, 1, 2);
        net_run(net, 100 * MS);
        net_connect(net, 1, 2, 1);
        net_disconnect(net, 3, 4);
        net_run(net, 500 * MS);
        assert_null(net_route(net, 1, 4));
        assert_non_null(net_route(net, 0, 4));  /* did not hear of it */
        net->members[0].is_full = false;
        assert_right_within(net, 1 * S);
}

/* -- the prototype -- */

/* o7s - o7s - prototype - o7s - o7s */
static void test_prototype(void **state) {
        _cleanup_(net_freep) Net *net = net_new(5);
        uint64_t before;

        net_start_prototype(net, 2);
        for (unsigned i = 0; i < 4; i++)
                net_connect(net, i, i + 1, i == 0 || i == 3 ? 5 : 1);
        assert_right_within(net, 500 * MS);
        net_run(net, 100 * S);
        assert_true(net_is_right(net));

        /* It never sees anything that it does not know, and nobody learns a cost through it. */
        assert_int_equal(net->members[2].n_unknown, 0);
        assert_int_equal(net_route(net, 1, 0)->cost, 5);
        assert_int_equal(net_route(net, 4, 0)->cost, 5 + 1 + 1 + 1);

        /* What goes behind it times out; nothing else would be heard through it. */
        net_disconnect(net, 0, 1);
        assert_right_within(net, NET_TIMEOUT_USEC + NET_UPDATE_USEC);
        net_connect(net, 0, 1, 5);
        assert_right_within(net, 500 * MS);

        /* Its numbers begin again with each link. Here we know that they do. */
        before = sequence_at(net, 1, 2, 1);
        assert_true(before > 5);
        net_disconnect(net, 1, 2);
        net_run(net, 1 * S);
        net_connect(net, 1, 2, 1);
        net_run(net, 1 * S);
        assert_non_null(net_route(net, 1, 4));
        assert_int_equal(sequence_at(net, 1, 2, 1), 0);
        assert_int_equal(net->members[2].n_unknown, 0);
        assert_right_within(net, 2 * NET_TIMEOUT_USEC);
}

/* Two ways to each member, one through the prototype: both forms of each message meet, and that is the end of it. */
static void test_both_forms(void **state) {
        _cleanup_(net_freep) Net *net = net_new(4);
        uint64_t n_received, n_computed;

        net_start_prototype(net, 3);
        net_connect(net, 0, 1, 3);
        net_connect(net, 1, 2, 3);
        net_connect(net, 2, 3, 1);
        net_connect(net, 3, 0, 1);
        net_run(net, 20 * S);
        n_received = net->members[1].n_received;
        n_computed = routing_statistics(net->members[1].routing)->computations;
        net_run(net, 20 * NET_UPDATE_USEC);

        /* Eight links, from two neighbours, each in one form or in both. */
        assert_in_range(net->members[1].n_received - n_received, 20 * 6, 20 * 8 * 2 * 2);
        assert_int_equal(routing_statistics(net->members[1].routing)->computations, n_computed);
        assert_int_equal(net->members[3].n_unknown, 0);
}

/* -- lies -- */

static const struct {
        const char *name;
        Lsa lsa;                        /* from and to: numbers of members */
        uint64_t above;                 /* its sequence is that much above the true one */
        bool there;                     /* the link, afterwards */
} lies[] = {
        { "a living link, higher",          { .from = 1, .to = 2, .cost = 1 },                                    1000,
          true },
        { "a living link, far higher",      { .from = 1, .to = 2, .cost = 1 },                    UINT64_C(1) << 50,
          true },
        { "a living link, highest",         { .from = 1, .to = 2, .cost = 1 },                    UINT64_C(1) << 62,
          true },
        { "a living link, other cost",      { .from = 1, .to = 2, .cost = 99, .extended = true },                    1,
          true },
        { "a living link, withdrawn",       { .from = 1, .to = 2, .extended = true, .withdrawn = true },             1,
          true },
        { "the same, with the same number", { .from = 1, .to = 2, .extended = true, .withdrawn = true },             0,
          true },
        { "one that never was",             { .from = 1, .to = 4, .cost = 1 },                                       7,
          false },
        { "the receiver's own",             { .from = 3, .to = 2, .extended = true, .withdrawn = true },             1,
          true },
        { "its own, never was",             { .from = 3, .to = 0, .cost = 1 },                                       3,
          false },
};

/* Told to 3, by 4, in a line of five. The truth is back within two seconds, everywhere, and links can still go. */
static void test_lies(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
                _cleanup_(net_freep) Net *net = make_line(5);
                Lsa lsa = lies[i].lsa;
                RoutingLink link;

                print_message("%s\n", lies[i].name);
                net_run(net, 20 * S);
                if (lies[i].there)
                        lsa.sequence = sequence_at(net, 3, (unsigned) lsa.from, (unsigned) lsa.to);
                lsa.sequence += lies[i].above;
                lsa.from = net_address((unsigned) lsa.from);
                lsa.to = net_address((unsigned) lsa.to);
                net_inject(net, 4, 3, &lsa);
                net_run(net, 2 * S);

                assert_true(net_is_right(net));
                for (unsigned k = 0; k < 4; k++) {
                        assert_int_equal(net_find_link(net, k, lsa.from, lsa.to, &link), lies[i].there);
                        if (lies[i].there)
                                assert_int_equal(link.cost, 1);
                }

                net_disconnect(net, 1, 2);
                assert_right_within(net, 500 * MS);
                for (unsigned k = 0; k < 5; k++)
                        assert_int_equal(net->members[k].n_conflicts, 0);
        }
}

/* The largest number that there is, and the largest that is believed, for a link that is there and one that is new. */
static void test_freeze(void **state) {
        _cleanup_(net_freep) Net *net = make_line(4);
        uint8_t frozen[LSA_BYTES_MAX];
        Lsa lsa = { .from = net_address(1), .to = net_address(0), .cost = 1 };

        net_run(net, 5 * S);
        assert_int_equal(lsa_write(&lsa, frozen), LSA_BYTES);
        memset(frozen + 16, 0xff, 8);
        routing_receive(net->members[2].routing, net->connections[2][3], frozen, LSA_BYTES, net->now);
        assert_int_equal(routing_statistics(net->members[2].routing)->malformed, 1);

        lsa.sequence = LSA_SEQUENCE_MAX;
        net_inject(net, 3, 2, &lsa);
        assert_int_equal(routing_statistics(net->members[2].routing)->refused, 1);
        net_disconnect(net, 0, 1);
        assert_right_within(net, 500 * MS);

        /* Where nobody knows the link, it is believed, and cannot be answered; after the time-out the truth is. */
        net_run(net, 5 * NET_TIMEOUT_USEC);
        net_inject(net, 3, 2, &lsa);
        net_run(net, 1 * S);
        assert_true(knows(net, 2, 1, 0));
        assert_true(net_is_right(net));         /* one direction alone does not count */
        net_connect(net, 0, 1, 1);
        assert_right_within(net, NET_TIMEOUT_USEC + 2 * NET_UPDATE_USEC);
        net_run(net, 3 * NET_TIMEOUT_USEC);
        assert_true(net_is_right(net));
        assert_true(sequence_at(net, 3, 1, 0) < 1000);
}

static void test_same_address_twice(void **state) {
        _cleanup_(net_freep) Net *net = make_line(5);
        uint64_t n_sent;

        net_start(net, 4, net_address(0), 0);
        net_connect(net, 3, 4, 1);
        n_sent = net->members[2].n_sent;
        net_run(net, 30 * S);
        assert_int_equal(net->members[0].n_conflicts, 1);       /* told once */
        assert_int_equal(net->members[4].n_conflicts, 1);
        assert_int_equal(net->members[2].n_conflicts, 0);
        assert_true(net->members[2].n_sent - n_sent < 30 * 20); /* and it is no storm */

        net_start(net, 4, net_address(4), 0);
        net_connect(net, 3, 4, 1);
        assert_right_within(net, 5 * S);
}

/* -- storms -- */

static uint64_t next_random(uint64_t *state) {
        *state = *state * 6364136223846793005U + 1442695040888963407U;
        return *state >> 11;
}

/* 3 invents links as fast as it can. 1 and 2 stay within bounds, their neighbour gets them at a bearable pace, and
 * what they know of each other is right all along. */
static void test_storm(void **state) {
        _cleanup_(net_freep) Net *net = make_line(4);
        const RoutingStatistics *at_2 = routing_statistics(net->members[2].routing);
        uint64_t random = 1, n_sent, n_computed;

        net_run(net, 5 * S);
        n_sent = net->members[2].n_sent;
        n_computed = at_2->computations;
        for (unsigned burst = 0; burst < 300; burst++) {
                for (unsigned i = 0; i < 1000; i++) {
                        Lsa lsa = {
                                .from = 1 + next_random(&random) % 100000,
                                .to = 200000 + next_random(&random) % 100000,
                                .sequence = next_random(&random) % 1000,
                                .cost = 1,
                        };

                        if (i % 3 == 0)         /* both directions, so that some of it counts as links */
                                lsa = (Lsa) { .from = lsa.to, .to = lsa.from, .sequence = 5, .cost = 1 };
                        net_inject(net, 3, 2, &lsa);
                }
                net_run(net, 10 * MS);
        }

        at_2 = routing_statistics(net->members[2].routing);
        assert_in_range(at_2->n_links, 50000, ROUTING_LINKS_MAX * 9 / 10 + 10);
        assert_true(at_2->refused > 100000);
        assert_in_range(net->members[2].n_sent - n_sent, 3 * 4000, 3 * 5000 + 600);
        assert_in_range(at_2->computations - n_computed, 0, 12);
        assert_non_null(net_route(net, 0, 3));
        assert_non_null(net_route(net, 3, 0));

        /* Good news and bad ones still get through. */
        net_disconnect(net, 0, 1);
        net_run(net, 20 * S);
        assert_null(net_route(net, 3, 0));
        net_connect(net, 0, 1, 1);
        net_run(net, 40 * S);
        assert_non_null(net_route(net, 3, 0));
}

static void test_garbage(void **state) {
        static const uint8_t garbage[100];
        _cleanup_(net_freep) Net *net = make_line(3);

        net_run(net, 1 * S);
        for (size_t size = 0; size < sizeof(garbage); size++)
                routing_receive(net->members[1].routing, net->connections[1][0], garbage, size, net->now);
        assert_int_equal(routing_statistics(net->members[1].routing)->malformed, 100);

        routing_receive(net->members[1].routing, 4711, garbage, LSA_BYTES, net->now);   /* who is that? */
        assert_int_equal(routing_statistics(net->members[1].routing)->refused, 1);
        routing_peer_down(net->members[1].routing, 4711, net->now);
        routing_link_down(net->members[1].routing, 4711, net->now);
        net_run(net, 100 * S);
        assert_true(net_is_right(net));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_line),
                cmocka_unit_test(test_quiet),
                cmocka_unit_test(test_ring_cut),
                cmocka_unit_test(test_partition),
                cmocka_unit_test(test_leave),
                cmocka_unit_test(test_costs),
                cmocka_unit_test(test_flap),
                cmocka_unit_test(test_restart_with_old_sequence),
                cmocka_unit_test(test_loss),
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_prototype),
                cmocka_unit_test(test_both_forms),
                cmocka_unit_test(test_lies),
                cmocka_unit_test(test_freeze),
                cmocka_unit_test(test_same_address_twice),
                cmocka_unit_test(test_storm),
                cmocka_unit_test(test_garbage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
