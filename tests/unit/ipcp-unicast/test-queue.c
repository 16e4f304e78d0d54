/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bounded queue in front of a neighbour, against a count kept beside it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/queue.h"

static Packet *numbered(uint32_t number, size_t size) {
        Packet *packet;

        assert_int_equal(packet_new(size, &packet), 0);
        memset(packet_append(packet, size), (int) (number & 0xFF), size);
        memcpy(packet->head, &number, sizeof(number));
        return packet;
}

static uint32_t number_of(const Packet *packet) {
        uint32_t number;

        memcpy(&number, packet->head, sizeof(number));
        return number;
}

static void test_bound(void **state) {
        Queue queue = {};
        Packet *packets[4];

        for (uint32_t i = 0; i < QUEUE_PACKETS_MAX; i++) {
                _cleanup_(packet_freep) Packet *packet = numbered(i, 100);

                assert_int_equal(queue_push(&queue, packet), 0);
        }

        {
                _cleanup_(packet_freep) Packet *packet = numbered(9999, 100);

                assert_int_equal(queue_push(&queue, packet), -ENOBUFS);
        }

        assert_int_equal(queue_peek(&queue, packets, 4), 4);
        assert_int_equal(number_of(packets[0]), 0);
        assert_int_equal(number_of(packets[3]), 3);
        queue_done(&queue);
}

/* Sizes that grow and shrink through the same places; head-room is there for the next layer; order is kept. */
static void test_order(void **state) {
        Queue queue = {};
        uint32_t pushed = 0, taken = 0;
        unsigned seed = 1;

        for (unsigned round = 0; round < 5000; round++) {
                unsigned n = (seed = seed * 1103515245 + 12345) >> 16 & 7;

                for (unsigned i = 0; i < n; i++) {
                        _cleanup_(packet_freep) Packet *packet = numbered(pushed, 4 + (pushed * 37) % 1500);

                        if (queue_push(&queue, packet) == 0)
                                pushed++;
                }

                n = (seed = seed * 1103515245 + 12345) >> 16 & 7;
                for (unsigned i = 0; i < n; i++) {
                        Packet *packet;

                        if (queue_peek(&queue, &packet, 1) == 0)
                                break;

                        assert_int_equal(number_of(packet), taken);
                        assert_int_equal(packet_size(packet), 4 + (taken * 37) % 1500);
                        assert_int_equal(packet->head - packet->buffer, PACKET_HEAD_ROOM);
                        queue_drop_front(&queue, 1);
                        taken++;
                }
                assert_int_equal(queue.n, pushed - taken);
        }

        assert_true(taken > 1000);
        queue_drop_front(&queue, QUEUE_PACKETS_MAX * 2);
        assert_int_equal(queue.n, 0);
        queue_done(&queue);
}

/* How many wait at a time; how many did all along is what counts. */
static void test_standing(void **state) {
        static const struct {
                const char *name;
                unsigned at_msec;
                unsigned waiting;
                unsigned standing;
        } steps[] = {
                { "a burst on an idle way", 1000, 32, 0 },
                { "another one before it is gone", 1001, 64, 0 },
                { "... which was not long enough", 1019, 40, 0 },
                { "it never was below 32 in a whole window", 1020, 50, 32 },
                { "it gets shorter", 1030, 20, 20 },
                { "and longer again: the least counts", 1039, 200, 20 },
                { "... of two windows", 1040, 200, 20 },
                { "... and no more", 1061, 200, 200 },
                { "empty for a moment", 1070, 0, 0 },
                { "... is no standing queue for the next window either", 1082, 100, 0 },
                { "nobody came for long", 2000, 300, 0 },
        };
        Queue queue = {};

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                print_message("%s\n", steps[i].name);
                assert_int_equal(queue_standing(&queue, steps[i].waiting, steps[i].at_msec * USEC_PER_MSEC),
                                 steps[i].standing);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bound),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_standing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
