/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pure parts that layers on networks of the host share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/shim.h"

#define T0 (1000 * USEC_PER_SEC)

/* -- expiry -- */

static uint32_t next_random(uint32_t *seed) {
        *seed = *seed * 1664525U + 1013904223U;
        return *seed >> 8;
}

/* Against a model that looks at every entry. */
static void test_expiry_model(void **state) {
        ExpiryHeap heap = {};
        Expiry entries[200] = {};
        usec_t model[200];
        uint32_t seed = 7;

        for (size_t i = 0; i < ELEMENTSOF(model); i++)
                model[i] = USEC_INFINITY;

        for (unsigned round = 0; round < 20000; round++) {
                size_t i = next_random(&seed) % ELEMENTSOF(entries);
                usec_t when = next_random(&seed) % 1000, earliest = USEC_INFINITY;

                if (round % 5 == 0) {
                        Expiry *popped = expiry_pop(&heap, when);

                        if (popped) {
                                i = (size_t) (popped - entries);
                                assert_true(model[i] <= when);
                                for (size_t k = 0; k < ELEMENTSOF(model); k++)
                                        assert_true(model[k] >= model[i]);
                                model[i] = USEC_INFINITY;
                        } else
                                for (size_t k = 0; k < ELEMENTSOF(model); k++)
                                        assert_true(model[k] > when);
                } else if (round % 7 == 0) {
                        expiry_remove(&heap, &entries[i]);
                        model[i] = USEC_INFINITY;
                } else {
                        if (round % 11 == 0)
                                when = USEC_INFINITY;
                        assert_int_equal(expiry_set(&heap, &entries[i], when), 0);
                        model[i] = when;
                }

                for (size_t k = 0; k < ELEMENTSOF(model); k++)
                        earliest = MIN(earliest, model[k]);
                assert_true(expiry_next(&heap) == earliest);
        }

        expiry_done(&heap);
        for (size_t i = 0; i < ELEMENTSOF(entries); i++)
                assert_int_equal(entries[i].index, 0);
}

/* -- liveness -- */

static const struct {
        const char *name;
        uint32_t timeout_ms;
        usec_t sent, heard, now;        /* after T0 */
        LivenessEvent event;
        usec_t next;
} liveness_cases[] = {
        { "fresh",              120000, 0, 0, 0,                                LIVENESS_NOTHING, 30 * USEC_PER_SEC },
        { "just before T/4",    120000, 0, 0, 30 * USEC_PER_SEC - 1,            LIVENESS_NOTHING, 30 * USEC_PER_SEC },
        { "T/4 of silence",     120000, 0, 0, 30 * USEC_PER_SEC,                LIVENESS_SEND,    30 * USEC_PER_SEC },
        { "sent lately",        120000, 20 * USEC_PER_SEC, 0, 40 * USEC_PER_SEC, LIVENESS_NOTHING, 50 * USEC_PER_SEC },
        { "almost dead",        120000, 119 * USEC_PER_SEC, 0, 120 * USEC_PER_SEC - 1, LIVENESS_NOTHING,
          120 * USEC_PER_SEC },
        { "dead",               120000, 119 * USEC_PER_SEC, 0, 120 * USEC_PER_SEC, LIVENESS_DEAD, 120 * USEC_PER_SEC },
        { "dead, and silent",   120000, 0, 0, 500 * USEC_PER_SEC,               LIVENESS_DEAD,    30 * USEC_PER_SEC },
        { "heard, not sent",    120000, 0, 400 * USEC_PER_SEC, 500 * USEC_PER_SEC, LIVENESS_SEND, 30 * USEC_PER_SEC },
        { "short",              1000,   0, 0, 250 * USEC_PER_MSEC,              LIVENESS_SEND,    250 * USEC_PER_MSEC },
        { "off",                0,      0, 0, 86400 * USEC_PER_SEC,             LIVENESS_NOTHING, USEC_INFINITY },
};

static void test_liveness(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(liveness_cases); i++) {
                usec_t next = liveness_cases[i].next;
                Liveness l;

                print_message("%s\n", liveness_cases[i].name);
                liveness_init(&l, liveness_cases[i].timeout_ms, T0);
                liveness_sent(&l, T0 + liveness_cases[i].sent);
                liveness_heard(&l, T0 + liveness_cases[i].heard);
                assert_int_equal(liveness_expire(&l, T0 + liveness_cases[i].now), liveness_cases[i].event);
                assert_true(liveness_next(&l) == (next == USEC_INFINITY ? next : T0 + next));
        }
}

/* -- endpoint ids -- */

