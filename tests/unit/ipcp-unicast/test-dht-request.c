/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests under way: which answers count, when one is late, and what is learned from that. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/dht-request.h"

#define ID_SIZE 32U
#define MS USEC_PER_MSEC

static const uint8_t key[HASH_BYTES_MAX] = "key";

static int setup(void **state) {
        DhtRequests *requests = malloc(sizeof(*requests));

        if (!requests || dht_requests_init(requests, ID_SIZE) < 0)
                return -1;
        *state = requests;
        return 0;
}

static int teardown(void **state) {
        dht_requests_done(*state);
        free(*state);
        return 0;
}

static DhtMessage answer(uint64_t cookie, uint64_t address) {
        DhtMessage m = { .code = DHT_FIND_NODE_RESPONSE, .cookie = cookie, .source = { .address = address } };

        memcpy(m.key, key, sizeof(key));
        return m;
}

static void test_answers(void **state) {
        static const struct {
                const char *name;
                uint64_t cookie, address;
                bool other_key;
        } strangers[] = {
                { "other cookie", 6, 70, false },
                { "other member", 5, 71, false },
                { "other key",    5, 70, true },
                { "cookie 0",     0, 70, false },
        };
        DhtRequests *requests = *state;
        DhtRequest *request;
        DhtMessage m;

        assert_int_equal(dht_request_new(requests, DHT_REQUEST_PING, 0, 70, key, 0, &request), -EEXIST);
        assert_int_equal(dht_request_new(requests, DHT_REQUEST_PING, 5, 70, key, 0, &request), 0);
        assert_int_equal(dht_request_new(requests, DHT_REQUEST_PING, 5, 71, key, 0, &request), -EEXIST);

        for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
                print_message("%s\n", strangers[i].name);
                m = answer(strangers[i].cookie, strangers[i].address);
                m.key[0] ^= strangers[i].other_key;
                assert_null(dht_requests_answered(requests, &m, 10 * MS));
        }

        m = answer(5, 70);
        assert_ptr_equal(dht_requests_answered(requests, &m, 10 * MS), request);
        dht_request_free(requests, request);
        assert_null(dht_requests_answered(requests, &m, 10 * MS));      /* once */
}

static void test_times(void **state) {
        DhtRequests *requests = *state;
        DhtRequest *request;

        assert_int_equal(dht_request_new(requests, DHT_REQUEST_LOOKUP, 5, 70, key, 0, &request), 0);
        assert_null(dht_requests_expire(requests, DHT_SLOW_INITIAL_USEC - 1));
        assert_ptr_equal(dht_requests_expire(requests, DHT_SLOW_INITIAL_USEC), request);
        assert_int_equal(request->state, DHT_REQUEST_SLOW);
        assert_null(dht_requests_expire(requests, 4 * DHT_SLOW_INITIAL_USEC - 1));
        assert_ptr_equal(dht_requests_expire(requests, 4 * DHT_SLOW_INITIAL_USEC), request);
        assert_int_equal(request->state, DHT_REQUEST_FAILED);
        assert_int_equal(dht_requests_next(requests), DHT_OVER_USEC);
        assert_ptr_equal(dht_requests_expire(requests, DHT_OVER_USEC), request);
        assert_int_equal(request->state, DHT_REQUEST_OVER);
        dht_request_free(requests, request);
        assert_int_equal(dht_requests_next(requests), USEC_INFINITY);
}

static void exchange(DhtRequests *requests, usec_t took) {
        DhtRequest *request;
        DhtMessage m = answer(1, 70);

        assert_int_equal(dht_request_new(requests, DHT_REQUEST_LOOKUP, 1, 70, key, 0, &request), 0);
        assert_ptr_equal(dht_requests_answered(requests, &m, took), request);
        dht_request_free(requests, request);
}

static void test_learning(void **state) {
        static const struct {
                const char *name;
                usec_t took, slow_min, slow_max;
        } rows[] = {
                { "same host",    20,       DHT_SLOW_MIN_USEC, DHT_SLOW_MIN_USEC },
                { "country",      30 * MS,  30 * MS,           60 * MS },
                { "satellite",    600 * MS, DHT_SLOW_MAX_USEC, DHT_SLOW_MAX_USEC },
                { "country again", 30 * MS, 30 * MS,           60 * MS },
        };
        DhtRequests *requests = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                for (unsigned n = 0; n < 60; n++)
                        exchange(requests, rows[i].took);
                assert_in_range(dht_requests_slow_usec(requests), rows[i].slow_min, rows[i].slow_max);
                assert_true(dht_requests_failed_usec(requests) >= DHT_FAILED_MIN_USEC);
        }
}

static void test_bounded(void **state) {
        DhtRequests *requests = *state;
        DhtRequest *request;

        for (unsigned i = 1; i <= DHT_REQUESTS_MAX; i++)
                assert_int_equal(dht_request_new(requests, DHT_REQUEST_PING, i, 70, key, 0, &request), 0);
        assert_int_equal(dht_request_new(requests, DHT_REQUEST_PING, UINT64_MAX, 70, key, 0, &request), -EBUSY);

        while ((request = dht_requests_expire(requests, DHT_OVER_USEC)))
                if (request->state == DHT_REQUEST_OVER)
                        dht_request_free(requests, request);
        assert_int_equal(map_size(requests->by_cookie), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_times, setup, teardown),
                cmocka_unit_test_setup_teardown(test_learning, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
