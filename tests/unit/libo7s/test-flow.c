/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows as an application sees them: opening, and messages in all forms. */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/support/flow-pair.h"

#define SHORT_USEC 20000U

static o7s_error last_error(void) {
        o7s_error e = { .size = sizeof(e) };

        assert_int_equal(o7s_last_error(&e), 0);
        return e;
}

/* -- opening -- */

static const struct {
        const char *name;
        uint64_t timeout_usec;
        int r;
        const char *text;               /* part of what o7s_last_error() says */
} refusals[] = {
        { "nobody",      TEST_TIMEOUT_USEC, -ENOENT,       "o7sctl names" },
        { "refused",     TEST_TIMEOUT_USEC, -ECONNREFUSED, IRM_THREAD_REFUSAL },
        { "denied",      TEST_TIMEOUT_USEC, -EPERM,        "may not" },
        { "silent",      SHORT_USEC,        -ETIMEDOUT,    "in time" },
        { "silent",      0,                 -EAGAIN,       "without waiting" },
        { "died",        TEST_TIMEOUT_USEC, -EHOSTDOWN,    "IRM went away" },
        { "in-progress", TEST_TIMEOUT_USEC, -EPROTO,       "" },
        { "bad-lane",    TEST_TIMEOUT_USEC, -EBADMSG,      "broke the rules" },
        { "ring-first",  TEST_TIMEOUT_USEC, -EBADMSG,      "broke the rules" },
        { "no-doorbell", TEST_TIMEOUT_USEC, -EPROTO,       "" },
        { "wrong-reply", TEST_TIMEOUT_USEC, -EPROTO,       "" },
        { "",            TEST_TIMEOUT_USEC, -EINVAL,       "1 to 255 bytes" },
};

static void test_refusals(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);

        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                o7s_flow *flow = (o7s_flow *) 1;
                o7s_error e;

                print_message("%s\n", refusals[i].name);
                assert_int_equal(o7s_flow_alloc(refusals[i].name, &O7S_QOS_RAW, 0, refusals[i].timeout_usec, &flow),
                                 refusals[i].r);
                assert_ptr_equal(flow, (o7s_flow *) 1);

                e = last_error();
                assert_int_equal(e.error, refusals[i].r);
                assert_string_equal(e.name, refusals[i].name);
                assert_non_null(strstr(e.text, refusals[i].text));
        }
}

static void test_bad_requests(void **state) {
        static const struct {
                const char *name;
                o7s_qos qos;
                uint64_t flags;
                int r;
        } cases[] = {
                { "in order",          { UINT32_MAX, 0, 0, 1, 1, 1, UINT32_MAX, 120000 }, 0, -EHOSTDOWN },
                { "without errors",    { UINT32_MAX, 0, 0, 1, 0, 0, UINT32_MAX, 120000 }, 0, -EHOSTDOWN },
                { "data",              { 1000, 0, 0, 0, 0, 1, 2000, 120000 },             0, -EHOSTDOWN },
                { "a stream",          { 1000, 0, 0, 0, 0, 1, 2000, 120000 },             O7S_STREAM, -EHOSTDOWN },
                { "a stream, unordered", { UINT32_MAX, 0, 0, 0, 1, 0, UINT32_MAX, 120000 }, O7S_STREAM, -EINVAL },
                { "a stream with gaps", { UINT32_MAX, 0, 0, 1, 1, 1, UINT32_MAX, 120000 }, O7S_STREAM, -EINVAL },
                { "in_order is 2",     { UINT32_MAX, 0, 0, 1, 1, 2, UINT32_MAX, 120000 }, 0, -EINVAL },
                { "thin and bulk",     { UINT32_MAX, 0, 0, 1, 1, 0, UINT32_MAX, 120000 }, O7S_BULK | O7S_THIN,
                  -EINVAL },
                { "an unknown flag",   { UINT32_MAX, 0, 0, 1, 1, 0, UINT32_MAX, 120000 }, 1U << 20, -EINVAL },
        };
        o7s_flow *flow;

        /* No IRM is asked: there is none. */
        assert_int_equal(setenv("O7S_SOCKET", "@o7s-nobody-is-here", true), 0);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(o7s_flow_alloc("echo", &cases[i].qos, cases[i].flags, 0, &flow), cases[i].r);
                if (cases[i].flags & O7S_STREAM && cases[i].r == -EINVAL)
                        assert_non_null(strstr(last_error().text, "byte stream is ordered"));
        }

        assert_int_equal(o7s_flow_join("news", 0, &flow), -EOPNOTSUPP);
        assert_int_equal(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, 0, NULL), -EINVAL);
        assert_int_equal(o7s_flow_alloc(NULL, NULL, 0, 0, &flow), -EINVAL);
        assert_int_equal(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, TEST_TIMEOUT_USEC, &flow), -EHOSTDOWN);
        assert_non_null(strstr(last_error().text, "systemctl start o7s-irm.socket"));
}

