/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many threads and many flows at once: of all kinds, each flow read, written, asked and ended by several threads; and
 * one event loop for a thousand of them. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "tests/support/flow-pair.h"

#define N_PAIRS 50U                     /* 100 flows, a thread each */
#define N_MESSAGES 200U
#define N_LOOP 500U                     /* pairs: 1000 flows */

static const o7s_qos qualities[] = {
        O7S_QOS_DATA,
        O7S_QOS_BEST_EFFORT,
        { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 },
        O7S_QOS_RAW_SAFE,
};

typedef struct Side {
        o7s_flow *flow;
        unsigned number;
        bool asks;
        unsigned n_bad;
} Side;

static void pair_open(o7s_listener *listener, const char *name, const o7s_qos *qos, o7s_flow **ret_asking,
                      o7s_flow **ret_serving) {
        assert_int_equal(o7s_flow_alloc_start(name, qos, O7S_THIN, TEST_TIMEOUT_USEC, ret_asking), 0);
        assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, ret_serving), 0);
        while (o7s_flow_alloc_finish(*ret_asking) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_alloc_finish(*ret_asking), 0);
}

static unsigned talk(Side *s, unsigned n) {
        uint32_t words[50], got[60];
        unsigned size = (1 + (s->number + n) % ELEMENTSOF(words)) * (unsigned) sizeof(words[0]);

        for (unsigned i = 0; i < ELEMENTSOF(words); i++)
                words[i] = s->number << 16 | n;

        if (s->asks && o7s_flow_write(s->flow, words, size) != (ssize_t) size)
                return 1;
        if (o7s_flow_read(s->flow, got, sizeof(got)) != (ssize_t) size || memcmp(got, words, size) != 0)
                return 1;
        if (!s->asks && o7s_flow_write(s->flow, words, size) != (ssize_t) size)
                return 1;
        return 0;
}

static void *run_side(void *userdata) {
        Side *s = userdata;

        for (unsigned n = 0; n < N_MESSAGES && s->n_bad == 0; n++) {
                struct o7s_flow_stats stats = { .size = sizeof(stats) };

                s->n_bad += talk(s, n);
                if (n % 16 == 0)
                        s->n_bad += o7s_flow_stats(s->flow, &stats) < 0;
        }

        if (s->asks)
                (void) o7s_flow_close(s->flow, TEST_TIMEOUT_USEC);
        s->flow = o7s_flow_unref(s->flow);
        return NULL;
}

static void test_hundred_threads(void **state) {
        static Side sides[2 * N_PAIRS];
        pthread_t threads[2 * N_PAIRS];
        o7s_listener *listeners[2];
        IrmThread *irm;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &listeners[0]), 0);
        assert_int_equal(o7s_listen("ordered", 0, &listeners[1]), 0);

        for (unsigned i = 0; i < N_PAIRS; i++) {
                Side *asking = &sides[2 * i], *serving = &sides[2 * i + 1];

                *asking = (Side) { .number = i, .asks = true };
                *serving = (Side) { .number = i };
                pair_open(listeners[i % 2], i % 2 ? "ordered" : "extended", &qualities[i / 2 % ELEMENTSOF(qualities)],
                          &asking->flow, &serving->flow);
                for (unsigned k = 0; k < 2; k++) {
                        assert_int_equal(o7s_flow_set_timeout(asking->flow, (int) k, TEST_TIMEOUT_USEC), 0);
                        assert_int_equal(o7s_flow_set_timeout(serving->flow, (int) k, TEST_TIMEOUT_USEC), 0);
                }
        }

        for (unsigned i = 0; i < ELEMENTSOF(sides); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, run_side, &sides[i]), 0);
        for (unsigned i = 0; i < ELEMENTSOF(sides); i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (unsigned i = 0; i < ELEMENTSOF(sides); i++)
                assert_int_equal(sides[i].n_bad, 0);

        (void) o7s_listener_unref(listeners[0]);
        (void) o7s_listener_unref(listeners[1]);
        irm_thread_free(irm);
}

