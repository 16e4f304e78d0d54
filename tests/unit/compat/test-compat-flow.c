/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows by number: descriptors, messages and their parts, waiting, access, the end. */

#include <limits.h>
#include <stdio.h>

#include "basic/time.h"
#include "tests/unit/compat/compat-pair.h"

static void set_flags(int fd, uint32_t flags) {
        assert_int_equal(fccntl(fd, FLOWSFLAGS, flags), 0);
}

static void test_descriptors(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        int asking, serving, again;

        compat_pair_open(&pair, NULL);
        assert_int_equal(pair.asking + pair.serving, 64 + 65);
        compat_pair_more(NULL, &asking, &serving);
        assert_int_equal(asking + serving, 66 + 67);

        /* The lowest number is given out first. */
        assert_int_equal(flow_dealloc(pair.asking), 0);
        assert_int_equal(flow_dealloc(pair.serving), 0);
        assert_int_equal(flow_dealloc(serving), 0);
        compat_pair_more(NULL, &pair.asking, &pair.serving);
        assert_int_equal(pair.asking + pair.serving, 64 + 65);
        compat_pair_more(NULL, &again, &serving);
        assert_int_equal(again + serving, 66 + 67 - asking + 68);

        assert_int_equal(flow_dealloc(asking), 0);
        assert_int_equal(flow_dealloc(again), 0);
        assert_int_equal(flow_dealloc(serving), 0);
}

static void test_no_flow(void **state) {
        static const struct {
                const char *name;
                int fd, error, dealloc_error;
        } cases[] = {
                { "negative",  -1,      -EBADF,     -EINVAL },
                { "minimum",   INT_MIN, -EBADF,     -EINVAL },
                { "reserved",  3,       -ENOTALLOC, -ENOTALLOC },
                { "unused",    64,      -ENOTALLOC, -ENOTALLOC },
                { "last",      4095,    -ENOTALLOC, -ENOTALLOC },
                { "too large", 4096,    -EBADF,     -EINVAL },
                { "maximum",   INT_MAX, -EBADF,     -EINVAL },
        };
        uint32_t flags;
        char byte = 0;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(flow_read(cases[i].fd, &byte, 1), cases[i].error);
                assert_int_equal(flow_write(cases[i].fd, &byte, 1), cases[i].error);
                assert_int_equal(flow_write(cases[i].fd, NULL, 0), cases[i].error);
                assert_int_equal(fccntl(cases[i].fd, FLOWGFLAGS, &flags), cases[i].error);
                assert_int_equal(flow_dealloc(cases[i].fd), cases[i].dealloc_error);
        }
}

static void test_messages(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[64];

        compat_pair_open(&pair, NULL);
        for (unsigned i = 0; i < 500; i++) {
                char text[32];
                int n = snprintf(text, sizeof(text), "message %u", i);

                assert_int_equal(flow_write(pair.asking, text, (size_t) n), n);
                assert_int_equal(flow_read(pair.serving, in, sizeof(in)), n);
                assert_memory_equal(in, text, (size_t) n);
                assert_int_equal(flow_write(pair.serving, in, (size_t) n), n);
                assert_int_equal(flow_read(pair.asking, in, sizeof(in)), n);
                assert_memory_equal(in, text, (size_t) n);
        }
        assert_int_equal(flow_read(pair.asking, NULL, 1), -EINVAL);
        assert_int_equal(flow_write(pair.asking, NULL, 1), -EINVAL);
        assert_int_equal(flow_read(pair.asking, in, 0), 0);
}

