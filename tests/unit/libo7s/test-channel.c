/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Channels between two honest ends: messages of all sizes, room, rings, wrapping indices. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>

#include <cmocka.h>

#include "libo7s/channel-internal.h"
#include "tests/support/channel-pair.h"

#define MESSAGE_BYTES_MAX (64U * 1024U)

static uint8_t pattern[MESSAGE_BYTES_MAX + 1], out[MESSAGE_BYTES_MAX + 1];

static int setup(void **state) {
        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = (uint8_t) (i * 7 + i / 251);
        return 0;
}

static int push(Channel *c, const void *data, size_t size) {
        return channel_push(c, &(struct iovec) { .iov_base = (void *) (uintptr_t) data, .iov_len = size }, 1);
}

static void test_sizes(void **state) {
        static const struct {
                const char *name;
                size_t size;
                int r[_LANE_CLASS_MAX];
        } cases[] = {
                { "empty",              0,         { -EINVAL, -EINVAL, -EINVAL } },
                { "a byte",             1,         { 0, 0, 0 } },
                { "a line",             64,        { 0, 0, 0 } },
                { "a slot less one",    2047,      { 0, 0, 0 } },
                { "a slot",             2048,      { 0, 0, 0 } },
                { "a slot and one",     2049,      { 0, 0, 0 } },
                { "two slots",          4096,      { 0, 0, 0 } },
                { "most of a thin",     16 * 1024, { 0, 0, 0 } },
                { "too much for thin",  16385,     { -EMSGSIZE, 0, 0 } },
                { "most of any",        65536,     { -EMSGSIZE, 0, 0 } },
                { "too much for all",   65537,     { -EMSGSIZE, -EMSGSIZE, -EMSGSIZE } },
        };

        for (LaneClass class = 0; class < _LANE_CLASS_MAX; class++) {
                _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;

                assert_int_equal(channel_pair_new(class, &a, &b), 0);
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        bool more = true;

                        print_message("%s\n", cases[i].name);
                        assert_int_equal(push(a, pattern, cases[i].size), cases[i].r[class]);
                        assert_int_equal(channel_publish(a), 0);
                        if (cases[i].r[class] < 0) {
                                assert_int_equal(channel_read(b, out, sizeof(out), &more), -EAGAIN);
                                continue;
                        }

                        memset(out, 0, sizeof(out));
                        assert_int_equal(channel_read(b, out, sizeof(out), &more), cases[i].size);
                        assert_false(more);
                        assert_memory_equal(out, pattern, cases[i].size);
                        assert_int_equal(channel_release(b), 0);
                }
        }
}

/* Parts that meet slot borders in every way, empty ones among them. */
static void test_parts(void **state) {
        static const size_t cuts[] = { 0, 1, 2047, 2048, 2049, 4096, 5000, 6144, 6145, 7000 };
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const size_t size = 7000;

        assert_int_equal(channel_pair_new(LANE_NORMAL, &a, &b), 0);
        for (size_t i = 0; i < ELEMENTSOF(cuts); i++)
                for (size_t j = i; j < ELEMENTSOF(cuts); j++) {
                        struct iovec parts[] = {
                                { .iov_base = pattern,           .iov_len = cuts[i] },
                                { .iov_base = pattern + cuts[i], .iov_len = cuts[j] - cuts[i] },
                                { .iov_base = pattern + cuts[j], .iov_len = size - cuts[j] },
                        };

                        assert_int_equal(channel_push(a, parts, 3), 0);
                        assert_int_equal(channel_publish(a), 0);
                        memset(out, 0, size);
                        assert_int_equal(channel_read(b, out, sizeof(out), NULL), size);
                        assert_memory_equal(out, pattern, size);
                        assert_int_equal(channel_release(b), 0);
                }
}