/* -- one flow, several threads -- */

static void *write_side(void *userdata) {
        Side *s = userdata;

        for (uint32_t n = 0; n < 5000 && s->n_bad == 0; n++)
                s->n_bad += o7s_flow_write(s->flow, &n, sizeof(n)) != sizeof(n);
        return NULL;
}

static void *read_side(void *userdata) {
        Side *s = userdata;
        uint32_t got[2];

        for (uint32_t n = 0; n < 5000 && s->n_bad == 0; n++)
                s->n_bad += o7s_flow_read(s->flow, got, sizeof(got)) != sizeof(n) || got[0] != n;
        return NULL;
}

/* Both directions at once: a thread reads and another writes, at each end. */
static void test_both_directions(void **state) {
        const o7s_qos data = O7S_QOS_DATA;
        o7s_flow *asking, *serving;
        pthread_t threads[4];
        o7s_listener *listener;
        Side sides[4] = {};
        IrmThread *irm;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &listener), 0);
        pair_open(listener, "extended", &data, &asking, &serving);

        for (unsigned i = 0; i < 4; i++) {
                sides[i].flow = i % 2 ? asking : serving;
                assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? write_side : read_side, &sides[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(sides[i].n_bad, 0);
        }

        (void) o7s_flow_unref(asking);
        (void) o7s_flow_unref(serving);
        (void) o7s_listener_unref(listener);
        irm_thread_free(irm);
}

static void *read_until_end(void *userdata) {
        Side *s = userdata;
        uint8_t got[100];
        ssize_t n;

        do
                n = o7s_flow_read(s->flow, got, sizeof(got));
        while (n > 0);
        s->n_bad = (unsigned) -n;
        return NULL;
}

/* Closing wakes who reads, here and there. */
static void test_close_wakes(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(qualities); i++) {
                pthread_t threads[2];
                o7s_listener *listener;
                Side sides[2] = {};
                IrmThread *irm;

                assert_int_equal(irm_thread_start(&irm), 0);
                assert_int_equal(o7s_listen("extended", 0, &listener), 0);
                pair_open(listener, "extended", &qualities[i], &sides[0].flow, &sides[1].flow);
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(pthread_create(&threads[k], NULL, read_until_end, &sides[k]), 0);

                assert_int_equal(o7s_flow_write(sides[0].flow, "x", 1), 1);
                assert_int_equal(o7s_flow_close(sides[0].flow, TEST_TIMEOUT_USEC), 0);
                for (unsigned k = 0; k < 2; k++) {
                        assert_int_equal(pthread_join(threads[k], NULL), 0);
                        assert_int_equal(sides[k].n_bad, ENOTCONN);
                        (void) o7s_flow_unref(sides[k].flow);
                }

                (void) o7s_listener_unref(listener);
                irm_thread_free(irm);
        }
}

/* -- one loop, a thousand flows -- */

typedef struct Loop {
        int epoll_fd;
        o7s_flow *flows[2 * N_LOOP];
        unsigned n_turns[2 * N_LOOP];   /* how often it was read */
        unsigned n_done;
} Loop;

#define N_TURNS 5U

static void loop_serve(Loop *l, unsigned at) {
        uint32_t got[2];
        ssize_t n;

        if (o7s_flow_events(l->flows[at]) == 0)
                return;

        while ((n = o7s_flow_read(l->flows[at], got, sizeof(got))) == sizeof(got[0])) {
                assert_int_equal(got[0], l->n_turns[at]);
                if (++l->n_turns[at] == N_TURNS)
                        l->n_done++;

                /* Even ones ask, odd ones answer. */
                if (at % 2)
                        assert_int_equal(o7s_flow_write(l->flows[at], got, sizeof(got[0])), sizeof(got[0]));
                else if (++got[0] < N_TURNS)
                        assert_int_equal(o7s_flow_write(l->flows[at], got, sizeof(got[0])), sizeof(got[0]));
        }
        assert_int_equal(n, -EAGAIN);
}