static void test_endpoints(void **state) {
        _cleanup_(shim_endpoints_freep) ShimEndpoints *endpoints = NULL;
        bool seen[64] = {};
        int owner;
        uint32_t id;

        assert_int_equal(shim_endpoints_new(2, 63, 0, &endpoints), 0);
        assert_int_equal(shim_endpoints_n_free(endpoints), 62);
        assert_null(shim_endpoints_get(endpoints, 0));
        assert_null(shim_endpoints_get(endpoints, 1));
        assert_null(shim_endpoints_get(endpoints, 64));
        assert_null(shim_endpoints_get(endpoints, UINT32_MAX));

        for (unsigned i = 0; i < 62; i++) {
                assert_int_equal(shim_endpoints_take(endpoints, i * 0x9E3779B97F4A7C15U, &owner, &id), 0);
                assert_in_range(id, 2, 63);
                assert_false(seen[id]);
                seen[id] = true;
                assert_ptr_equal(shim_endpoints_get(endpoints, id), &owner);
        }
        assert_int_equal(shim_endpoints_take(endpoints, 5, &owner, &id), -ENOSPC);

        shim_endpoints_release(endpoints, 17);
        assert_null(shim_endpoints_get(endpoints, 17));
        assert_int_equal(shim_endpoints_take(endpoints, 99, &owner, &id), 0);
        assert_int_equal(id, 17);
}

static void test_endpoint_tags(void **state) {
        _cleanup_(shim_endpoints_freep) ShimEndpoints *endpoints = NULL;
        int owner;
        uint32_t id;

        assert_int_equal(shim_endpoints_new(64, 65535, 16, &endpoints), 0);
        assert_int_equal(shim_endpoints_take(endpoints, UINT64_C(0xABCD00000000), &owner, &id), 0);
        assert_int_equal(id, 0xABCD0040);
        assert_ptr_equal(shim_endpoints_get(endpoints, id), &owner);
        assert_null(shim_endpoints_get(endpoints, id ^ 0x10000));       /* right slot, wrong tag */
        assert_null(shim_endpoints_get(endpoints, 0x40));
}

/* -- names -- */

static const uint8_t hash_n[32] = "n", hash_m[32] = "m";
static const uint8_t here[6] = "here", there[6] = "there";

static unsigned count_queries(ShimNames *names, usec_t now) {
        const ShimName *name;
        unsigned n = 0;

        while (shim_names_expire(names, now, &name) == SHIM_NAME_SEND)
                n++;
        return n;
}

static void test_name_schedule(void **state) {
        ShimNames names;
        const ShimName *name;

        assert_int_equal(shim_names_init(&names), 0);
        assert_int_equal(shim_name_look_up(&names, hash_n, 32, T0, &name), 0);

        /* An answer before the question cannot be one. */
        assert_int_equal(shim_name_answer(&names, hash_n, 32, here, 6, T0, &name), -ENOENT);

        assert_true(shim_names_next(&names) == T0);
        assert_int_equal(count_queries(&names, T0), 1);
        assert_int_equal(count_queries(&names, T0), 0);
        assert_int_equal(shim_name_look_up(&names, hash_n, 32, T0, &name), 0);
        assert_int_equal(count_queries(&names, T0 + 199 * USEC_PER_MSEC), 0);
        assert_int_equal(count_queries(&names, T0 + 200 * USEC_PER_MSEC), 1);
        assert_int_equal(count_queries(&names, T0 + 400 * USEC_PER_MSEC), 1);
        assert_true(shim_names_next(&names) == T0 + 600 * USEC_PER_MSEC);
        assert_int_equal(shim_names_expire(&names, T0 + 600 * USEC_PER_MSEC, &name), SHIM_NAME_GAVE_UP);
        assert_memory_equal(name->hash, hash_n, 32);
        assert_int_equal(shim_names_expire(&names, T0 + 600 * USEC_PER_MSEC, &name), SHIM_NAME_NOTHING);
        assert_int_equal(map_size(names.by_hash), 0);
        assert_true(shim_names_next(&names) == USEC_INFINITY);

        /* Too late. */
        assert_int_equal(shim_name_answer(&names, hash_n, 32, here, 6, T0 + USEC_PER_SEC, &name), -ENOENT);
        shim_names_done(&names);
}