static void test_pending(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        struct pollfd p = { .events = POLLIN };
        o7s_flow *flow;
        char byte;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_flow_alloc_start("silent", &O7S_QOS_RAW, 0, O7S_FOREVER, &flow), 0);

        /* Whoever asks each time that the descriptor is readable is not kept busy. */
        p.fd = o7s_flow_fd(flow);
        assert_int_equal(o7s_flow_alloc_finish(flow), -EINPROGRESS);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(o7s_flow_alloc_finish(flow), -EINPROGRESS);
        assert_int_equal(o7s_flow_write(flow, "x", 1), -EINPROGRESS);
        assert_int_equal(o7s_flow_read(flow, &byte, 1), -EINPROGRESS);
        assert_int_equal(o7s_flow_close(flow, 0), -EINPROGRESS);
        assert_int_equal(o7s_flow_events(flow), 0);
        assert_int_equal(o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0), 0);

        /* The last reference cancels, and the IRM hears of it. */
        assert_null(o7s_flow_unref(flow));
        while (irm_thread_counts(irm).n_cancelled == 0)
                sched_yield();
        assert_int_equal(irm_thread_counts(irm).n_messages[IRM_DEALLOCATE], 0);
}

static void test_info(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct o7s_flow_info info = { .size = sizeof(info) }, wrong = { .size = sizeof(info) - 1 };
        o7s_flow *asking, *serving;
        size_t short_mtu = 100 - irm_thread_overhead(false);
        uint8_t bytes[101] = {};

        flow_pair_open(&pair, O7S_BULK);
        assert_int_equal(o7s_flow_info(pair.asking, &wrong), -EINVAL);
        assert_int_equal(o7s_flow_info(pair.asking, &info), 0);
        assert_string_equal(info.name, "echo");
        assert_string_equal(info.layer, irm_thread_protects() ? "lan" : "");
        assert_string_equal(info.peer, "somebody");
        assert_int_equal(info.peer_verified, 0);
        assert_string_equal(info.protection, "none");                           /* the IRM says what it is */
        assert_string_equal(info.key_exchange, "");
        assert_int_equal(info.is_local, !irm_thread_protects());
        assert_int_equal(info.slots, 256);
        assert_int_equal(info.mtu, 65536 - irm_thread_overhead(false));
        assert_int_equal(info.qos_granted.timeout_ms, 120000);
        assert_int_equal(o7s_flow_info(pair.serving, &info), 0);
        assert_string_equal(info.name, "echo");

        /* What the layer carries may be less than what fits the lane. */
        pair.listener = o7s_listener_unref(pair.listener);
        assert_int_equal(o7s_listen(NULL, 0, &pair.listener), 0);
        flow_pair_more(&pair, "short-mtu", O7S_THIN, &asking, &serving);
        assert_int_equal(o7s_flow_info(asking, &info), 0);
        assert_int_equal(info.mtu, short_mtu);
        assert_int_equal(info.slots, 16);
        assert_int_equal(o7s_flow_write(asking, bytes, short_mtu + 1), -EMSGSIZE);
        assert_int_equal(o7s_flow_write(asking, bytes, short_mtu), short_mtu);
        o7s_flow_unref(asking);
        o7s_flow_unref(serving);
}

/* -- messages -- */

static void fill(uint8_t *bytes, size_t size, unsigned seed) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) (seed + i * 7 + i / 251);
}

