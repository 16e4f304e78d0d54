/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting on many flows and listeners. */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/support/flow-pair.h"

#define N_FLOWS 100U

static void test_members(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_set *set, *other;
        o7s_event event;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_new(&other), 0);

        assert_int_equal(o7s_set_add(set, 7, pair.serving), -EINVAL);
        assert_int_equal(o7s_set_remove(set, pair.serving), -ENOENT);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, pair.serving), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, pair.serving), -EEXIST);
        assert_int_equal(o7s_set_add(other, O7S_KIND_FLOW, pair.serving), -EEXIST);
        assert_int_equal(o7s_set_remove(other, pair.serving), -ENOENT);
        assert_int_equal(o7s_set_add(set, O7S_KIND_LISTENER, pair.listener), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_LISTENER, pair.listener), -EEXIST);

        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);
        assert_int_equal(o7s_set_wait(set, &event, 1, 1000), -ETIMEDOUT);
        assert_int_equal(o7s_set_wait(set, &event, 0, 0), -EINVAL);

        /* Once removed, another may have it; the set held a reference. */
        assert_int_equal(o7s_set_remove(set, pair.serving), 0);
        assert_int_equal(o7s_set_add(other, O7S_KIND_FLOW, pair.serving), 0);
        assert_int_equal(o7s_flow_write(pair.asking, "hi", 2), 2);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);
        assert_int_equal(o7s_set_wait(other, &event, 1, 0), 1);
        assert_ptr_equal(event.handle, pair.serving);
        assert_int_equal(event.kind, O7S_KIND_FLOW);
        assert_int_equal(event.events, O7S_READABLE);

        assert_null(o7s_set_unref(set));
        assert_null(o7s_set_unref(other));
        assert_null(o7s_set_unref(NULL));
}

/* Messages that were there before, that are left over, that come later; and the end. */
static void test_levels(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_event event;
        o7s_set *set;
        char in[8];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(o7s_flow_write(pair.asking, "b", 1), 1);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, pair.serving), 0);

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(o7s_set_wait(set, &event, 1, 0), 1);
                assert_int_equal(o7s_set_wait(set, &event, 1, 0), 1);
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        }
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);

        /* Read without being asked to: what is left is still found. */
        assert_int_equal(o7s_flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(o7s_flow_write(pair.asking, "b", 1), 1);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), 1);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);

        pair.asking = o7s_flow_unref(pair.asking);
        assert_int_equal(o7s_set_wait(set, &event, 1, TEST_TIMEOUT_USEC), 1);
        assert_int_equal(event.events, O7S_DOWN);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), 1);
        assert_int_equal(o7s_set_remove(set, pair.serving), 0);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);
        assert_null(o7s_set_unref(set));
}

static bool is_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_true(poll(&p, 1, 0) >= 0);
        return p.revents & POLLIN;
}

static void test_descriptor(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_event event;
        o7s_set *set;
        char in[8];
        int fd;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, pair.serving), 0);
        fd = o7s_set_fd(set);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);
        assert_false(is_readable(fd));

        assert_int_equal(o7s_flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(o7s_flow_write(pair.asking, "b", 1), 1);
        assert_true(is_readable(fd));
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), 1);
        assert_true(is_readable(fd));
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        assert_true(is_readable(fd));
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);
        assert_false(is_readable(fd));
        assert_null(o7s_set_unref(set));
}

typedef struct Crowd {
        FlowPair pair;
        o7s_flow *asking[N_FLOWS];
        o7s_flow *serving[N_FLOWS];
        o7s_set *set;
} Crowd;

static void crowd_open(Crowd *c) {
        flow_pair_open(&c->pair, 0);
        assert_int_equal(o7s_set_new(&c->set), 0);
        for (unsigned i = 0; i < N_FLOWS; i++) {
                flow_pair_more(&c->pair, "echo", O7S_THIN, &c->asking[i], &c->serving[i]);
                assert_int_equal(o7s_set_add(c->set, O7S_KIND_FLOW, c->serving[i]), 0);
                assert_int_equal(o7s_flow_set_timeout(c->serving[i], O7S_TIMEOUT_READ, 0), 0);
        }
}

static void crowd_close(Crowd *c) {
        c->set = o7s_set_unref(c->set);
        for (unsigned i = 0; i < N_FLOWS; i++) {
                o7s_flow_unref(c->asking[i]);
                o7s_flow_unref(c->serving[i]);
        }
        flow_pair_close(&c->pair);
}

