/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ordered flows between two programs of one host: messages larger than a lane, streams, writes that time out
 * half-way, and another side that breaks the rules. */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/flow-local.h"
#include "tests/support/flow-pair.h"

typedef struct Ends {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *out;
        o7s_flow *in;
        uint8_t *data;                  /* LOCAL_MESSAGE_MAX and one more */
        uint8_t *got;
} Ends;

static void ends_open(Ends *e, uint64_t flags) {
        const o7s_qos qos = O7S_QOS_DATA;

        *e = (Ends) { .data = malloc(LOCAL_MESSAGE_MAX + 1), .got = calloc(1, LOCAL_MESSAGE_MAX + 1) };
        assert_non_null(e->data);
        assert_non_null(e->got);

        assert_int_equal(irm_thread_start(&e->irm), 0);
        assert_int_equal(o7s_listen("echo", 0, &e->listener), 0);
        assert_int_equal(o7s_flow_alloc_start("echo", &qos, flags, TEST_TIMEOUT_USEC, &e->out), 0);
        assert_int_equal(o7s_flow_accept(e->listener, TEST_TIMEOUT_USEC, &e->in), 0);
        while (o7s_flow_alloc_finish(e->out) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_alloc_finish(e->out), 0);
        assert_int_equal(o7s_flow_set_timeout(e->in, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_set_timeout(e->out, O7S_TIMEOUT_WRITE, TEST_TIMEOUT_USEC), 0);
}

static void ends_close(Ends *e) {
        e->out = o7s_flow_unref(e->out);
        e->in = o7s_flow_unref(e->in);
        e->listener = o7s_listener_unref(e->listener);
        e->irm = irm_thread_free(e->irm);
        free(e->data);
        free(e->got);
}

#define _cleanup_ends_ _cleanup_(ends_close)

static void never_wait(Ends *e) {
        assert_int_equal(o7s_flow_set_timeout(e->in, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(e->out, O7S_TIMEOUT_WRITE, 0), 0);
}

static void fill(uint8_t *data, size_t size, uint32_t seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                data[i] = (uint8_t) (x >> 24);
        }
}

/* -- a writer in a thread of its own -- */

typedef struct Writer {
        o7s_flow *flow;
        const uint8_t *data;
        size_t size;
        ssize_t r;
        pthread_t thread;
} Writer;

static void *writer_run(void *userdata) {
        Writer *w = userdata;

        w->r = o7s_flow_write(w->flow, w->data, w->size);
        return NULL;
}

static void writer_start(Writer *w, const Ends *e, size_t size) {
        *w = (Writer) { .flow = e->out, .data = e->data, .size = size };
        assert_int_equal(pthread_create(&w->thread, NULL, writer_run, w), 0);
}

static ssize_t writer_join(Writer *w) {
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        return w->r;
}

/* -- messages -- */

static void test_sizes(void **state) {
        static const struct {
                const char *name;
                uint64_t flags;
        } classes[] = { { "thin", O7S_THIN }, { "normal", 0 }, { "bulk", O7S_BULK } };
        static const size_t sizes[] = { 1, 2047, 2048, 2049, 16384, 16385, 65536, 65537, 131073, 300000, (1 << 20) - 1,
                                        1 << 20 };

        for (size_t i = 0; i < ELEMENTSOF(classes); i++) {
                struct o7s_flow_info info = { .size = sizeof(info) };
                _cleanup_ends_ Ends e;

                print_message("%s\n", classes[i].name);
                ends_open(&e, classes[i].flags);
                assert_int_equal(o7s_flow_info(e.in, &info), 0);
                assert_int_equal(info.mtu, 1 << 20);
                assert_int_equal(info.is_stream, 0);

                for (size_t j = 0; j < ELEMENTSOF(sizes); j++) {
                        Writer w;

                        fill(e.data, sizes[j], (uint32_t) j);
                        writer_start(&w, &e, sizes[j]);
                        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), sizes[j]);
                        assert_int_equal(writer_join(&w), sizes[j]);
                        assert_memory_equal(e.got, e.data, sizes[j]);
                }

                assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX + 1), -EMSGSIZE);
        }
}

