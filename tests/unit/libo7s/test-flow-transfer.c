/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ordered, reliable and checked flows through the public interface, both ends in this process, over lanes that lose
 * nothing. */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "tests/support/flow-pair.h"

#define MESSAGE_MAX ((size_t) 1 << 20)

/* Over which kind of peer, with which QoS. */
typedef struct Kind {
        const char *label;
        const char *name;
        o7s_qos qos;
        uint64_t flags;
} Kind;

static const Kind kinds[] = {
        { "data, extended", "extended", O7S_QOS_DATA, 0 },
        { "reliable without checksum, extended", "extended", { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 }, 0 },
        { "best effort, extended", "extended", O7S_QOS_BEST_EFFORT, 0 },
        { "voice, extended", "extended", O7S_QOS_VOICE, 0 },
        { "reliable, 0.23.0", "ordered", { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 }, 0 },
        { "reliable and checked, 0.23.0", "ordered", O7S_QOS_DATA, 0 },
        { "best effort, 0.23.0", "ordered", O7S_QOS_BEST_EFFORT, 0 },
        { "video, 0.23.0", "ordered", O7S_QOS_VIDEO, 0 },
        { "raw but checked", "ordered", O7S_QOS_RAW_SAFE, 0 },
        { "data, thin lanes", "extended", O7S_QOS_DATA, O7S_THIN },
};

typedef struct Ends {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *asking;
        o7s_flow *serving;
} Ends;

static void ends_open(Ends *e, const Kind *kind) {
        *e = (Ends) {};

        print_message("%s\n", kind->label);
        assert_int_equal(irm_thread_start(&e->irm), 0);
        assert_int_equal(o7s_listen(kind->name, 0, &e->listener), 0);
        assert_int_equal(o7s_flow_alloc_start(kind->name, &kind->qos, kind->flags, TEST_TIMEOUT_USEC, &e->asking), 0);
        assert_int_equal(o7s_flow_accept(e->listener, TEST_TIMEOUT_USEC, &e->serving), 0);
        while (o7s_flow_alloc_finish(e->asking) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_alloc_finish(e->asking), 0);

        for (int which = O7S_TIMEOUT_READ; which <= O7S_TIMEOUT_WRITE; which++) {
                assert_int_equal(o7s_flow_set_timeout(e->asking, which, TEST_TIMEOUT_USEC), 0);
                assert_int_equal(o7s_flow_set_timeout(e->serving, which, TEST_TIMEOUT_USEC), 0);
        }
}

static void ends_close(Ends *e) {
        e->asking = o7s_flow_unref(e->asking);
        e->serving = o7s_flow_unref(e->serving);
        e->listener = o7s_listener_unref(e->listener);
        e->irm = irm_thread_free(e->irm);
}

#define _cleanup_ends_ _cleanup_(ends_close)

static void fill(uint8_t *data, size_t size, uint32_t seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                data[i] = (uint8_t) (x >> 24);
        }
}

static void expect(const uint8_t *data, size_t size, uint32_t seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                if (data[i] != (uint8_t) (x >> 24))
                        fail_msg("byte %zu of %zu is wrong", i, size);
        }
}

/* -- messages -- */

static void test_both_ways(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_ends_ Ends e;
                uint8_t data[1000], got[2000];

                ends_open(&e, &kinds[i]);
                for (uint32_t n = 1; n <= 200; n++) {
                        o7s_flow *from = n % 2 ? e.asking : e.serving, *to = n % 2 ? e.serving : e.asking;
                        size_t size = 1 + n * 37 % sizeof(data);

                        fill(data, size, n);
                        assert_int_equal(o7s_flow_write(from, data, size), size);
                        assert_int_equal(o7s_flow_read(to, got, sizeof(got)), size);
                        expect(got, size, n);
                }
        }
}

static const Kind *const extended = &kinds[0];
static const Kind *const bounded = &kinds[4];
static const Kind *const checked = &kinds[8];
static const Kind stream = { "stream", "extended", O7S_QOS_DATA, O7S_STREAM };
static const Kind bounded_stream = { "stream, 0.23.0", "ordered", O7S_QOS_DATA, O7S_STREAM };

