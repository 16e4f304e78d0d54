/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Next hops: what each policy answers while neighbours come and go, and that a look-up agrees with a plain list. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/forwarding.h"

#define NONE FORWARDING_NONE

/* Neighbours are 101, 102, ...; their numbers are 1, 2, ... */
static const uint8_t key[SIPHASH_KEY_BYTES] = "a key for tests";

static const Route routes[] = {
        { .destination = 900, .n_hops = 2, .hops = { 101, 102 }, .n_alternates = 1, .alternates = { 103 } },
        { .destination = 901, .n_hops = 1, .hops = { 103 } },
        { .destination = 902, .n_hops = 1, .hops = { 109 } },           /* a neighbour that nobody told us about */
        { .destination = 0xffffffffffffffff, .n_hops = 1, .hops = { 101 } },
};

static const struct {
        const char *name;
        ForwardingPolicy policy;
        unsigned up;                    /* bit i: neighbour 101 + i is there */
        uint64_t destination;
        uint32_t hop;
} choices[] = {
        { "simple: the first hop",              FORWARDING_SIMPLE,     7, 900, 1 },
        { "simple: gone is gone",               FORWARDING_SIMPLE,     6, 900, NONE },
        { "simple: single",                     FORWARDING_SIMPLE,     7, 901, 3 },
        { "simple: largest address",            FORWARDING_SIMPLE,     7, 0xffffffffffffffff, 1 },
        { "simple: unknown destination",        FORWARDING_SIMPLE,     7, 903, NONE },
        { "simple: no address",                 FORWARDING_SIMPLE,     7, 0, NONE },
        { "simple: unknown neighbour",          FORWARDING_SIMPLE,     7, 902, NONE },
        { "alternates: the first hop",          FORWARDING_ALTERNATES, 7, 900, 1 },
        { "alternates: equal cost first",       FORWARDING_ALTERNATES, 6, 900, 2 },
        { "alternates: the alternate",          FORWARDING_ALTERNATES, 4, 900, 3 },
        { "alternates: all gone",               FORWARDING_ALTERNATES, 0, 900, NONE },
        { "alternates: none known",             FORWARDING_ALTERNATES, 3, 901, NONE },
        { "multipath: what is left",            FORWARDING_MULTIPATH,  2, 900, 2 },
        { "multipath: what is left, other",     FORWARDING_MULTIPATH,  5, 900, 1 },
        { "multipath: the alternate",           FORWARDING_MULTIPATH,  4, 900, 3 },
        { "multipath: all gone",                FORWARDING_MULTIPATH,  0, 900, NONE },
        { "multipath: unknown destination",     FORWARDING_MULTIPATH,  7, 903, NONE },
};

static void set_up(Forwarding *f, unsigned up) {
        for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(forwarding_set_neighbour(f, 101 + i, up & 1U << i ? i + 1 : NONE), 0);
}

/* Neighbours may be known before the routes, or after them, or change between. */
static void test_choice(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(choices); i++)
                for (unsigned order = 0; order < 3; order++) {
                        _cleanup_(forwarding_freep) Forwarding *f = NULL;

                        print_message("%s, %u\n", choices[i].name, order);
                        assert_int_equal(forwarding_new(choices[i].policy, key, &f), 0);
                        if (order < 2)
                                set_up(f, order == 0 ? choices[i].up : ~choices[i].up);
                        assert_int_equal(forwarding_replace(f, routes, ELEMENTSOF(routes)), 0);
                        if (order > 0)
                                set_up(f, choices[i].up);

                        for (uint64_t flow = 0; flow < 20; flow++)
                                assert_int_equal(forwarding_lookup(f, choices[i].destination, flow), choices[i].hop);
                }
}

static void test_replace(void **state) {
        _cleanup_(forwarding_freep) Forwarding *f = NULL;

        assert_int_equal(forwarding_new(FORWARDING_SIMPLE, key, &f), 0);
        assert_int_equal(forwarding_lookup(f, 900, 0), NONE);           /* before there was any set */
        set_up(f, 7);
        assert_int_equal(forwarding_replace(f, routes, ELEMENTSOF(routes)), 0);
        assert_int_equal(forwarding_lookup(f, 900, 0), 1);

        /* As a whole: what the new set does not name is gone, and neighbours keep their numbers. */
        assert_int_equal(forwarding_replace(f, routes + 1, 1), 0);
        assert_int_equal(forwarding_lookup(f, 900, 0), NONE);
        assert_int_equal(forwarding_lookup(f, 901, 0), 3);

        assert_int_equal(forwarding_replace(f, NULL, 0), 0);
        assert_int_equal(forwarding_lookup(f, 901, 0), NONE);
        assert_int_equal(forwarding_replace(f, routes, ELEMENTSOF(routes)), 0);
        assert_int_equal(forwarding_lookup(f, 901, 0), 3);

        assert_int_equal(forwarding_set_neighbour(f, 103, 77), 0);      /* back, with another number */
        assert_int_equal(forwarding_lookup(f, 901, 0), 77);
        forwarding_set_neighbour(f, 555, NONE);                         /* never heard of */
}