static void test_sizes(void **state) {
        const size_t max = 65536 - irm_thread_overhead(false);
        const size_t sizes[] = { 1, 2, 63, 64, 1400, 2047, 2048, 2049, 4096, 9000, max - 1, max };
        _cleanup_flow_pair_ FlowPair pair;
        uint8_t *out = test_malloc(65537), *in = test_malloc(65537);

        flow_pair_open(&pair, O7S_BULK);

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                fill(out, sizes[i], (unsigned) i);
                assert_int_equal(o7s_flow_write(pair.asking, out, sizes[i]), sizes[i]);
                assert_int_equal(o7s_flow_read(pair.serving, in, 65537), sizes[i]);
                assert_memory_equal(in, out, sizes[i]);
                assert_int_equal(o7s_flow_write(pair.serving, out, sizes[i]), sizes[i]);
                assert_int_equal(o7s_flow_read(pair.asking, in, 65537), sizes[i]);
        }

        assert_int_equal(o7s_flow_write(pair.asking, out, max + 1), -EMSGSIZE);
        assert_int_equal(o7s_flow_write(pair.asking, out, 0), -EINVAL);
        assert_int_equal(o7s_flow_read(pair.asking, in, 0), -EINVAL);

        test_free(out);
        test_free(in);
}

/* Messages of 5000 bytes read with buffers of different sizes: the bytes are the same, and each end is seen. */
static void test_partial_reads(void **state) {
        static const size_t rooms[] = { 1, 7, 1000, 2048, 2500, 4999, 5000, 5001 };
        _cleanup_flow_pair_ FlowPair pair;
        uint8_t out[5000], in[6000];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_timeout(pair.serving, O7S_TIMEOUT_READ, 0), 0);

        for (size_t i = 0; i < ELEMENTSOF(rooms); i++) {
                size_t done = 0, room = rooms[i];
                ssize_t n;

                fill(out, sizeof(out), (unsigned) i);
                assert_int_equal(o7s_flow_write(pair.asking, out, sizeof(out)), sizeof(out));

                do {
                        n = o7s_flow_read(pair.serving, in + done, room);
                        assert_true(n >= 0 && (size_t) n <= room);
                        done += (size_t) n;
                        assert_true(done <= sizeof(out));
                } while ((size_t) n == room);

                assert_int_equal(done, sizeof(out));
                assert_memory_equal(in, out, sizeof(out));
                assert_int_equal(o7s_flow_read(pair.serving, in, room), -EAGAIN);
        }
}

static void test_truncate(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        uint64_t flags = 0;
        char in[8];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_flags(pair.serving, O7S_TRUNCATE), 0);
        assert_int_equal(o7s_flow_get_flags(pair.serving, &flags), 0);
        assert_int_equal(flags, O7S_TRUNCATE);
        assert_int_equal(o7s_flow_set_flags(pair.serving, O7S_BULK), -EINVAL);

        assert_int_equal(o7s_flow_write(pair.asking, "a long message", 14), 14);
        assert_int_equal(o7s_flow_write(pair.asking, "12345678", 8), 8);
        assert_int_equal(o7s_flow_write(pair.asking, "next", 4), 4);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 8);
        assert_memory_equal(in, "a long m", 8);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 8);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 4);
        assert_memory_equal(in, "next", 4);

        assert_int_equal(o7s_flow_stats(pair.serving, &stats), 0);
        assert_int_equal(stats.rx_messages, 3);
        assert_int_equal(stats.rx_bytes, 20);
        assert_int_equal(stats.drops[O7S_DROP_TOO_LARGE], 1);
        assert_int_equal(o7s_flow_stats(pair.asking, &stats), 0);
        assert_int_equal(stats.tx_messages, 3);
        assert_int_equal(stats.tx_bytes, 26);
        assert_int_equal(stats.tx_queued, 0);
}

static void test_vectors(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        const struct iovec out[] = { { (char *) "one ", 4 }, { NULL, 0 }, { (char *) "two ", 4 },
                                     { (char *) "three", 5 } };
        char a[3], b[6], c[20];
        const struct iovec in[] = { { a, sizeof(a) }, { b, sizeof(b) }, { c, sizeof(c) } };

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_writev(pair.asking, out, 4), 13);
        assert_int_equal(o7s_flow_readv(pair.serving, in, 3), 13);
        assert_memory_equal(a, "one", 3);
        assert_memory_equal(b, " two t", 6);
        assert_memory_equal(c, "hree", 4);

        assert_int_equal(o7s_flow_writev(pair.asking, out, 0), -EINVAL);
        assert_int_equal(o7s_flow_writev(pair.asking, out, 1025), -EINVAL);
        assert_int_equal(o7s_flow_readv(pair.serving, in, 0), -EINVAL);
}

