/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The map, beside a model of it that is too simple to be wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/map.h"
#include "basic/random.h"

#define N_KEYS 512U
#define N_STEPS 60000U

typedef struct Item {
        uint32_t key;
        bool present;           /* the model */
        unsigned n_visited;
} Item;

/* Repeatable: the steps of a failure can be looked at again. */
static uint32_t next_random(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (*state >> 33);
}

static void check_walk(Map *map, Item *items) {
        size_t position, n = 0;
        Item *item;

        for (size_t i = 0; i < N_KEYS; i++)
                items[i].n_visited = 0;

        map_for_each(item, map, position) {
                assert_true(item->present);
                item->n_visited++;
                n++;
        }

        assert_int_equal(n, map_size(map));
        for (size_t i = 0; i < N_KEYS; i++)
                assert_int_equal(items[i].n_visited, items[i].present);
}

static void test_model(void **state) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
                _cleanup_(map_freep) Map *map = NULL;
                static Item items[N_KEYS];
                uint64_t random = seed;
                size_t n_present = 0;

                memset(items, 0, sizeof(items));
                for (uint32_t i = 0; i < N_KEYS; i++)
                        items[i].key = i;

                assert_int_equal(map_new(&map), 0);

                for (unsigned step = 0; step < N_STEPS; step++) {
                        /* The share of removals swings, so that the table is sometimes full and sometimes
                         * empty. */
                        bool put = next_random(&random) % 100 < (step / 8000 % 2 ? 25 : 75);
                        Item *item = items + next_random(&random) % N_KEYS;

                        assert_ptr_equal(map_get(map, &item->key, sizeof(item->key)),
                                         item->present ? item : NULL);

                        if (put) {
                                assert_int_equal(map_put(map, &item->key, sizeof(item->key), item),
                                                 item->present ? -EEXIST : 0);
                                n_present += !item->present;
                                item->present = true;
                        } else {
                                assert_ptr_equal(map_remove(map, &item->key, sizeof(item->key)),
                                                 item->present ? item : NULL);
                                n_present -= item->present;
                                item->present = false;
                        }

                        assert_int_equal(map_size(map), n_present);
                        if (step % 997 == 0)
                                check_walk(map, items);
                }
        }
}

static void test_remove_while_walking(void **state) {
        _cleanup_(map_freep) Map *map = NULL;
        Item items[100] = {}, *item;
        size_t position, n = 0;

        assert_int_equal(map_new(&map), 0);
        for (uint32_t i = 0; i < ELEMENTSOF(items); i++) {
                items[i].key = i;
                assert_int_equal(map_put(map, &items[i].key, sizeof(items[i].key), items + i), 0);
        }

        map_for_each(item, map, position) {
                if (item->key % 2 == 0)
                        assert_ptr_equal(map_remove(map, &item->key, sizeof(item->key)), item);
                n++;
        }

        assert_int_equal(n, 100);               /* none missed, none twice */
        assert_int_equal(map_size(map), 50);
        for (uint32_t i = 0; i < ELEMENTSOF(items); i++)
                assert_ptr_equal(map_get(map, &i, sizeof(i)), i % 2 ? items + i : NULL);
}

static void test_keys(void **state) {
        _cleanup_(map_freep) Map *map = NULL;
        int a, b, c, d;

        assert_int_equal(map_new(&map), 0);
        assert_null(map_get_string(map, "absent"));
        assert_null(map_remove_string(map, "absent"));

        /* Length counts, and so do zeroes. */
        assert_int_equal(map_put(map, "k\0", 1, &a), 0);
        assert_int_equal(map_put(map, "k\0", 2, &b), 0);
        assert_int_equal(map_put(map, "k\0\0", 3, &c), 0);
        assert_int_equal(map_put(map, "", 0, &d), 0);
        assert_int_equal(map_put_string(map, "k", &d), -EEXIST);

        assert_ptr_equal(map_get_string(map, "k"), &a);
        assert_ptr_equal(map_get(map, "k\0", 2), &b);
        assert_ptr_equal(map_get(map, "k\0\0", 3), &c);
        assert_ptr_equal(map_get(map, "", 0), &d);
        assert_ptr_equal(map_remove(map, "k\0", 2), &b);
        assert_null(map_get(map, "k\0", 2));
        assert_ptr_equal(map_get_string(map, "k"), &a);
        assert_int_equal(map_size(map), 3);
}

/* Entries that come and go must not fill the table with what they leave behind. */
static void test_churn(void **state) {
        _cleanup_(map_freep) Map *map = NULL;
        uint64_t keys[8];

        assert_int_equal(map_new(&map), 0);
        for (uint64_t i = 0; i < 200000; i++) {
                uint64_t *key = keys + i % ELEMENTSOF(keys);

                if (i >= ELEMENTSOF(keys))
                        assert_ptr_equal(map_remove(map, key, sizeof(*key)), key);
                *key = i;
                assert_int_equal(map_put(map, key, sizeof(*key), key), 0);
        }
        assert_int_equal(map_size(map), ELEMENTSOF(keys));
}

static void test_empty(void **state) {
        _cleanup_(map_freep) Map *map = NULL;
        size_t position = 0;

        assert_int_equal(map_size(NULL), 0);
        assert_null(map_free(NULL));
        assert_int_equal(map_new(&map), 0);
        assert_int_equal(map_size(map), 0);
        assert_null(map_next(map, &position));
}

static void test_random(void **state) {
        uint8_t a[4096] = {}, b[4096] = {};

        assert_int_equal(random_bytes(a, sizeof(a)), 0);
        assert_int_equal(random_bytes(b, sizeof(b)), 0);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_memory_not_equal(a + 2048, b + 1024, 1024);
        assert_int_equal(random_bytes(NULL, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_model),
                cmocka_unit_test(test_remove_while_walking),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_churn),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