/* A message is never lost because a buffer was short, and its end can always be told. */
static void test_parts(void **state) {
        static const struct {
                const char *name;
                size_t message, buffer;
                ssize_t reads[6];       /* ends with -EAGAIN */
        } cases[] = {
                { "fits",           5, 8, { 5, -EAGAIN } },
                { "two parts",      5, 3, { 3, 2, -EAGAIN } },
                { "exactly",        8, 8, { 8, 0, -EAGAIN } },
                { "exact multiple", 8, 4, { 4, 4, 0, -EAGAIN } },
                { "bytes",          2, 1, { 1, 1, 0, -EAGAIN } },
        };
        _cleanup_compat_pair_ CompatPair pair;

        compat_pair_open(&pair, NULL);
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFRNOBLOCK);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t at = 0;
                char in[8];

                print_message("%s\n", cases[i].name);
                assert_int_equal(flow_write(pair.asking, "abcdefgh", cases[i].message), cases[i].message);
                for (size_t j = 0;; j++) {
                        assert_int_equal(flow_read(pair.serving, in, cases[i].buffer), cases[i].reads[j]);
                        if (cases[i].reads[j] < 0)
                                break;
                        assert_memory_equal(in, &"abcdefgh"[at], (size_t) cases[i].reads[j]);
                        at += (size_t) cases[i].reads[j];
                }
                assert_int_equal(at, cases[i].message);
        }
}

static void test_no_parts(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFRNOPART | FLOWFRNOBLOCK);
        assert_int_equal(flow_write(pair.asking, "too long for it", 15), 15);
        assert_int_equal(flow_write(pair.asking, "fits", 4), 4);
        assert_int_equal(flow_write(pair.asking, "exactly!", 8), 8);

        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EMSGSIZE);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 4);
        assert_memory_equal(in, "fits", 4);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 8);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EAGAIN);

        /* And back to parts. */
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFRNOBLOCK);
        assert_int_equal(flow_write(pair.asking, "too long for it", 15), 15);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 8);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 7);
}

static void test_empty_message(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFRNOBLOCK);
        assert_int_equal(flow_write(pair.asking, NULL, 0), 0);
        assert_int_equal(flow_write(pair.asking, "x", 0), 0);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EAGAIN);
        assert_int_equal(flow_write(pair.asking, "x", 1), 1);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
}

static void test_access(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        assert_int_equal(flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(flow_write(pair.serving, "b", 1), 1);

        set_flags(pair.asking, FLOWFRDONLY);
        assert_int_equal(flow_write(pair.asking, "a", 1), -EPERM);
        assert_int_equal(flow_write(pair.asking, NULL, 0), -EPERM);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), 1);

        set_flags(pair.serving, FLOWFWRONLY);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EPERM);
        assert_int_equal(flow_write(pair.serving, "b", 1), 1);

        set_flags(pair.serving, FLOWFRDWR);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(in[0], 'a');
}

/* Until there is no room. Returns: what the write that found none says. */
static ssize_t fill(int fd) {
        ssize_t size;

        for (unsigned i = 0; i < 100000; i++) {
                size = flow_write(fd, "stuffing", 8);
                if (size != 8)
                        return size;
        }

        return 8;
}

static void test_waiting(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        usec_t begin;
        char in[8];

        compat_pair_open(&pair, NULL);

        set_flags(pair.asking, FLOWFDEFAULT | FLOWFNONBLOCK);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), -EAGAIN);
        assert_int_equal(fill(pair.asking), -EAGAIN);

        /* Non-blocking beats the time-out, either of them the other side's. */
        set_flags(pair.asking, FLOWFDEFAULT);
        assert_int_equal(fccntl(pair.asking, FLOWSSNDTIMEO, &short_time), 0);
        assert_int_equal(fccntl(pair.asking, FLOWSRCVTIMEO, &short_time), 0);
        begin = time_now();
        assert_int_equal(flow_write(pair.asking, "x", 1), -ETIMEDOUT);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), -ETIMEDOUT);
        assert_true(time_now() - begin >= 2 * USEC_PER_MSEC);
        set_flags(pair.asking, FLOWFDEFAULT | FLOWFNONBLOCK);
        assert_int_equal(flow_write(pair.asking, "x", 1), -EAGAIN);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), -EAGAIN);

        /* None at all: not even one turn. */
        set_flags(pair.asking, FLOWFDEFAULT);
        assert_int_equal(fccntl(pair.asking, FLOWSSNDTIMEO, &no_time), 0);
        assert_int_equal(fccntl(pair.asking, FLOWSRCVTIMEO, &no_time), 0);
        assert_int_equal(flow_write(pair.asking, "x", 1), -ETIMEDOUT);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), -ETIMEDOUT);
}