/* Whoever reads with a small buffer gets all of it, and is told where it ends. */
static void test_partial_reads(void **state) {
        static const struct {
                size_t size;
                size_t buffer;
                uint64_t flags;
                unsigned n_reads;
                ssize_t last;
        } cases[] = {
                { 1 << 20, 1000,    0,            1049, 576   },
                { 1 << 20, 1 << 16, 0,            17,   0     },
                { 200000,  65536,   0,            4,    3392  },
                { 200000,  65536,   O7S_TRUNCATE, 1,    65536 },
        };
        _cleanup_ends_ Ends e;

        ends_open(&e, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t at = 0;
                ssize_t n = 0;
                Writer w;

                assert_int_equal(o7s_flow_set_flags(e.in, cases[i].flags), 0);
                fill(e.data, cases[i].size, (uint32_t) i);
                writer_start(&w, &e, cases[i].size);
                for (unsigned j = 0; j < cases[i].n_reads; j++) {
                        n = o7s_flow_read(e.in, e.got + at, cases[i].buffer);
                        assert_true(n >= 0);
                        at += (size_t) n;
                }
                assert_int_equal(n, cases[i].last);
                assert_int_equal(writer_join(&w), cases[i].size);
                if (!cases[i].flags)
                        assert_int_equal(at, cases[i].size);
                assert_memory_equal(e.got, e.data, at);

                /* Nothing of it is left. */
                assert_int_equal(o7s_flow_write(e.out, "next", 4), 4);
                assert_int_equal(o7s_flow_read(e.in, e.got, 100), 4);
        }
}

static void test_vectors_batches_and_peeks(void **state) {
        _cleanup_ends_ Ends e;
        struct iovec parts[100], to[3];
        o7s_msg out[3], in[4] = {};
        const void *peeked;
        size_t size;
        Writer w;

        ends_open(&e, O7S_BULK);
        fill(e.data, LOCAL_MESSAGE_MAX, 5);

        /* Parts of all sizes, cut anywhere; a lane of 256 slots holds 300 000 bytes without a reader. */
        for (size_t i = 0, at = 0; i < ELEMENTSOF(parts); i++) {
                parts[i] = (struct iovec) { .iov_base = e.data + at, .iov_len = i * 60 };
                at += i * 60;
        }
        assert_int_equal(o7s_flow_writev(e.out, parts, ELEMENTSOF(parts)), 297000);
        to[0] = (struct iovec) { .iov_base = e.got, .iov_len = 100000 };
        to[1] = (struct iovec) { .iov_base = e.got + 100000, .iov_len = 1 };
        to[2] = (struct iovec) { .iov_base = e.got + 100001, .iov_len = 800000 };
        assert_int_equal(o7s_flow_readv(e.in, to, 3), 297000);
        assert_memory_equal(e.got, e.data, 297000);

        /* A large one among small ones. */
        out[0] = (o7s_msg) { .data = e.data, .size = 10 };
        out[1] = (o7s_msg) { .data = e.data, .size = 200000 };
        out[2] = (o7s_msg) { .data = e.data, .size = 20 };
        assert_int_equal(o7s_flow_write_batch(e.out, out, 3), 1);
        assert_int_equal(o7s_flow_write_batch(e.out, out + 1, 2), 1);
        assert_int_equal(o7s_flow_write_batch(e.out, out + 2, 1), 1);
        for (size_t i = 0; i < ELEMENTSOF(in); i++)
                in[i] = (o7s_msg) { .data = e.got + i * 150000, .capacity = 150000 };
        assert_int_equal(o7s_flow_read_batch(e.in, in, 4), 4);
        assert_int_equal(in[0].size, 10);
        assert_int_equal(in[1].size, 150000);
        assert_int_equal(in[1].flags, O7S_MSG_MORE);
        assert_int_equal(in[2].size, 50000);
        assert_int_equal(in[2].flags, 0);
        assert_int_equal(in[3].size, 20);
        assert_memory_equal(e.got + 150000, e.data, 200000);

        writer_start(&w, &e, LOCAL_MESSAGE_MAX);
        assert_int_equal(o7s_flow_peek(e.in, &peeked, &size), 0);
        assert_int_equal(size, LOCAL_MESSAGE_MAX);
        assert_memory_equal(peeked, e.data, LOCAL_MESSAGE_MAX);
        assert_int_equal(o7s_flow_events(e.in), O7S_READABLE);
        assert_int_equal(o7s_flow_release(e.in), 0);
        assert_int_equal(writer_join(&w), LOCAL_MESSAGE_MAX);
        assert_int_equal(o7s_flow_events(e.in), 0);
}

/* -- half-way -- */

/* What a write could not finish is never seen; the next message is whole. */
static void test_torn(void **state) {
        _cleanup_ends_ Ends e;
        struct pollfd p = { .events = POLLIN };

        ends_open(&e, 0);
        never_wait(&e);
        p.fd = o7s_flow_fd(e.in);
        assert_true(p.fd >= 0);
        fill(e.data, LOCAL_MESSAGE_MAX, 7);

        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -EAGAIN);
        assert_int_equal(o7s_flow_events(e.in), 0);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -EAGAIN);

        /* Of the same size, of another one, a small one, and one filled in in place. */
        e.data[LOCAL_MESSAGE_MAX - 1] ^= 1;
        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -EAGAIN);
        assert_int_equal(o7s_flow_events(e.in), 0);
        assert_int_equal(o7s_flow_write(e.out, e.data + 1, 100000), 100000);
        assert_int_equal(o7s_flow_events(e.in), O7S_READABLE);
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), 100000);
        assert_memory_equal(e.got, e.data + 1, 100000);

        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -EAGAIN);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -EAGAIN);
        assert_int_equal(o7s_flow_write(e.out, "small", 5), 5);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), 5);
        assert_memory_equal(e.got, "small", 5);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -EAGAIN);
}