static void test_partial_reads(void **state) {
        static const size_t steps[] = { 1, 63, 2047, 2048, 2049, 5000, 9999 };
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                size_t done = 0;
                bool more = true;

                assert_int_equal(push(a, pattern, 10000), 0);
                assert_int_equal(push(a, "next", 4), 0);
                assert_int_equal(channel_publish(a), 0);
                assert_int_equal(channel_read(b, out, 0, &more), -EINVAL);

                while (more) {
                        ssize_t n = channel_read(b, out + done, steps[i], &more);

                        assert_int_equal(n, MIN(steps[i], 10000 - done));
                        done += (size_t) n;
                        assert_int_equal(channel_arm_read(b), 0);       /* what is left is something to read */
                }

                assert_int_equal(done, 10000);
                assert_memory_equal(out, pattern, 10000);
                assert_int_equal(channel_read(b, out, sizeof(out), &more), 4);
                assert_memory_equal(out, "next", 4);
                assert_int_equal(channel_release(b), 0);
        }
}

static void test_skip_and_peek(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const void *data;
        size_t size;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);
        channel_skip(b);                                        /* nothing there, nothing happens */
        assert_int_equal(channel_peek(b, &data, &size), -EAGAIN);

        assert_int_equal(push(a, "one", 3), 0);
        assert_int_equal(push(a, pattern, 5000), 0);
        assert_int_equal(push(a, "three", 5), 0);
        assert_int_equal(channel_publish(a), 0);

        assert_int_equal(channel_peek(b, &data, &size), 0);
        assert_int_equal(size, 3);
        assert_memory_equal(data, "one", 3);
        assert_int_equal((uintptr_t) data % 64, 0);
        assert_int_equal(channel_read(b, out, 2, NULL), 2);
        assert_int_equal(channel_peek(b, &data, &size), 0);     /* the rest of it */
        assert_int_equal(size, 1);
        assert_memory_equal(data, "e", 1);
        channel_skip(b);

        assert_int_equal(channel_peek(b, &data, &size), -EMSGSIZE);
        assert_int_equal(channel_read(b, out, 10, NULL), 10);
        channel_skip(b);

        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 5);
        assert_memory_equal(out, "three", 5);
        assert_int_equal(channel_pending(b), 0);
        assert_int_equal(channel_queued(a), 5);                 /* not released yet */
        assert_int_equal(channel_release(b), 0);
        assert_int_equal(channel_queued(a), 0);
}

static void test_reserve(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        void *slot;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);
        assert_int_equal(channel_commit(a, 1), -EINVAL);
        assert_int_equal(channel_reserve(a, 0, &slot), -EINVAL);
        assert_int_equal(channel_reserve(a, LANE_SLOT_BYTES + 1, &slot), -EMSGSIZE);

        assert_int_equal(channel_reserve(a, 100, &slot), 0);
        assert_int_equal((uintptr_t) slot % 64, 0);
        memcpy(slot, "reserved", 8);
        assert_int_equal(channel_commit(a, 101), -EINVAL);
        assert_int_equal(channel_commit(a, 0), -EINVAL);
        assert_int_equal(channel_commit(a, 8), 0);
        assert_int_equal(channel_commit(a, 8), -EINVAL);        /* once */
        assert_false(channel_readable(b));
        assert_int_equal(channel_publish(a), 0);
        assert_true(channel_readable(b));
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 8);
        assert_memory_equal(out, "reserved", 8);

        assert_int_equal(channel_reserve(a, 100, &slot), 0);
        assert_int_equal(push(a, "pushed", 6), 0);              /* takes the slot */
        assert_int_equal(channel_commit(a, 8), -EINVAL);
        assert_int_equal(channel_publish(a), 0);
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 6);
        assert_memory_equal(out, "pushed", 6);
}