/* What each kind takes at most, and one byte more. */
static void test_sizes(void **state) {
        const struct {
                const Kind *kind;
                size_t max;
        } rows[] = {
                { extended, MESSAGE_MAX },
                { bounded, 65536 - 12 - irm_thread_overhead(false) },
                { checked, 65536 - irm_thread_overhead(true) },
        };
        uint8_t *data = malloc(2 * MESSAGE_MAX), *got = data + MESSAGE_MAX;

        assert_non_null(data);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct o7s_flow_info info = { .size = sizeof(info) };
                _cleanup_ends_ Ends e;

                ends_open(&e, rows[i].kind);
                assert_int_equal(o7s_flow_info(e.asking, &info), 0);
                assert_int_equal(info.mtu, rows[i].max);

                fill(data, rows[i].max, 7);
                assert_int_equal(o7s_flow_write(e.asking, data, rows[i].max + 1), -EMSGSIZE);
                assert_int_equal(o7s_flow_write(e.asking, data, 0), -EINVAL);
                assert_int_equal(o7s_flow_write(e.asking, data, rows[i].max), rows[i].max);
                assert_int_equal(o7s_flow_read(e.serving, got, MESSAGE_MAX), rows[i].max);
                expect(got, rows[i].max, 7);
        }

        free(data);
}

static void test_partial_reads(void **state) {
        const Kind *const rows[] = { extended, bounded, checked };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t data[1000], got[400];
                _cleanup_ends_ Ends e;

                ends_open(&e, rows[i]);
                fill(data, sizeof(data), 1);
                assert_int_equal(o7s_flow_write(e.asking, data, 1000), 1000);
                assert_int_equal(o7s_flow_write(e.asking, data, 800), 800);
                assert_int_equal(o7s_flow_write(e.asking, data, 1000), 1000);

                assert_int_equal(o7s_flow_read(e.serving, got, 400), 400);
                assert_memory_equal(got, data, 400);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 400);
                assert_memory_equal(got, data + 400, 400);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 200);
                assert_memory_equal(got, data + 800, 200);

                /* One that ends with the buffer owes an empty part. */
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 400);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 400);
                assert_true(o7s_flow_events(e.serving) & O7S_READABLE);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 0);

                assert_int_equal(o7s_flow_set_flags(e.serving, O7S_TRUNCATE), 0);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), 400);
                assert_int_equal(o7s_flow_set_timeout(e.serving, O7S_TIMEOUT_READ, 0), 0);
                assert_int_equal(o7s_flow_read(e.serving, got, 400), -EAGAIN);
        }
}

static void test_parts_and_batches(void **state) {
        const Kind *const rows[] = { extended, bounded, checked };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t data[300], got[3][300];
                struct iovec out[] = { { data, 100 }, { data + 100, 0 }, { data + 100, 200 } };
                struct iovec in[] = { { got[0], 50 }, { got[0] + 50, 250 } };
                o7s_msg writes[] = { { data, 100, 0, 0 }, { data + 1, 200, 0, 0 }, { data + 2, 10, 0, 0 } };
                o7s_msg reads[] = { { got[0], 0, 300, 0 }, { got[1], 0, 150, 0 }, { got[2], 0, 300, 0 } };
                _cleanup_ends_ Ends e;
                unsigned done = 0;

                ends_open(&e, rows[i]);
                fill(data, sizeof(data), 3);

                assert_int_equal(o7s_flow_writev(e.asking, out, 3), 300);
                assert_int_equal(o7s_flow_readv(e.serving, in, 2), 300);
                assert_memory_equal(got[0], data, 300);

                assert_int_equal(o7s_flow_write_batch(e.asking, writes, 3), 3);
                while (done < 3) {
                        int r = o7s_flow_read_batch(e.serving, reads + done, 3 - done);

                        assert_true(r > 0);
                        done += (unsigned) r;
                }
                assert_int_equal(reads[0].size, 100);
                assert_int_equal(reads[1].size, 150);
                assert_int_equal(reads[1].flags, O7S_MSG_MORE);
                assert_int_equal(reads[2].size, 50);
                assert_memory_equal(got[1], data + 1, 150);
                assert_memory_equal(got[2], data + 151, 50);
                assert_int_equal(o7s_flow_read_batch(e.serving, reads, 3), 1);
                assert_int_equal(reads[0].size, 10);
        }
}