static void test_batches(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        uint8_t bytes[80][16], into[80][10];
        o7s_msg out[80], in[80];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_timeout(pair.serving, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_WRITE, 0), 0);

        for (unsigned i = 0; i < 80; i++) {
                fill(bytes[i], 16, i);
                out[i] = (o7s_msg) { .data = bytes[i], .size = i == 3 ? 16 : 10 };
                in[i] = (o7s_msg) { .data = into[i], .capacity = 10 };
        }

        /* More than fit: as many as do. */
        assert_int_equal(o7s_flow_write_batch(pair.asking, out, 80), 64);
        assert_int_equal(o7s_flow_write_batch(pair.asking, out, 80), -EAGAIN);
        assert_int_equal(o7s_flow_write_batch(pair.asking, out, 0), 0);

        /* The one of 16 bytes takes two entries. */
        assert_int_equal(o7s_flow_read_batch(pair.serving, in, 5), 5);
        assert_int_equal(in[2].flags, 0);
        assert_int_equal(in[3].flags, O7S_MSG_MORE);
        assert_int_equal(in[4].flags, 0);
        assert_int_equal(in[4].size, 6);
        assert_memory_equal(into[4], bytes[3] + 10, 6);
        assert_int_equal(o7s_flow_read_batch(pair.serving, in, 80), 60);
        assert_int_equal(o7s_flow_read_batch(pair.serving, in, 80), -EAGAIN);

        /* An entry that is no message ends the batch before it. */
        out[2].flags = O7S_MSG_MORE;
        assert_int_equal(o7s_flow_write_batch(pair.asking, out, 80), 2);
        out[0].size = 0;
        assert_int_equal(o7s_flow_write_batch(pair.asking, out, 80), -EINVAL);
}

static void test_in_place(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        const void *seen;
        size_t size;
        void *room;
        uint8_t big[5000], in[8];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_timeout(pair.serving, O7S_TIMEOUT_READ, 0), 0);

        assert_int_equal(o7s_flow_reserve(pair.asking, 2048, &room), 0);
        assert_int_equal(o7s_flow_write(pair.asking, "x", 1), -EBUSY);
        memcpy(room, "placed", 6);
        assert_int_equal(o7s_flow_commit(pair.asking, 2049), -EINVAL);
        assert_int_equal(o7s_flow_commit(pair.asking, 6), 6);
        assert_int_equal(o7s_flow_commit(pair.asking, 6), -EINVAL);
        assert_int_equal(o7s_flow_reserve(pair.asking, 2049, &room), -EMSGSIZE);
        assert_int_equal(o7s_flow_reserve(pair.asking, 100, &room), 0);
        assert_int_equal(o7s_flow_commit(pair.asking, 0), 0);
        assert_int_equal(o7s_flow_write(pair.asking, "next", 4), 4);

        assert_int_equal(o7s_flow_release(pair.serving), -EINVAL);
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), 0);
        assert_int_equal(size, 6);
        assert_memory_equal(seen, "placed", 6);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), -EBUSY);
        assert_int_equal(o7s_flow_release(pair.serving), 0);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 4);
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), -EAGAIN);

        /* Several slots: a copy, in one piece; and the rest of one that was partly read. */
        fill(big, sizeof(big), 3);
        assert_int_equal(o7s_flow_write(pair.asking, big, sizeof(big)), sizeof(big));
        assert_int_equal(o7s_flow_write(pair.asking, big, sizeof(big)), sizeof(big));
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), 0);
        assert_int_equal(size, sizeof(big));
        assert_memory_equal(seen, big, sizeof(big));
        assert_int_equal(o7s_flow_release(pair.serving), 0);
        assert_int_equal(o7s_flow_read(pair.serving, in, 8), 8);
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), 0);
        assert_int_equal(size, sizeof(big) - 8);
        assert_memory_equal(seen, big + 8, sizeof(big) - 8);
        assert_int_equal(o7s_flow_release(pair.serving), 0);
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), -EAGAIN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_bad_requests),
                cmocka_unit_test(test_pending),
                cmocka_unit_test(test_info),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_partial_reads),
                cmocka_unit_test(test_truncate),
                cmocka_unit_test(test_vectors),
                cmocka_unit_test(test_batches),
                cmocka_unit_test(test_in_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
