/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows that wait, that several threads use, and that end. */

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/support/flow-pair.h"

#define SHORT_USEC 20000U

static o7s_error last_error(void) {
        o7s_error e = { .size = sizeof(e) };

        assert_int_equal(o7s_last_error(&e), 0);
        return e;
}

/* -- time -- */

static void test_timeouts(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        usec_t before;
        char byte = 0;
        unsigned n;
        ssize_t r;

        flow_pair_open(&pair, O7S_THIN);

        assert_int_equal(o7s_flow_set_timeout(pair.asking, 2, 0), -EINVAL);
        assert_int_equal(o7s_flow_set_timeout(pair.serving, O7S_TIMEOUT_READ, SHORT_USEC), 0);
        before = time_now();
        assert_int_equal(o7s_flow_read(pair.serving, &byte, 1), -ETIMEDOUT);
        assert_true(time_now() - before >= SHORT_USEC);

        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_WRITE, SHORT_USEC), 0);
        before = time_now();
        while ((r = o7s_flow_write(pair.asking, &byte, 1)) == 1)
                ;
        assert_int_equal(r, -ETIMEDOUT);
        assert_true(time_now() - before >= SHORT_USEC);

        /* The engine of the other side may have made room for one, on a protected flow. */
        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_WRITE, 0), 0);
        while ((r = o7s_flow_write(pair.asking, &byte, 1)) == 1)
                assert_true(irm_thread_protects());
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(o7s_flow_flush(pair.asking, 0), -EAGAIN);
        assert_int_equal(o7s_flow_flush(pair.asking, SHORT_USEC), -ETIMEDOUT);
        assert_int_equal(o7s_flow_close(pair.asking, SHORT_USEC), -ETIMEDOUT);

        /* What was written stays readable. */
        for (n = 0; (r = o7s_flow_read(pair.serving, &byte, 1)) == 1; n++)
                assert_int_equal(o7s_flow_read(pair.serving, &byte, 1), 0);
        assert_int_equal(r, -ENOTCONN);
        assert_true(n == 16 || (n == 17 && irm_thread_protects()));
}

typedef struct Stream {
        o7s_flow *flow;
        unsigned n;
        usec_t pause_usec;
} Stream;

static void *stream_out(void *userdata) {
        Stream *s = userdata;

        for (unsigned i = 0; i < s->n; i++) {
                if (s->pause_usec > 0 && i % 16 == 0)
                        (void) usleep((useconds_t) s->pause_usec);
                if (o7s_flow_write(s->flow, &i, sizeof(i)) != sizeof(i))
                        return s;
        }

        return NULL;
}

static void *stream_in(void *userdata) {
        Stream *s = userdata;

        for (unsigned i = 0; i < s->n; i++) {
                unsigned got[2];

                if (s->pause_usec > 0 && i % 64 == 0)
                        (void) usleep((useconds_t) s->pause_usec);
                if (o7s_flow_read(s->flow, got, sizeof(got)) != sizeof(i) || got[0] != i)
                        return s;
        }

        return NULL;
}

/* Each end is read by one thread and written by another, all four asleep now and then: no ring may be lost
 * to the thread that it was not meant for. */
static void test_threads(void **state) {
        static const struct {
                const char *name;
                unsigned n;
                usec_t writer_pause, reader_pause;
        } cases[] = {
                { "as fast as they can", 200000, 0,   0 },
                { "slow writers",        5000,   100, 0 },
                { "slow readers",        20000,  0,   100 },
        };
        _cleanup_flow_pair_ FlowPair pair;

        flow_pair_open(&pair, O7S_THIN);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Stream streams[4] = {
                        { pair.asking, cases[i].n, cases[i].writer_pause },
                        { pair.serving, cases[i].n, cases[i].reader_pause },
                        { pair.serving, cases[i].n, cases[i].writer_pause },
                        { pair.asking, cases[i].n, cases[i].reader_pause },
                };
                pthread_t threads[4];

                print_message("%s\n", cases[i].name);
                for (unsigned t = 0; t < 4; t++)
                        assert_int_equal(pthread_create(&threads[t], NULL, t % 2 ? stream_in : stream_out, &streams[t]),
                                         0);
                for (unsigned t = 0; t < 4; t++) {
                        void *failed;

                        assert_int_equal(pthread_join(threads[t], &failed), 0);
                        assert_null(failed);
                }
        }

        assert_int_equal(o7s_flow_flush(pair.asking, 0), 0);
}

/* -- ending -- */