static void test_in_place(void **state) {
        const Kind *const rows[] = { extended, bounded, checked };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_ends_ Ends e;
                const void *seen;
                uint8_t got[100];
                size_t size;
                void *slot;

                ends_open(&e, rows[i]);
                assert_int_equal(o7s_flow_reserve(e.asking, 100, &slot), 0);
                assert_int_equal(o7s_flow_write(e.asking, "x", 1), -EBUSY);
                fill(slot, 100, 5);
                assert_int_equal(o7s_flow_commit(e.asking, 60), 60);
                assert_int_equal(o7s_flow_commit(e.asking, 60), -EINVAL);

                assert_int_equal(o7s_flow_peek(e.serving, &seen, &size), 0);
                assert_int_equal(size, 60);
                expect(seen, size, 5);
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), -EBUSY);
                assert_int_equal(o7s_flow_release(e.serving), 0);
                assert_int_equal(o7s_flow_release(e.serving), -EINVAL);

                assert_int_equal(o7s_flow_reserve(e.asking, 10, &slot), 0);
                assert_int_equal(o7s_flow_commit(e.asking, 0), 0);
                assert_int_equal(o7s_flow_write(e.asking, "y", 1), 1);
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 1);
        }
}

/* -- streams, and much of it -- */

typedef struct Writer {
        o7s_flow *flow;
        size_t total;
        size_t chunk;
} Writer;

static void *write_much(void *userdata) {
        Writer *w = userdata;
        uint8_t *data = malloc(w->chunk);

        for (size_t done = 0; data && done < w->total;) {
                size_t size = w->chunk < w->total - done ? w->chunk : w->total - done;

                for (size_t i = 0; i < size; i++)
                        data[i] = (uint8_t) ((done + i) * 31 >> 3);
                if (o7s_flow_write(w->flow, data, size) != (ssize_t) size)
                        break;
                done += size;
        }

        free(data);
        return NULL;
}

static void move_much(const Kind *kind, size_t total, size_t chunk) {
        uint8_t *got = malloc(MESSAGE_MAX);
        pthread_t thread;
        _cleanup_ends_ Ends e;
        size_t done = 0;
        Writer w;

        ends_open(&e, kind);
        w = (Writer) { e.asking, total, chunk };
        assert_int_equal(pthread_create(&thread, NULL, write_much, &w), 0);

        while (done < total) {
                ssize_t n = o7s_flow_read(e.serving, got, MESSAGE_MAX);

                assert_true(n > 0);
                for (size_t i = 0; i < (size_t) n; i++)
                        if (got[i] != (uint8_t) ((done + i) * 31 >> 3))
                                fail_msg("byte %zu is wrong", done + i);
                done += (size_t) n;
        }

        (void) pthread_join(thread, NULL);
        free(got);
}

static void test_much(void **state) {
        move_much(&stream, 20000000, 12345);
        move_much(&stream, 50000000, 5000000);
        move_much(&bounded_stream, 5000000, 200000);
        move_much(extended, 50000000, 1000000);
        move_much(bounded, 20000000, 1000);
        move_much(&kinds[9], 5000000, 3000);
}

static void test_stream_merges(void **state) {
        const Kind *const rows[] = { &stream, &bounded_stream };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_ends_ Ends e;
                uint8_t got[100];
                ssize_t n;

                ends_open(&e, rows[i]);
                assert_int_equal(o7s_flow_write(e.asking, "hello ", 6), 6);
                assert_int_equal(o7s_flow_write(e.asking, "world", 5), 5);

                for (size_t done = 0; done < 11; done += (size_t) n) {
                        n = o7s_flow_read(e.serving, got + done, done == 0 ? 3 : sizeof(got) - done);
                        assert_true(n > 0);
                }
                assert_memory_equal(got, "hello world", 11);
        }
}