static void test_full(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const uint32_t n = lane_class_slots(LANE_THIN);
        void *slot;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);
        for (uint32_t i = 0; i < n; i++)
                assert_int_equal(push(a, &i, sizeof(i)), 0);
        assert_int_equal(push(a, "x", 1), -EAGAIN);
        assert_int_equal(channel_reserve(a, 1, &slot), -EAGAIN);
        assert_int_equal(channel_queued(a), n);
        assert_int_equal(channel_pending(b), 0);
        assert_int_equal(channel_publish(a), 0);
        assert_int_equal(channel_pending(b), n);

        /* Consumed is not released. */
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), sizeof(uint32_t));
        assert_int_equal(push(a, "x", 1), -EAGAIN);
        assert_int_equal(channel_release(b), 0);
        assert_int_equal(push(a, pattern, LANE_SLOT_BYTES + 1), -EAGAIN);       /* one slot is free, not two */
        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(push(a, "x", 1), -EAGAIN);

        for (uint32_t i = 1; i < n; i++) {
                assert_int_equal(channel_read(b, out, sizeof(out), NULL), sizeof(i));
                assert_memory_equal(out, &i, sizeof(i));
        }
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), -EAGAIN);
}

static bool rung(Channel *c) {
        return poll(&(struct pollfd) { .fd = channel_fd(c), .events = POLLIN }, 1, 0) > 0;
}

static void test_reader_is_rung_once(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;

        assert_int_equal(channel_pair_new(LANE_NORMAL, &a, &b), 0);

        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(channel_publish(a), 0);                /* awake: no ring */
        assert_int_equal(channel_arm_read(b), 0);
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 1);

        for (unsigned round = 0; round < 3; round++) {
                assert_int_equal(channel_arm_read(b), 1);
                assert_false(rung(b));
                assert_int_equal(push(a, "x", 1), 0);
                assert_int_equal(channel_publish(a), 1);
                assert_int_equal(push(a, "y", 1), 0);
                assert_int_equal(channel_publish(a), 0);        /* still the same sleep */
                assert_int_equal(channel_publish(a), 0);
                assert_true(rung(b));
                assert_int_equal(channel_drain(b, NULL), 0);
                assert_false(rung(b));
                assert_int_equal(channel_read(b, out, sizeof(out), NULL), 1);
                assert_int_equal(channel_read(b, out, sizeof(out), NULL), 1);
        }

        /* Who finds a message without having been woken does not want the ring any more. */
        assert_int_equal(channel_arm_read(b), 1);
        channel_disarm_read(b);
        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(channel_publish(a), 0);
        assert_false(rung(b));
}

/* Asking again is for free while the first time stands, and asks anew where its ring was spent. */
static void test_reader_asks_again(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const LaneMemory *memory;
        uint32_t epoch;

        assert_int_equal(channel_pair_new(LANE_NORMAL, &a, &b), 0);
        memory = b->own;

        assert_int_equal(channel_arm_read(b), 1);
        epoch = memory->armed_read;
        assert_int_equal(channel_arm_read(b), 1);
        assert_int_equal(memory->armed_read, epoch);

        /* The ring was taken off, the message was not: it would not ring any more. */
        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(channel_publish(a), 1);
        assert_int_equal(channel_drain(b, NULL), 0);
        assert_int_equal(channel_arm_read(b), 0);

        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 1);
        assert_int_equal(channel_arm_read(b), 1);
        assert_int_not_equal(memory->armed_read, epoch);
        assert_int_equal(memory->tail, 1);                      /* given back, too */
        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(channel_publish(a), 1);

        /* Looked at, but not taken. */
        assert_int_equal(channel_pending(b), 1);
        assert_int_equal(channel_arm_read(b), 0);

        assert_int_equal(channel_condemn(b), -EBADMSG);
        assert_int_equal(channel_arm_read(b), -EBADMSG);
}

