/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is kept for others: how long, when it is to be passed on, and that nobody can fill it or push others out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/dht-store.h"

#define ID_SIZE 32U
#define SEC USEC_PER_SEC

static int setup(void **state) {
        static const uint8_t hash_key[SIPHASH_KEY_BYTES] = { 1 };
        DhtStore *store = malloc(sizeof(*store));

        if (!store || dht_store_init(store, ID_SIZE, hash_key) < 0)
                return -1;
        *state = store;
        return 0;
}

static int teardown(void **state) {
        dht_store_done(*state);
        free(*state);
        return 0;
}

static const uint8_t *key_of(uint32_t number) {
        static uint8_t key[ID_SIZE];

        memcpy(key, &number, sizeof(number));
        return key;
}

static int put(DhtStore *store, uint32_t key, uint64_t sender, uint64_t value, usec_t expires, usec_t replicate) {
        const DhtMessage m = { .source = { .address = sender }, .value = value, .expires = (uint32_t) (expires / SEC) };

        return dht_store_put(store, key_of(key), &m, expires, replicate);
}

static void test_life(void **state) {
        DhtStore *s = *state;
        uint64_t values[8];

        assert_null(dht_store_get(s, key_of(1)));
        assert_int_equal(dht_store_next(s), USEC_INFINITY);
        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, USEC_INFINITY), 1);
        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, USEC_INFINITY), 0);
        assert_int_equal(put(s, 1, 9, 8, 50 * SEC, USEC_INFINITY), 1);
        assert_int_equal(dht_store_get(s, key_of(1))->n_values, 2);
        assert_int_equal(put(s, 1, 6, 6, 50 * SEC, USEC_INFINITY), 1);
        assert_int_equal(dht_store_values(s, key_of(1), SEC, 8, values), 3);
        assert_int_equal(values[2], 8);                 /* hearsay comes last */
        assert_int_equal(dht_store_values(s, key_of(1), SEC, 2, values), 2);
        assert_int_equal(dht_store_values(s, key_of(1), 50 * SEC, 8, values), 1);
        assert_int_equal(values[0], 7);
        assert_int_equal(dht_store_values(s, key_of(2), SEC, 8, values), 0);
        assert_int_equal(dht_store_next(s), 50 * SEC);

        /* Later extends, earlier changes nothing. */
        assert_int_equal(put(s, 1, 9, 8, 60 * SEC, USEC_INFINITY), 0);
        assert_int_equal(put(s, 1, 9, 8, 20 * SEC, USEC_INFINITY), 0);
        assert_null(dht_store_pop(s, 50 * SEC));
        assert_int_equal(dht_store_next(s), 60 * SEC);
        assert_null(dht_store_pop(s, 60 * SEC - 1));
        assert_true(dht_store_has(s, key_of(1), 8));
        assert_null(dht_store_pop(s, 60 * SEC));
        assert_false(dht_store_has(s, key_of(1), 8));
        assert_true(dht_store_has(s, key_of(1), 7));
        assert_null(dht_store_pop(s, 100 * SEC));
        assert_null(dht_store_get(s, key_of(1)));
        assert_int_equal(s->n_values, 0);
        assert_int_equal(dht_store_next(s), USEC_INFINITY);
}

static void test_replication(void **state) {
        DhtStore *s = *state;
        DhtEntry *entry;

        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, 10 * SEC), 1);
        assert_int_equal(dht_store_next(s), 10 * SEC);
        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, 20 * SEC), 0);      /* somebody saw to it */
        assert_null(dht_store_pop(s, 10 * SEC));

        entry = dht_store_pop(s, 20 * SEC);
        assert_non_null(entry);
        assert_memory_equal(entry->key, key_of(1), ID_SIZE);
        assert_int_equal(entry->values[0].expires, 100);
        assert_null(dht_store_pop(s, 20 * SEC));                        /* once */
        dht_store_schedule(s, entry, 30 * SEC);
        assert_ptr_equal(dht_store_pop(s, 30 * SEC), entry);

        /* Due, but nothing is left of it. */
        dht_store_schedule(s, entry, 100 * SEC);
        assert_null(dht_store_pop(s, 100 * SEC));
        assert_null(dht_store_get(s, key_of(1)));
}