/* The round is over when nobody could look: an answer in the socket still counts, but not for ever. */
static void test_name_stopped(void **state) {
        static const struct {
                const char *name;
                usec_t late;                    /* than 600 ms */
                bool waits;
        } cases[] = {
                { "in time",            0,                              false },
                { "almost in time",     SHIM_NAME_STOPPED_USEC - 1,     false },
                { "just stopped",       SHIM_NAME_STOPPED_USEC,         true },
                { "stopped for long",   10 * USEC_PER_SEC,              true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t now = T0 + 3 * SHIM_NAME_INTERVAL_USEC + cases[i].late;
                const ShimName *name;

                for (unsigned answered = 0; answered < 2; answered++) {
                        ShimNames names;

                        print_message("%s, %s\n", cases[i].name, answered ? "with an answer" : "without");
                        assert_int_equal(shim_names_init(&names), 0);
                        assert_int_equal(shim_name_look_up(&names, hash_n, 32, T0, &name), 0);
                        for (unsigned k = 0; k < SHIM_NAME_QUERIES; k++)
                                assert_int_equal(count_queries(&names, T0 + k * SHIM_NAME_INTERVAL_USEC), 1);

                        assert_int_equal(shim_names_expire(&names, now, &name),
                                         cases[i].waits ? SHIM_NAME_NOTHING : SHIM_NAME_GAVE_UP);
                        if (cases[i].waits && answered)
                                assert_int_equal(shim_name_answer(&names, hash_n, 32, here, 6, now, &name), 1);
                        else if (cases[i].waits)        /* stopped again: that was it */
                                assert_int_equal(shim_names_expire(&names, now + 10 * USEC_PER_SEC, &name),
                                                 SHIM_NAME_GAVE_UP);
                        shim_names_done(&names);
                }
        }
}

static void know(ShimNames *names, const uint8_t *hash, const uint8_t *address, usec_t now) {
        const ShimName *name;

        assert_int_equal(shim_name_look_up(names, hash, 32, now, &name), 0);
        assert_int_equal(count_queries(names, now), 1);
        assert_int_equal(shim_name_answer(names, hash, 32, address, 6, now, &name), 1);
        assert_memory_equal(name->address, address, 6);
}

static void test_name_cache(void **state) {
        ShimNames names;
        const ShimName *name;
        usec_t now = T0;

        assert_int_equal(shim_names_init(&names), 0);
        know(&names, hash_n, here, now);
        assert_int_equal(shim_name_look_up(&names, hash_n, 32, now + 59 * USEC_PER_SEC, &name), 1);
        assert_memory_equal(name->address, here, 6);

        /* Nobody can redirect it unasked; confirming keeps it. */
        assert_int_equal(shim_name_answer(&names, hash_n, 32, there, 6, now, &name), -EEXIST);
        assert_int_equal(shim_name_answer(&names, hash_m, 32, there, 6, now, &name), -ENOENT);
        shim_name_confirm(&names, hash_n, 32, there, 6, now + 50 * USEC_PER_SEC);
        assert_true(shim_names_next(&names) == now + 60 * USEC_PER_SEC);
        shim_name_confirm(&names, hash_n, 32, here, 6, now + 50 * USEC_PER_SEC);
        assert_int_equal(shim_name_look_up(&names, hash_n, 32, now + 100 * USEC_PER_SEC, &name), 1);

        /* Over, also before its expiry was worked off. */
        assert_int_equal(shim_name_look_up(&names, hash_n, 32, now + 110 * USEC_PER_SEC, &name), 0);
        assert_int_equal(count_queries(&names, now + 110 * USEC_PER_SEC), 1);
        assert_int_equal(shim_name_answer(&names, hash_n, 32, there, 6, now + 110 * USEC_PER_SEC, &name), 1);

        /* A request was not answered. */
        shim_name_doubt(&names, hash_n, 32);
        know(&names, hash_n, here, now + 111 * USEC_PER_SEC);

        shim_names_forget(&names);
        assert_int_equal(map_size(names.by_hash), 0);
        shim_names_done(&names);
}

static void test_name_limit(void **state) {
        ShimNames names;
        const ShimName *name;
        uint8_t hash[32] = {};

        assert_int_equal(shim_names_init(&names), 0);
        know(&names, hash_n, here, T0);

        for (uint32_t i = 0; i < SHIM_NAMES_MAX; i++) {
                memcpy(hash + 8, &i, sizeof(i));
                assert_int_equal(shim_name_look_up(&names, hash, 32, T0, &name), 0);
        }

        /* The known one made room; those in question do not. */
        assert_int_equal(map_size(names.by_hash), SHIM_NAMES_MAX);
        assert_null(map_get(names.by_hash, hash_n, 32));
        assert_int_equal(shim_name_look_up(&names, hash_m, 32, T0, &name), -ENOSPC);
        shim_names_done(&names);
}

/* -- limits -- */

static void test_limit(void **state) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "key";
        Limit *limit = malloc(sizeof(*limit));
        unsigned n = 0;

        assert_non_null(limit);
        limit_init(limit, key, 10, 20, 15, 30);

        /* The burst, then the rate. */
        while (limit_take(limit, "a", 1, T0))
                n++;
        assert_int_equal(n, 20);
        assert_false(limit_take(limit, "a", 1, T0 + 99 * USEC_PER_MSEC));
        assert_true(limit_take(limit, "a", 1, T0 + 100 * USEC_PER_MSEC));
        assert_false(limit_take(limit, "a", 1, T0 + 100 * USEC_PER_MSEC));

        /* Another sender has his own, until all together have too much. */
        n = 0;
        while (limit_take(limit, "b", 1, T0 + 100 * USEC_PER_MSEC))
                n++;
        assert_in_range(n, 9, 11);

        /* Asking all the time gains nothing: fractions add up to the same. */
        limit_init(limit, key, 10, 1, 1000, 1000);
        n = 0;
        for (usec_t t = 0; t < 10 * USEC_PER_SEC; t += 7)
                n += limit_take(limit, "a", 1, T0 + t);
        assert_in_range(n, 95, 101);

        free(limit);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_expiry_model),
                cmocka_unit_test(test_liveness),
                cmocka_unit_test(test_endpoints),
                cmocka_unit_test(test_endpoint_tags),
                cmocka_unit_test(test_name_schedule),
                cmocka_unit_test(test_name_stopped),
                cmocka_unit_test(test_name_cache),
                cmocka_unit_test(test_name_limit),
                cmocka_unit_test(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
