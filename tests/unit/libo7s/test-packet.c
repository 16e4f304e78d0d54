/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets: head-room, tail-room and their limits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libo7s/drop.h"
#include "libo7s/packet.h"

static void test_rooms(void **state) {
        static const size_t contents[] = { 0, 1, 63, 64, 65, 1500, 65536 };

        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                _cleanup_(packet_freep) Packet *p = NULL;

                assert_int_equal(packet_new(contents[i], &p), 0);
                assert_int_equal((uintptr_t) p->buffer % 64, 0);
                assert_int_equal((uintptr_t) p->head % 64, 0);
                assert_int_equal(packet_size(p), 0);
                assert_int_equal(p->head - p->buffer, PACKET_HEAD_ROOM);
                assert_int_equal(packet_room(p), contents[i] + PACKET_TAIL_ROOM);

                /* every byte is there to be written */
                assert_non_null(packet_append(p, contents[i] + PACKET_TAIL_ROOM));
                assert_null(packet_append(p, 1));
                assert_non_null(packet_push(p, PACKET_HEAD_ROOM));
                assert_null(packet_push(p, 1));
                memset(p->head, 0x5a, packet_size(p));
                assert_int_equal(packet_size(p), p->capacity);
        }
}

static void test_too_large(void **state) {
        Packet *p = NULL;

        assert_int_equal(packet_new(SIZE_MAX, &p), -ENOMEM);
        assert_int_equal(packet_new(SIZE_MAX - PACKET_HEAD_ROOM, &p), -ENOMEM);
        assert_null(p);
        assert_null(packet_free(NULL));
}

static void test_headers(void **state) {
        _cleanup_(packet_freep) Packet *p = NULL;

        assert_int_equal(packet_new(100, &p), 0);

        memcpy(packet_append(p, 4), "data", 4);
        memcpy(packet_push(p, 5), "inner", 5);
        memcpy(packet_push(p, 5), "outer", 5);
        assert_memory_equal(p->head, "outerinnerdata", 14);

        assert_null(packet_pull(p, 15));
        assert_int_equal(packet_size(p), 14);
        assert_memory_equal(packet_pull(p, 5), "outer", 5);
        assert_memory_equal(packet_pull(p, 5), "inner", 5);
        assert_memory_equal(packet_pull(p, 4), "data", 4);
        assert_null(packet_pull(p, 1));

        packet_reset(p);
        assert_int_equal(packet_size(p), 0);
        assert_int_equal(p->head - p->buffer, PACKET_HEAD_ROOM);
}

static void test_drop_names(void **state) {
        for (DropReason reason = 0; reason < _DROP_REASON_MAX; reason++) {
                const char *name = drop_reason_to_string(reason);

                assert_non_null(name);
                assert_int_equal(drop_reason_from_string(name), reason);
        }

        assert_null(drop_reason_to_string(_DROP_REASON_MAX));
        assert_null(drop_reason_to_string(_DROP_REASON_INVALID));
        assert_int_equal(drop_reason_from_string("no-such-reason"), -EINVAL);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rooms),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_drop_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
