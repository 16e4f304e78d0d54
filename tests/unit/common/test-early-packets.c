/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets that come before there is anybody to read them: kept in order, a few for each flow, not many in all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/early-packets.h"

static int hold(EarlyPackets *early, unsigned *n_held, uint32_t value) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(sizeof(value), &packet), 0);
        memcpy(packet_append(packet, sizeof(value)), &value, sizeof(value));
        return early_packets_hold(early, n_held, packet);
}

static void assert_next(EarlyPackets *early, unsigned *n_held, uint32_t value) {
        _cleanup_(packet_freep) Packet *packet = early_packets_take(early, n_held);

        assert_non_null(packet);
        assert_int_equal(packet_size(packet), sizeof(value));
        assert_memory_equal(packet->head, &value, sizeof(value));
}

/* Also where one comes after another was taken. */
static void test_order(void **state) {
        EarlyPackets early = {};
        unsigned n_held = 0;

        assert_null(early_packets_take(&early, &n_held));
        assert_int_equal(hold(&early, &n_held, 1), 0);
        assert_int_equal(hold(&early, &n_held, 2), 0);
        assert_next(&early, &n_held, 1);
        assert_int_equal(hold(&early, &n_held, 3), 0);
        assert_next(&early, &n_held, 2);
        assert_next(&early, &n_held, 3);
        assert_null(early_packets_take(&early, &n_held));
        assert_int_equal(n_held, 0);

        assert_int_equal(hold(&early, &n_held, 4), 0);
        assert_next(&early, &n_held, 4);
}

static void test_limits(void **state) {
        EarlyPackets flows[EARLY_PACKETS_MAX / EARLY_PACKETS_PER_FLOW_MAX + 1] = {};
        unsigned n_held = 0;

        for (size_t i = 0; i < ELEMENTSOF(flows) - 1; i++) {
                for (uint32_t k = 0; k < EARLY_PACKETS_PER_FLOW_MAX; k++)
                        assert_int_equal(hold(&flows[i], &n_held, k), 0);
                assert_int_equal(hold(&flows[i], &n_held, 0), -EBUSY);
        }

        /* This one has none, but all of them together have enough. */
        assert_int_equal(n_held, EARLY_PACKETS_MAX);
        assert_int_equal(hold(&flows[ELEMENTSOF(flows) - 1], &n_held, 0), -EBUSY);

        early_packets_drop(&flows[0], &n_held);
        assert_int_equal(n_held, EARLY_PACKETS_MAX - EARLY_PACKETS_PER_FLOW_MAX);
        assert_int_equal(hold(&flows[ELEMENTSOF(flows) - 1], &n_held, 7), 0);

        for (size_t i = 0; i < ELEMENTSOF(flows); i++)
                early_packets_drop(&flows[i], &n_held);
        assert_int_equal(n_held, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