/* As through a layer, which is there and takes nothing: not for ever. */
static void test_end_while_full(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        usec_t begin;

        assert_int_equal(setenv("O7S_TEST_SEAL", "o7s", 1), 0); /* raw flows are not local then */
        compat_pair_open(&pair, NULL);
        assert_int_equal(unsetenv("O7S_TEST_SEAL"), 0);

        set_flags(pair.asking, FLOWFDEFAULT | FLOWFNONBLOCK);
        assert_int_equal(fill(pair.asking), -EAGAIN);
        begin = time_now();
        assert_int_equal(flow_dealloc(pair.asking), 0);
        pair.asking = -1;
        assert_true(time_now() - begin < 30 * USEC_PER_SEC);
}

static void test_end(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        assert_int_equal(flow_write(pair.asking, "last", 4), 4);
        assert_int_equal(flow_dealloc(pair.asking), 0);
        assert_int_equal(flow_dealloc(pair.asking), -ENOTALLOC);
        pair.asking = -1;

        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 4);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
        assert_int_equal(flow_write(pair.serving, "x", 1), -EFLOWDOWN);
        assert_int_equal(flow_write(pair.serving, NULL, 0), -EFLOWDOWN);
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFNONBLOCK);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
        assert_int_equal(flow_write(pair.serving, "x", 1), -EFLOWDOWN);
}

/* Marked down by ourselves: what had arrived is still there, and it can be taken back. */
static void test_down(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        assert_int_equal(flow_write(pair.asking, "a", 1), 1);
        set_flags(pair.serving, FLOWFDEFAULT | FLOWFDOWN);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
        assert_int_equal(flow_write(pair.serving, "b", 1), -EFLOWDOWN);
        assert_int_equal(flow_write(pair.serving, NULL, 0), -EFLOWDOWN);

        set_flags(pair.serving, FLOWFDEFAULT);
        assert_int_equal(flow_write(pair.serving, "b", 1), 1);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), 1);
}

static void test_too_large(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        uint8_t *large;

        large = calloc(1, (size_t) 5 << 20);
        assert_non_null(large);
        compat_pair_open(&pair, NULL);
        assert_int_equal(flow_write(pair.asking, large, (size_t) 5 << 20), -EMSGSIZE);
        free(large);
}

static void test_qos(void **state) {
        const qosspec_t asked = { 20, 64000, 200, 1, 1, 0, 30, 5000 };
        _cleanup_compat_pair_ CompatPair pair;
        qosspec_t qs = {};

        compat_pair_open(&pair, &asked);
        assert_int_equal(fccntl(pair.serving, FLOWGQOSSPEC, &qs), 0);
        assert_int_equal(qs.delay, 20);
        assert_int_equal(qs.bandwidth, 64000);
        assert_int_equal(qs.availability, 8);           /* more nines than anybody could tell */
        assert_int_equal(qs.max_gap, 30);
        assert_int_equal(qs.timeout, 5000);
        assert_int_equal(qs.in_order, 0);
}

/* What was asked for is overwritten with what it has become, on both sides. */
static void test_qos_granted(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        qosspec_t qs = qos_raw;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fccntl(pair.asking, FLOWGQOSSPEC, &qs), 0);
        assert_int_equal(qs.delay, UINT32_MAX);
        assert_int_equal(qs.loss, 1);
        assert_int_equal(qs.ber, 1);
        assert_int_equal(qs.in_order, 0);
        assert_int_equal(qs.timeout, DEFAULT_PEER_TIMEOUT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_no_flow),
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_no_parts),
                cmocka_unit_test(test_empty_message),
                cmocka_unit_test(test_access),
                cmocka_unit_test(test_waiting),
                cmocka_unit_test(test_end_while_full),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_down),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_qos),
                cmocka_unit_test(test_qos_granted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