static bool files_suffice(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return false;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_max >= 8 * N_LOOP + 256;
}

static void test_thousand_in_a_loop(void **state) {
        static Loop l;
        const o7s_qos data = O7S_QOS_DATA;
        struct epoll_event found[64];
        o7s_listener *listener;
        IrmThread *irm;

        if (!files_suffice())
                skip();

        l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        assert_true(l.epoll_fd >= 0);
        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &listener), 0);

        for (unsigned i = 0; i < 2 * N_LOOP; i++) {
                struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

                if (i % 2 == 0)
                        pair_open(listener, "extended", &data, &l.flows[i], &l.flows[i + 1]);
                assert_int_equal(o7s_flow_set_timeout(l.flows[i], O7S_TIMEOUT_READ, 0), 0);
                assert_int_equal(epoll_ctl(l.epoll_fd, EPOLL_CTL_ADD, o7s_flow_fd(l.flows[i]), &event), 0);
        }

        for (unsigned i = 0; i < 2 * N_LOOP; i += 2) {
                uint32_t first = 0;

                assert_int_equal(o7s_flow_write(l.flows[i], &first, sizeof(first)), sizeof(first));
        }

        while (l.n_done < 2 * N_LOOP) {
                int n = epoll_wait(l.epoll_fd, found, ELEMENTSOF(found), 10000);

                assert_true(n > 0);
                for (int i = 0; i < n; i++)
                        loop_serve(&l, found[i].data.u32);
        }

        for (unsigned i = 0; i < 2 * N_LOOP; i++)
                (void) o7s_flow_unref(l.flows[i]);
        (void) close(l.epoll_fd);
        (void) o7s_listener_unref(listener);
        irm_thread_free(irm);
}

/* The same with a set, which takes turns among its members. */
static void test_set(void **state) {
        static Loop l;
        const o7s_qos data = O7S_QOS_DATA;
        const unsigned n_flows = 100;
        o7s_event events[16];
        o7s_listener *listener;
        IrmThread *irm;
        o7s_set *set;

        l = (Loop) { .epoll_fd = -1 };
        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &listener), 0);
        assert_int_equal(o7s_set_new(&set), 0);

        for (unsigned i = 0; i < n_flows; i++) {
                if (i % 2 == 0)
                        pair_open(listener, "extended", i % 4 ? &data : &qualities[3], &l.flows[i], &l.flows[i + 1]);
                assert_int_equal(o7s_flow_set_timeout(l.flows[i], O7S_TIMEOUT_READ, 0), 0);
                assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, l.flows[i]), 0);
        }

        for (unsigned i = 0; i < n_flows; i += 2) {
                uint32_t first = 0;

                assert_int_equal(o7s_flow_write(l.flows[i], &first, sizeof(first)), sizeof(first));
        }

        while (l.n_done < n_flows) {
                int n = o7s_set_wait(set, events, ELEMENTSOF(events), TEST_TIMEOUT_USEC);

                assert_true(n > 0);
                for (int i = 0; i < n; i++)
                        for (unsigned k = 0; k < n_flows; k++)
                                if (l.flows[k] == events[i].handle && events[i].events & O7S_READABLE)
                                        loop_serve(&l, k);
        }

        (void) o7s_set_unref(set);
        for (unsigned i = 0; i < n_flows; i++)
                (void) o7s_flow_unref(l.flows[i]);
        (void) o7s_listener_unref(listener);
        irm_thread_free(irm);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hundred_threads),
                cmocka_unit_test(test_both_directions),
                cmocka_unit_test(test_close_wakes),
                cmocka_unit_test(test_thousand_in_a_loop),
                cmocka_unit_test(test_set),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