static void test_close(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        char in[8];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_write(pair.asking, "last", 4), 4);
        assert_int_equal(o7s_flow_close(pair.asking, 0), -EAGAIN);
        assert_int_equal(o7s_flow_write(pair.asking, "x", 1), -EPIPE);
        assert_int_equal(o7s_flow_read(pair.asking, in, sizeof(in)), -ENOTCONN);
        assert_int_equal(o7s_flow_close(pair.asking, 0), -ENOTCONN);

        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 4);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), -ENOTCONN);
        assert_non_null(strstr(last_error().text, "closed the flow"));
        assert_string_equal(last_error().name, "echo");
        assert_int_equal(o7s_flow_write(pair.serving, "x", 1), -EPIPE);
        assert_int_equal(o7s_flow_events(pair.serving), O7S_DOWN);
        assert_int_equal(o7s_flow_flush(pair.serving, 0), 0);
        assert_int_equal(o7s_flow_close(pair.serving, 0), -EPIPE);

        while (irm_thread_counts(pair.irm).n_messages[IRM_DEALLOCATE] < 2)
                sched_yield();
}

static void *read_until_the_end(void *userdata) {
        char byte;

        return o7s_flow_read(userdata, &byte, 1) == -ENOTCONN ? NULL : userdata;
}

/* One thread closes what another reads, while the other side holds on to its end and does nothing. */
static void test_close_by_another_thread(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        pthread_t reader;
        usec_t begin;
        void *failed;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_READ, 2 * USEC_PER_SEC), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_until_the_end, pair.asking), 0);
        (void) usleep(SHORT_USEC);

        begin = time_now();
        assert_int_equal(o7s_flow_close(pair.asking, 0), 0);
        assert_int_equal(pthread_join(reader, &failed), 0);
        assert_null(failed);
        assert_true(time_now() - begin < USEC_PER_SEC);
}

/* The same for who waits in an event loop. */
static void test_close_of_a_watched_flow(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct pollfd p = { .events = POLLIN };

        flow_pair_open(&pair, 0);
        p.fd = o7s_flow_fd(pair.asking);
        assert_int_equal(o7s_flow_events(pair.asking), 0);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(o7s_flow_close(pair.asking, 0), 0);
        assert_int_equal(o7s_flow_events(pair.asking), O7S_DOWN);
        assert_int_equal(poll(&p, 1, 0), 1);
}

static void *close_later(void *userdata) {
        (void) usleep(SHORT_USEC);
        return o7s_flow_unref(userdata);
}

/* Both a reader and a writer that are asleep learn of the end. */
static void test_close_wakes(void **state) {
        for (int write_side = 0; write_side < 2; write_side++) {
                _cleanup_flow_pair_ FlowPair pair;
                pthread_t thread;
                ssize_t r;
                char byte = 0;

                flow_pair_open(&pair, O7S_THIN);
                assert_int_equal(pthread_create(&thread, NULL, close_later, pair.serving), 0);
                pair.serving = NULL;

                if (write_side) {
                        while ((r = o7s_flow_write(pair.asking, &byte, 1)) == 1)
                                ;
                        assert_int_equal(r, -EPIPE);
                } else {
                        assert_int_equal(o7s_flow_read(pair.asking, &byte, 1), -ENOTCONN);
                }
                assert_int_equal(pthread_join(thread, NULL), 0);
        }
}

static void *read_slowly(void *userdata) {
        char byte[2];

        (void) usleep(SHORT_USEC);
        while (o7s_flow_read(userdata, byte, sizeof(byte)) == 1)
                ;
        return NULL;
}

static void test_linger_and_flush(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        pthread_t thread;

        flow_pair_open(&pair, O7S_LINGER);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(o7s_flow_write(pair.asking, "x", 1), 1);
        assert_int_equal(o7s_flow_stats(pair.serving, &stats), 0);
        assert_int_equal(stats.rx_queued, 60);

        assert_int_equal(pthread_create(&thread, NULL, read_slowly, pair.serving), 0);
        assert_int_equal(o7s_flow_flush(pair.asking, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_stats(pair.serving, &stats), 0);
        assert_int_equal(stats.rx_queued, 0);

        assert_int_equal(o7s_flow_write(pair.asking, "x", 1), 1);
        pair.asking = o7s_flow_unref(pair.asking);
        assert_int_equal(o7s_flow_stats(pair.serving, &stats), 0);
        assert_int_equal(stats.rx_queued, 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_references(void **state) {
        _cleanup_flow_pair_ FlowPair pair;

        flow_pair_open(&pair, 0);
        assert_null(o7s_flow_ref(NULL));
        assert_null(o7s_flow_unref(NULL));
        assert_ptr_equal(o7s_flow_ref(pair.asking), pair.asking);
        assert_null(o7s_flow_unref(pair.asking));
        assert_int_equal(o7s_flow_write(pair.asking, "x", 1), 1);
        assert_int_equal(o7s_flow_write(NULL, "x", 1), -EINVAL);
        assert_int_equal(o7s_flow_read(NULL, NULL, 1), -EINVAL);
        assert_int_equal(o7s_flow_fd(NULL), -EINVAL);
        assert_string_equal(o7s_version(), O7S_VERSION);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timeouts),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_close_by_another_thread),
                cmocka_unit_test(test_close_of_a_watched_flow),
                cmocka_unit_test(test_close_wakes),
                cmocka_unit_test(test_linger_and_flush),
                cmocka_unit_test(test_references),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