/* A program that never waits writes the same message until it went; what is between is not its beginning. */
static void test_resumed(void **state) {
        _cleanup_ends_ Ends e;
        unsigned n_tries = 0;
        void *slot;
        ssize_t r;

        ends_open(&e, 0);
        never_wait(&e);
        fill(e.data, LOCAL_MESSAGE_MAX, 9);

        for (unsigned round = 0; round < 3; round++) {
                memset(e.got, 0, LOCAL_MESSAGE_MAX);
                while ((r = o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX)) == -EAGAIN) {
                        n_tries++;
                        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -EAGAIN);
                }
                assert_int_equal(r, LOCAL_MESSAGE_MAX);
                assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), LOCAL_MESSAGE_MAX);
                assert_memory_equal(e.got, e.data, LOCAL_MESSAGE_MAX);
        }
        assert_in_range(n_tries, 3 * 7, 3 * 16);

        /* Something else was written in place meanwhile: from the beginning again. */
        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -EAGAIN);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -EAGAIN);
        assert_int_equal(o7s_flow_reserve(e.out, 1, &slot), 0);
        *(uint8_t *) slot = 'x';
        assert_int_equal(o7s_flow_commit(e.out, 1), 1);
        while ((r = o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX)) == -EAGAIN)
                assert_in_range(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1) + EAGAIN, 0, EAGAIN + 1);
        assert_int_equal(r, LOCAL_MESSAGE_MAX);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), LOCAL_MESSAGE_MAX);
        assert_memory_equal(e.got, e.data, LOCAL_MESSAGE_MAX);
}

static void test_nobody_reads(void **state) {
        _cleanup_ends_ Ends e;
        Writer w;

        ends_open(&e, O7S_THIN);
        fill(e.data, LOCAL_MESSAGE_MAX, 1);
        assert_int_equal(o7s_flow_set_timeout(e.out, O7S_TIMEOUT_WRITE, 20000), 0);
        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -ETIMEDOUT);
        assert_int_equal(o7s_flow_write(e.out, e.data, 30000), -ETIMEDOUT);

        /* The other side goes while somebody waits: an end, and no message. */
        assert_int_equal(o7s_flow_set_timeout(e.out, O7S_TIMEOUT_WRITE, TEST_TIMEOUT_USEC), 0);
        writer_start(&w, &e, LOCAL_MESSAGE_MAX);
        e.in = o7s_flow_unref(e.in);
        assert_int_equal(writer_join(&w), -EPIPE);
}

static void test_torn_end(void **state) {
        _cleanup_ends_ Ends e;

        ends_open(&e, 0);
        never_wait(&e);
        assert_int_equal(o7s_flow_write(e.out, "all of it", 9), 9);
        fill(e.data, LOCAL_MESSAGE_MAX, 1);
        assert_int_equal(o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX), -EAGAIN);
        e.out = o7s_flow_unref(e.out);

        assert_int_equal(o7s_flow_set_timeout(e.in, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), 9);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), -ENOTCONN);
}

/* -- streams -- */