/* A writer may ring for what was read already, when the reader has asked anew: that ring is spent then. */
static void test_late_ring(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        uint32_t epoch;

        assert_int_equal(channel_pair_new(LANE_NORMAL, &a, &b), 0);
        assert_int_equal(channel_arm_read(b), 1);
        epoch = b->own->armed_read;
        assert_int_equal(channel_ring(a, epoch, &a->writer.rung), 1);

        assert_int_equal(channel_drain(b, NULL), 0);
        assert_int_equal(channel_arm_read(b), 1);
        assert_int_not_equal(b->own->armed_read, epoch);
        assert_int_equal(push(a, "x", 1), 0);
        assert_int_equal(channel_publish(a), 1);
        assert_true(rung(b));
}

static void test_writer_is_rung_at_half(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const uint32_t n = lane_class_slots(LANE_NORMAL);

        assert_int_equal(channel_pair_new(LANE_NORMAL, &a, &b), 0);
        assert_int_equal(channel_arm_write(a), 0);

        for (unsigned round = 0; round < 3; round++) {
                while (push(a, "x", 1) == 0)
                        ;
                assert_int_equal(channel_arm_write(a), 1);      /* publishes, too */
                assert_int_equal(channel_pending(b), n);

                for (uint32_t i = 0; i < n; i++) {
                        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 1);
                        assert_int_equal(channel_release(b), i + 1 == n / 2);
                }

                assert_true(rung(a));
                assert_int_equal(channel_drain(a, NULL), 0);
                assert_int_equal(channel_arm_write(a), 0);
                assert_int_equal(push(a, pattern, channel_message_max(a)), 0);
                assert_int_equal(channel_publish(a), 0);
                assert_int_equal(channel_read(b, out, sizeof(out), NULL), channel_message_max(a));
                assert_int_equal(channel_arm_read(b), 1);       /* releases, too */
                assert_int_equal(channel_queued(a), 0);
                channel_disarm_read(b);
        }
}

/* Free-running counters pass 2^32, and epochs leave out 0. */
static void test_wrap(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        const uint32_t start = UINT32_MAX - 40;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);

        a->writer.head = a->writer.published = a->writer.tail = start;
        b->reader.head = b->reader.tail = b->reader.released = start;
        a->own->head = b->own->tail = start;
        b->epoch = UINT32_MAX - 20;

        for (uint32_t i = 0; i < 60; i++) {
                size_t size = 1 + i * 97 % 6000;

                assert_int_equal(channel_arm_read(b), 1);
                assert_int_not_equal(b->own->armed_read, 0);
                assert_int_equal(push(a, pattern + i, size), 0);
                assert_int_equal(channel_publish(a), 1);
                assert_int_equal(channel_drain(b, NULL), 0);
                assert_int_equal(channel_read(b, out, sizeof(out), NULL), size);
                assert_memory_equal(out, pattern + i, size);
                assert_int_equal(channel_release(b), 0);
        }

        assert_true(a->writer.head < start);
        assert_true(b->epoch < 60);
}

static void test_ends(void **state) {
        _cleanup_(channel_freep) Channel *a = NULL, *b = NULL;
        CloseReason reason = _CLOSE_REASON_INVALID;

        assert_int_equal(channel_pair_new(LANE_THIN, &a, &b), 0);
        assert_int_equal(push(a, "last", 4), 0);
        assert_int_equal(channel_publish(a), 0);
        channel_close(a, CLOSE_NORMAL);
        a = channel_free(a);

        /* What was published stays readable. */
        assert_int_equal(channel_drain(b, &reason), 1);
        assert_int_equal(reason, CLOSE_NORMAL);
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), 4);
        assert_memory_equal(out, "last", 4);
        assert_int_equal(channel_read(b, out, sizeof(out), NULL), -EAGAIN);
        assert_int_equal(channel_drain(b, NULL), -EPIPE);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_partial_reads),
                cmocka_unit_test(test_skip_and_peek),
                cmocka_unit_test(test_reserve),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_reader_is_rung_once),
                cmocka_unit_test(test_reader_asks_again),
                cmocka_unit_test(test_late_ring),
                cmocka_unit_test(test_writer_is_rung_at_half),
                cmocka_unit_test(test_wrap),
                cmocka_unit_test(test_ends),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