#define FLOWS 4000U
#define WAYS 4U

/* Flows stay where they are, except those of a neighbour that goes; and each neighbour gets its share. */
static void test_flows_stay(void **state) {
        static const Route route = { .destination = 900, .n_hops = WAYS, .hops = { 101, 102, 103, 104 } };
        static const Route turned = { .destination = 900, .n_hops = WAYS, .hops = { 103, 101, 104, 102 } };
        _cleanup_(forwarding_freep) Forwarding *f = NULL;
        unsigned share[WAYS + 1] = {};
        uint32_t before[FLOWS];

        assert_int_equal(forwarding_new(FORWARDING_MULTIPATH, key, &f), 0);
        for (uint32_t i = 1; i <= WAYS; i++)
                assert_int_equal(forwarding_set_neighbour(f, 100 + i, i), 0);
        assert_int_equal(forwarding_replace(f, &route, 1), 0);

        for (uint64_t flow = 0; flow < FLOWS; flow++) {
                before[flow] = forwarding_lookup(f, 900, flow);
                assert_in_range(before[flow], 1, WAYS);
                share[before[flow]]++;
        }
        for (unsigned i = 1; i <= WAYS; i++)
                assert_in_range(share[i], FLOWS / WAYS * 8 / 10, FLOWS / WAYS * 12 / 10);

        assert_int_equal(forwarding_set_neighbour(f, 102, NONE), 0);
        memset(share, 0, sizeof(share));
        for (uint64_t flow = 0; flow < FLOWS; flow++) {
                uint32_t hop = forwarding_lookup(f, 900, flow);

                if (before[flow] != 2)
                        assert_int_equal(hop, before[flow]);
                else
                        share[hop]++;
        }
        assert_int_equal(share[2], 0);
        for (unsigned i = 1; i <= WAYS; i++)
                if (i != 2)
                        assert_in_range(share[i], FLOWS / WAYS / 3 * 7 / 10, FLOWS / WAYS / 3 * 13 / 10);

        assert_int_equal(forwarding_set_neighbour(f, 102, 2), 0);
        assert_int_equal(forwarding_replace(f, &turned, 1), 0);
        for (uint64_t flow = 0; flow < FLOWS; flow++)
                assert_int_equal(forwarding_lookup(f, 900, flow), before[flow]);
}

#define MANY 20000U

static void test_many(void **state) {
        _cleanup_(forwarding_freep) Forwarding *f = NULL;
        _cleanup_free_ Route *many = NULL;

        many = calloc(MANY, sizeof(*many));
        assert_non_null(many);
        assert_int_equal(forwarding_new(FORWARDING_SIMPLE, key, &f), 0);
        for (uint32_t i = 0; i < FORWARDING_NEIGHBOURS_MAX; i++)
                assert_int_equal(forwarding_set_neighbour(f, 1 + i, i), 0);

        /* Addresses that differ in their upper half only: a hash that ignores it would have them all in one place. */
        for (uint64_t i = 0; i < MANY; i++)
                many[i] = (Route) { .destination = (i + 1) << 40, .n_hops = 1,
                                    .hops = { 1 + i % FORWARDING_NEIGHBOURS_MAX } };
        assert_int_equal(forwarding_replace(f, many, MANY), 0);

        for (uint64_t i = 0; i < MANY; i++)
                assert_int_equal(forwarding_lookup(f, (i + 1) << 40, i), i % FORWARDING_NEIGHBOURS_MAX);
        assert_int_equal(forwarding_lookup(f, 5, 0), NONE);
}

static void test_names(void **state) {
        for (ForwardingPolicy p = 0; p < _FORWARDING_POLICY_MAX; p++)
                assert_int_equal(forwarding_policy_from_string(forwarding_policy_to_string(p)), p);
        assert_int_equal(forwarding_policy_from_string("lfa"), FORWARDING_ALTERNATES);
        assert_true(forwarding_policy_from_string("link_state") < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_choice),
                cmocka_unit_test(test_replace),
                cmocka_unit_test(test_flows_stay),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