/* Writes and reads of all sizes: the bytes are the same. */
static void test_stream(void **state) {
        static const size_t reads[] = { 1, 100000, 7, 4096, 65536, 3, 2048, 300000 };
        struct o7s_flow_info info = { .size = sizeof(info) };
        _cleanup_ends_ Ends e;
        size_t at = 0;
        ssize_t n;
        Writer w;

        ends_open(&e, O7S_STREAM);
        assert_int_equal(o7s_flow_set_flags(e.in, O7S_TRUNCATE), 0);    /* of messages, which it has not */
        assert_int_equal(o7s_flow_info(e.in, &info), 0);
        assert_int_equal(info.is_stream, 1);
        fill(e.data, LOCAL_MESSAGE_MAX, 3);
        writer_start(&w, &e, LOCAL_MESSAGE_MAX);

        for (unsigned i = 0; at < LOCAL_MESSAGE_MAX; i++) {
                struct iovec parts[2];

                n = (ssize_t) MIN(reads[i % ELEMENTSOF(reads)], LOCAL_MESSAGE_MAX - at);
                parts[0] = (struct iovec) { .iov_base = e.got + at, .iov_len = (size_t) n / 2 };
                parts[1] = (struct iovec) { .iov_base = e.got + at + n / 2, .iov_len = (size_t) (n - n / 2) };
                n = o7s_flow_readv(e.in, parts, 2);
                assert_true(n > 0);
                at += (size_t) n;
        }
        assert_int_equal(writer_join(&w), LOCAL_MESSAGE_MAX);
        assert_memory_equal(e.got, e.data, LOCAL_MESSAGE_MAX);

        /* Several writes are one read, exactly as large as the buffer too; then there is nothing. */
        never_wait(&e);
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(o7s_flow_write(e.out, e.data + 10 * i, 10), 10);
        assert_int_equal(o7s_flow_read(e.in, e.got, 60), 60);
        assert_int_equal(o7s_flow_read(e.in, e.got + 60, 1000), 40);
        assert_memory_equal(e.got, e.data, 100);
        assert_int_equal(o7s_flow_read(e.in, e.got, 1000), -EAGAIN);

        /* What found room is what was written. */
        n = o7s_flow_write(e.out, e.data, LOCAL_MESSAGE_MAX);
        assert_in_range(n, 65536, 131072);
        assert_int_equal(o7s_flow_write(e.out, e.data, 1), -EAGAIN);
        assert_int_equal(o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1), n);
        assert_memory_equal(e.got, e.data, n);

        assert_int_equal(o7s_flow_write(e.out, "end", 3), 3);
        e.out = o7s_flow_unref(e.out);
        assert_int_equal(o7s_flow_set_timeout(e.in, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_read(e.in, e.got, 1000), 3);
        assert_int_equal(o7s_flow_read(e.in, e.got, 1000), -ENOTCONN);
}

/* -- another side that breaks the rules -- */

static void test_hostile(void **state) {
        static const struct {
                const char *name;
                uint64_t flow_flags;
                size_t piece;
                ChannelFlags flags[20];
                unsigned n;
        } cases[] = {
                { "a rest of nothing",        0,          10,    { CHANNEL_REST },                              1 },
                { "a rest of a whole one",    0,          10,    { 0, CHANNEL_REST },                           2 },
                { "a middle of nothing",      0,          10,    { CHANNEL_REST | CHANNEL_PART },               1 },
                { "a rest behind the end",    0,          10,    { CHANNEL_PART, CHANNEL_REST, CHANNEL_REST },  3 },
                { "a mark",                   0,          10,    { CHANNEL_MARKED },                            1 },
                { "a mark in the middle",     0,          10,    { CHANNEL_PART, CHANNEL_REST | CHANNEL_MARKED }, 2 },
                { "a part of a stream",       O7S_STREAM, 10,    { CHANNEL_PART },                              1 },
                { "a rest of a stream",       O7S_STREAM, 10,    { 0, CHANNEL_REST },                           2 },
                { "a message without an end", 0,          65536, { CHANNEL_PART,
                  CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART,
                  CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART,
                  CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART,
                  CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART,
                  CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART, CHANNEL_REST | CHANNEL_PART,
                  CHANNEL_REST },                                                                               17 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_ends_ Ends e;
                ssize_t r = 0;

                print_message("%s\n", cases[i].name);
                ends_open(&e, cases[i].flow_flags);
                never_wait(&e);
                memset(e.data, 'x', cases[i].piece);

                for (unsigned j = 0; j < cases[i].n; j++) {
                        struct iovec part = { .iov_base = e.data, .iov_len = cases[i].piece };

                        assert_int_equal(channel_push_flagged(e.out->channel, &part, 1, cases[i].flags[j]), 0);
                        assert_true(channel_publish(e.out->channel) >= 0);
                        r = o7s_flow_read(e.in, e.got, LOCAL_MESSAGE_MAX + 1);
                        assert_true(r > 0 || r == -EAGAIN || j == cases[i].n - 1);
                }
                assert_int_equal(r, -EBADMSG);
                assert_int_equal(flow_ended(e.in), 1 + CLOSE_VIOLATION);
                assert_true(e.in->local->reader.capacity <= LOCAL_MESSAGE_MAX);
                assert_true(o7s_flow_write(e.in, "x", 1) < 0);
        }
}

/* Raw flows are what they were. */
static void test_raw_is_left_alone(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct o7s_flow_info info = { .size = sizeof(info) };

        flow_pair_open(&pair, 0);
        assert_null(pair.asking->local);
        assert_null(pair.serving->local);
        assert_int_equal(o7s_flow_info(pair.asking, &info), 0);
        assert_int_equal(info.mtu, 65536);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_partial_reads),
                cmocka_unit_test(test_vectors_batches_and_peeks),
                cmocka_unit_test(test_torn),
                cmocka_unit_test(test_resumed),
                cmocka_unit_test(test_nobody_reads),
                cmocka_unit_test(test_torn_end),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_raw_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