/* -- the end -- */

static void test_close(void **state) {
        const Kind *const rows[] = { extended, bounded, checked, &stream, &bounded_stream };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_ends_ Ends e;
                uint8_t got[100];

                ends_open(&e, rows[i]);
                assert_int_equal(o7s_flow_write(e.asking, "last", 4), 4);

                /* Only where the peer's program has no part in it is everything with the peer. */
                if (rows[i] == checked)
                        assert_int_equal(o7s_flow_close(e.asking, 0), -EAGAIN);
                else
                        assert_int_equal(o7s_flow_close(e.asking, TEST_TIMEOUT_USEC), 0);
                assert_int_equal(o7s_flow_write(e.asking, "more", 4), -EPIPE);
                assert_int_equal(o7s_flow_read(e.asking, got, sizeof(got)), -ENOTCONN);

                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 4);
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), -ENOTCONN);
                assert_true(o7s_flow_events(e.serving) & O7S_DOWN);
                assert_int_equal(o7s_flow_write(e.serving, "what?", 5), -EPIPE);
        }
}

/* The last reference goes, and what was written arrives all the same. */
static void test_afterlife(void **state) {
        const Kind *const rows[] = { extended, bounded, &stream };
        uint8_t *data = malloc(2 * MESSAGE_MAX), *got = data + MESSAGE_MAX;

        assert_non_null(data);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t size = rows[i] == bounded ? 60000 : MESSAGE_MAX, done = 0;
                _cleanup_ends_ Ends e;

                ends_open(&e, rows[i]);
                fill(data, size, 9);
                assert_int_equal(o7s_flow_write(e.asking, data, size), size);
                e.asking = o7s_flow_unref(e.asking);

                while (done < size) {
                        ssize_t n = o7s_flow_read(e.serving, got + done, MESSAGE_MAX - done);

                        assert_true(n > 0);
                        done += (size_t) n;
                }
                expect(got, size, 9);

                /* A message that ended with the buffer owes an empty part. */
                if (rows[i] == extended)
                        assert_int_equal(o7s_flow_read(e.serving, got, MESSAGE_MAX), 0);
                assert_int_equal(o7s_flow_read(e.serving, got, MESSAGE_MAX), -ENOTCONN);
        }

        free(data);
}

/* -- two threads -- */

static void *write_one(void *userdata) {
        static const uint8_t byte = 1;
        o7s_flow *flow = userdata;

        assert_int_equal(o7s_flow_write(flow, &byte, 1), 1);
        return NULL;
}

/* A message was there when the writer began to wait, so it had not asked for more. Who reads that one gets the next
 * all the same. */