static void test_remove(void **state) {
        DhtStore *s = *state;

        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, 10 * SEC), 1);
        assert_int_equal(put(s, 1, 8, 8, 100 * SEC, 10 * SEC), 1);
        dht_store_remove(s, key_of(1), 9);
        dht_store_remove(s, key_of(2), 7);
        dht_store_remove(s, key_of(1), 7);
        assert_true(dht_store_has(s, key_of(1), 8));
        dht_store_remove(s, key_of(1), 8);
        assert_null(dht_store_get(s, key_of(1)));
        assert_null(dht_store_pop(s, 200 * SEC));
}

/* Eight values that a stranger made up do not keep a member from announcing itself. */
static void test_full_key(void **state) {
        DhtStore *s = *state;

        for (unsigned i = 0; i < DHT_STORE_KEY_VALUES_MAX; i++)
                assert_int_equal(put(s, 1, 66, 100 + i, 1000 * SEC, USEC_INFINITY), 1);
        assert_int_equal(put(s, 1, 66, 99, 1000 * SEC, USEC_INFINITY), -ENOSPC);
        assert_int_equal(put(s, 1, 7, 7, 100 * SEC, USEC_INFINITY), 1);
        assert_int_equal(dht_store_get(s, key_of(1))->n_values, DHT_STORE_KEY_VALUES_MAX);
        assert_true(dht_store_has(s, key_of(1), 7));

        for (unsigned i = 1; i < DHT_STORE_KEY_VALUES_MAX; i++)
                assert_int_equal(put(s, 1, 200 + i, 200 + i, 1000 * SEC, USEC_INFINITY), 1);
        assert_int_equal(put(s, 1, 300, 300, 1000 * SEC, USEC_INFINITY), -ENOSPC);
        assert_true(dht_store_has(s, key_of(1), 7));
}

static void test_limits(void **state) {
        DhtStore *s = *state;
        uint32_t n = 0;

        /* One sender reaches its limit, another has room. */
        for (uint32_t i = 0; i < 2 * DHT_STORE_SENDER_VALUES_MAX; i++)
                n += put(s, i, 66, 66, 1000 * SEC, USEC_INFINITY) > 0;
        assert_int_equal(n, DHT_STORE_SENDER_VALUES_MAX);
        assert_int_equal(map_size(s->by_key), DHT_STORE_SENDER_VALUES_MAX);
        assert_int_equal(put(s, 1 << 24, 7, 7, 1000 * SEC, USEC_INFINITY), 1);

        /* Many senders reach the limit of all. */
        for (uint32_t i = 0; i < 2 * DHT_STORE_KEYS_MAX; i++)
                n += put(s, (1 << 24) + i, 1000 + i, 66, 1000 * SEC, USEC_INFINITY) > 0;
        assert_int_equal(map_size(s->by_key), DHT_STORE_KEYS_MAX);
        for (uint32_t i = 0; i < 4 * DHT_STORE_KEYS_MAX; i++)
                (void) put(s, i % DHT_STORE_KEYS_MAX, 1000 + i, 1000 + i, 1000 * SEC, USEC_INFINITY);
        assert_in_range(s->n_values, DHT_STORE_KEYS_MAX, DHT_STORE_VALUES_MAX);

        assert_null(dht_store_pop(s, 1000 * SEC));
        assert_int_equal(s->n_values, 0);
        assert_int_equal(map_size(s->by_key), 0);
        for (unsigned i = 0; i < DHT_STORE_SENDERS; i++)
                assert_int_equal(s->n_by_sender[i], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_life, setup, teardown),
                cmocka_unit_test_setup_teardown(test_replication, setup, teardown),
                cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
                cmocka_unit_test_setup_teardown(test_full_key, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