/* All have a message, events are taken seven at a time: everybody's turn comes before anybody's second. */
static void test_turns(void **state) {
        _cleanup_(crowd_close) Crowd crowd;
        unsigned seen[N_FLOWS] = {};
        o7s_event events[7];

        crowd_open(&crowd);
        for (unsigned i = 0; i < N_FLOWS; i++)
                assert_int_equal(o7s_flow_write(crowd.asking[i], &i, sizeof(i)), sizeof(i));

        for (unsigned turns = 0; turns < 3 * N_FLOWS;) {
                int n = o7s_set_wait(crowd.set, events, 7, 0);

                assert_true(n > 0);
                for (int k = 0; k < n; k++, turns++)
                        for (unsigned i = 0; i < N_FLOWS; i++)
                                if (events[k].handle == crowd.serving[i]) {
                                        assert_in_range(seen[i], turns / N_FLOWS > 0 ? turns / N_FLOWS - 1 : 0,
                                                        turns / N_FLOWS + 1);
                                        seen[i]++;
                                }
        }

        for (unsigned i = 0; i < N_FLOWS; i++)
                assert_in_range(seen[i], 2, 4);
}

#define ROUNDS 200U

static void *crowd_write(void *userdata) {
        Crowd *c = userdata;

        for (unsigned round = 0; round < ROUNDS; round++)
                for (unsigned i = 0; i < N_FLOWS; i++)
                        if (o7s_flow_write(c->asking[i], &round, sizeof(round)) != sizeof(round))
                                return c;

        return NULL;
}

static void test_hundred_flows(void **state) {
        _cleanup_(crowd_close) Crowd crowd;
        unsigned next[N_FLOWS] = {}, total = 0;
        o7s_event events[16];
        pthread_t writer;
        void *failed;

        crowd_open(&crowd);
        assert_int_equal(pthread_create(&writer, NULL, crowd_write, &crowd), 0);

        while (total < ROUNDS * N_FLOWS) {
                int n = o7s_set_wait(crowd.set, events, 16, TEST_TIMEOUT_USEC);

                assert_true(n > 0);
                for (int k = 0; k < n; k++) {
                        unsigned i, got[2];

                        for (i = 0; crowd.serving[i] != events[k].handle; i++)
                                ;
                        assert_int_equal(events[k].events, O7S_READABLE);
                        assert_int_equal(o7s_flow_read(crowd.serving[i], got, sizeof(got)), sizeof(unsigned));
                        assert_int_equal(got[0], next[i]++);
                        total++;
                }
        }

        assert_int_equal(pthread_join(writer, &failed), 0);
        assert_null(failed);
        assert_int_equal(o7s_set_wait(crowd.set, events, 16, 0), -EAGAIN);
}

/* A listener and pending flows in one set: a whole server and its client in one loop. */
static void test_one_loop(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        unsigned n_up = 0, n_accepted = 0;
        o7s_flow *asking[20], *serving[20];
        o7s_set *set;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_LISTENER, pair.listener), 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(o7s_flow_alloc_start("echo", &O7S_QOS_RAW, O7S_THIN, O7S_FOREVER, &asking[i]), 0);
                assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, asking[i]), 0);
        }

        while (n_up < 20 || n_accepted < 20) {
                o7s_event event;

                assert_int_equal(o7s_set_wait(set, &event, 1, TEST_TIMEOUT_USEC), 1);
                if (event.kind == O7S_KIND_LISTENER) {
                        assert_int_equal(event.events, O7S_READABLE);
                        assert_int_equal(o7s_flow_accept(pair.listener, 0, &serving[n_accepted++]), 0);
                } else {
                        assert_int_equal(event.events, O7S_UP);
                        assert_int_equal(o7s_flow_alloc_finish(event.handle), 0);
                        n_up++;
                }
        }

        for (unsigned i = 0; i < 20; i++) {
                o7s_flow_unref(asking[i]);      /* the set has another */
                o7s_flow_unref(serving[i]);
        }
        assert_null(o7s_set_unref(set));
}

/* Members come and go while another thread waits. */
static void *come_and_go(void *userdata) {
        Crowd *c = userdata;

        for (unsigned i = 0; i < 2000; i++) {
                o7s_flow *flow = c->serving[i % N_FLOWS];

                if (o7s_set_remove(c->set, flow) < 0 || o7s_set_add(c->set, O7S_KIND_FLOW, flow) < 0)
                        return c;
        }

        return NULL;
}

static void test_come_and_go(void **state) {
        _cleanup_(crowd_close) Crowd crowd;
        o7s_event events[16];
        pthread_t thread;
        void *failed;

        crowd_open(&crowd);
        for (unsigned i = 0; i < N_FLOWS; i += 2)
                assert_int_equal(o7s_flow_write(crowd.asking[i], &i, sizeof(i)), sizeof(i));

        assert_int_equal(pthread_create(&thread, NULL, come_and_go, &crowd), 0);
        for (unsigned i = 0; i < 1000; i++) {
                int n = o7s_set_wait(crowd.set, events, 16, TEST_TIMEOUT_USEC);

                assert_true(n > 0);
                for (int k = 0; k < n; k++)
                        assert_int_equal(events[k].events, O7S_READABLE);
        }
        assert_int_equal(pthread_join(thread, &failed), 0);
        assert_null(failed);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_members),
                cmocka_unit_test(test_levels),
                cmocka_unit_test(test_descriptor),
                cmocka_unit_test(test_turns),
                cmocka_unit_test(test_hundred_flows),
                cmocka_unit_test(test_one_loop),
                cmocka_unit_test(test_come_and_go),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