static void test_read_beside_writer(void **state) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        static uint8_t data[1000];
        _cleanup_ends_ Ends e;
        pthread_t writer;
        uint8_t got[8];
        ssize_t n;

        ends_open(&e, checked);
        assert_int_equal(o7s_flow_write(e.serving, "one", 3), 3);
        assert_true(o7s_flow_events(e.asking) & O7S_READABLE);

        assert_int_equal(o7s_flow_set_timeout(e.asking, O7S_TIMEOUT_WRITE, 0), 0);
        for (unsigned i = 0; i < 2; i++) {
                while ((n = o7s_flow_write(e.asking, data, sizeof(data))) > 0)
                        ;
                assert_int_equal(n, -EAGAIN);
                /* It takes one message out of the lane to check it, now or when the engine comes by. */
                assert_true(o7s_flow_events(e.serving) & O7S_READABLE);
        }
        assert_int_equal(o7s_flow_set_timeout(e.asking, O7S_TIMEOUT_WRITE, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(pthread_create(&writer, NULL, write_one, e.asking), 0);
        do
                assert_int_equal(o7s_flow_stats(e.asking, &stats), 0);
        while (stats.write_waits == 0);
        (void) poll(NULL, 0, 20);                       /* until it no longer looks, but sleeps */

        assert_int_equal(o7s_flow_write(e.serving, "two", 3), 3);
        assert_int_equal(o7s_flow_set_timeout(e.asking, O7S_TIMEOUT_READ, 1000000), 0);
        assert_int_equal(o7s_flow_read(e.asking, got, sizeof(got)), 3);
        assert_memory_equal(got, "one", 3);
        assert_int_equal(o7s_flow_read(e.asking, got, sizeof(got)), 3);
        assert_memory_equal(got, "two", 3);

        do
                n = o7s_flow_read(e.serving, data, sizeof(data));
        while (n == sizeof(data) || n == 0);
        assert_int_equal(n, 1);
        assert_int_equal(pthread_join(writer, NULL), 0);
}

/* -- event loops -- */

static void test_event_loop(void **state) {
        const Kind *const rows[] = { extended, bounded, checked };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct pollfd p = { .events = POLLIN };
                _cleanup_ends_ Ends e;
                uint8_t got[100];

                ends_open(&e, rows[i]);
                p.fd = o7s_flow_fd(e.serving);
                assert_true(p.fd >= 0);
                assert_int_equal(o7s_flow_set_timeout(e.serving, O7S_TIMEOUT_READ, 0), 0);

                for (unsigned n = 0; n < 100; n++) {
                        assert_int_equal(o7s_flow_events(e.serving), 0);
                        assert_int_equal(o7s_flow_write(e.asking, "a", 1), 1);
                        assert_int_equal(o7s_flow_write(e.asking, "b", 1), 1);
                        while (!(o7s_flow_events(e.serving) & O7S_READABLE))
                                assert_int_equal(poll(&p, 1, 10000), 1);

                        /* It stays readable while there is something, whoever took the ring. */
                        assert_int_equal(poll(&p, 1, 0), 1);
                        assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 1);
                        while (o7s_flow_read(e.serving, got, sizeof(got)) == -EAGAIN)
                                assert_int_equal(poll(&p, 1, 10000), 1);
                }

                assert_int_equal(o7s_flow_arm_write(e.serving, true), 0);
                assert_true(o7s_flow_events(e.serving) & O7S_WRITABLE);
                assert_int_equal(poll(&p, 1, 0), 1);
                assert_int_equal(o7s_flow_arm_write(e.serving, false), 0);

                (void) o7s_flow_close(e.asking, 0);
                while (!(o7s_flow_events(e.serving) & O7S_DOWN))
                        assert_int_equal(poll(&p, 1, 10000), 1);
        }
}

static void test_stats(void **state) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        _cleanup_ends_ Ends e;
        uint8_t got[100];

        ends_open(&e, extended);
        for (unsigned i = 0; i < 10; i++) {
                assert_int_equal(o7s_flow_write(e.asking, "0123456789", 10), 10);
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 10);
        }
        assert_int_equal(o7s_flow_flush(e.asking, TEST_TIMEOUT_USEC), 0);

        assert_int_equal(o7s_flow_stats(e.asking, &stats), 0);
        assert_int_equal(stats.tx_messages, 10);
        assert_int_equal(stats.tx_bytes, 100);
        assert_int_equal(stats.acknowledged_bytes, 100);
        assert_int_equal(stats.unacknowledged_bytes, 0);
        assert_true(stats.rtt_ns > 0);
        assert_true(stats.window > 0);
        assert_true(stats.packet_max >= 1200);
        assert_int_equal(o7s_flow_stats(e.serving, &stats), 0);
        assert_int_equal(stats.rx_messages, 10);

        /* Also when all is over. */
        assert_int_equal(o7s_flow_close(e.asking, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_stats(e.asking, &stats), 0);
        assert_int_equal(stats.acknowledged_bytes, 100);
        assert_int_equal(stats.unacknowledged_bytes, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_partial_reads),
                cmocka_unit_test(test_parts_and_batches),
                cmocka_unit_test(test_in_place),
                cmocka_unit_test(test_much),
                cmocka_unit_test(test_stream_merges),
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_afterlife),
                cmocka_unit_test(test_read_beside_writer),
                cmocka_unit_test(test_event_loop),
                cmocka_unit_test(test_stats),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
