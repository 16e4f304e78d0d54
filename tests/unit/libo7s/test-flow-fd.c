/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The descriptor of a flow: readable whenever there is an event, in every kind of event loop, and quiet
 * otherwise. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "basic/time.h"
#include "tests/support/flow-pair.h"

#if HAVE_LIBUV
#include <uv.h>
#endif

static bool is_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_true(poll(&p, 1, 0) >= 0);
        return p.revents & POLLIN;
}

/* A stale wake-up is allowed, one that stays is not: after a look there is silence where there is nothing. */
static void assert_quiet(o7s_flow *flow) {
        int fd = o7s_flow_fd(flow);

        assert_int_equal(o7s_flow_events(flow), 0);
        assert_false(is_readable(fd));
}

static void assert_loud(o7s_flow *flow, int events) {
        assert_true(is_readable(o7s_flow_fd(flow)));
        assert_int_equal(o7s_flow_events(flow), events);
        assert_true(is_readable(o7s_flow_fd(flow)));    /* level-triggered: looking changes nothing */
}

static void test_messages(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        char in[16];
        int fd;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_set_timeout(pair.serving, O7S_TIMEOUT_READ, 0), 0);
        fd = o7s_flow_fd(pair.serving);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(o7s_flow_fd(pair.serving), fd);
        assert_quiet(pair.serving);

        for (unsigned round = 0; round < 100; round++) {
                for (unsigned i = 0; i < 3; i++)
                        assert_int_equal(o7s_flow_write(pair.asking, "hi", 2), 2);
                assert_loud(pair.serving, O7S_READABLE);

                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 2);
                assert_loud(pair.serving, O7S_READABLE);
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 2);
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 2);
                if (round % 2)
                        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), -EAGAIN);
                assert_false(is_readable(fd));
                assert_quiet(pair.serving);
        }
}

/* What is in the lane before anybody asks for the descriptor. */
static void test_made_late(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        char in[16];

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_write(pair.asking, "hi", 2), 2);
        assert_loud(pair.serving, O7S_READABLE);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 2);
        assert_quiet(pair.serving);
}

/* Whoever looks and does not read is told again, also when the doorbell was emptied by a writer who looked for the
 * end. */
static void test_look_without_reading(void **state) {
        const struct timespec tick = { .tv_nsec = 10 * USEC_PER_MSEC * NSEC_PER_USEC };
        _cleanup_flow_pair_ FlowPair pair;
        char in[16];

        flow_pair_open(&pair, 0);
        assert_quiet(pair.serving);

        for (unsigned round = 0; round < 3; round++) {
                assert_int_equal(o7s_flow_write(pair.asking, "hi", 2), 2);
                assert_loud(pair.serving, O7S_READABLE);
                assert_loud(pair.serving, O7S_READABLE);

                (void) nanosleep(&tick, NULL);                  /* a writer looks once in a while */
                assert_int_equal(o7s_flow_write(pair.serving, "ho", 2), 2);
                assert_loud(pair.serving, O7S_READABLE);
                assert_loud(pair.serving, O7S_READABLE);

                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 2);
                assert_quiet(pair.serving);
        }
}

static void test_parts_and_places(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        const void *seen;
        char in[2];
        size_t size;

        flow_pair_open(&pair, 0);
        assert_quiet(pair.serving);

        assert_int_equal(o7s_flow_write(pair.asking, "1234", 4), 4);
        assert_int_equal(o7s_flow_read(pair.serving, in, 2), 2);
        assert_loud(pair.serving, O7S_READABLE);
        assert_int_equal(o7s_flow_read(pair.serving, in, 2), 2);
        assert_loud(pair.serving, O7S_READABLE);                /* its end is still to be told */
        assert_int_equal(o7s_flow_read(pair.serving, in, 2), 0);
        assert_quiet(pair.serving);

        assert_int_equal(o7s_flow_write(pair.asking, "1234", 4), 4);
        assert_int_equal(o7s_flow_peek(pair.serving, &seen, &size), 0);
        assert_loud(pair.serving, O7S_READABLE);
        assert_int_equal(o7s_flow_release(pair.serving), 0);
        assert_quiet(pair.serving);
}

static void test_pending(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_flow *flow, *served;
        struct pollfd p;
        int fd;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_alloc_start("echo", &O7S_QOS_RAW, 0, O7S_FOREVER, &flow), 0);
        fd = o7s_flow_fd(flow);
        assert_quiet(flow);

        assert_int_equal(o7s_flow_accept(pair.listener, TEST_TIMEOUT_USEC, &served), 0);
        p = (struct pollfd) { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_loud(flow, O7S_UP);
        assert_int_equal(o7s_flow_alloc_finish(flow), 0);
        assert_int_equal(o7s_flow_fd(flow), fd);
        assert_quiet(flow);

        assert_int_equal(o7s_flow_write(served, "hi", 2), 2);
        assert_loud(flow, O7S_READABLE);
        o7s_flow_unref(flow);
        o7s_flow_unref(served);

        assert_int_equal(o7s_flow_alloc_start("refused", &O7S_QOS_RAW, 0, O7S_FOREVER, &flow), 0);
        p.fd = o7s_flow_fd(flow);
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_loud(flow, O7S_UP | O7S_DOWN);
        assert_int_equal(o7s_flow_alloc_finish(flow), -ECONNREFUSED);
        assert_int_equal(o7s_flow_alloc_finish(flow), -ECONNREFUSED);
        o7s_flow_unref(flow);
}

static void test_writable(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        char in[2];

        flow_pair_open(&pair, O7S_THIN);
        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_WRITE, 0), 0);
        assert_quiet(pair.asking);

        assert_int_equal(o7s_flow_arm_write(pair.asking, true), 0);
        assert_loud(pair.asking, O7S_WRITABLE);

        for (unsigned i = 0; i < 16; i++)
                assert_int_equal(o7s_flow_write(pair.asking, "x", 1), 1);
        assert_int_equal(o7s_flow_write(pair.asking, "x", 1), -EAGAIN);
        assert_quiet(pair.asking);

        for (unsigned i = 0; i < 16; i++)
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
        assert_loud(pair.asking, O7S_WRITABLE);

        assert_int_equal(o7s_flow_arm_write(pair.asking, false), 0);
        assert_quiet(pair.asking);
}

static void test_end(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        char in[16];

        flow_pair_open(&pair, 0);
        assert_quiet(pair.serving);

        assert_int_equal(o7s_flow_write(pair.asking, "last", 4), 4);
        pair.asking = o7s_flow_unref(pair.asking);

        assert_true(is_readable(o7s_flow_fd(pair.serving)));
        assert_true(o7s_flow_events(pair.serving) & O7S_READABLE);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 4);
        assert_loud(pair.serving, O7S_DOWN);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), -ENOTCONN);
        assert_loud(pair.serving, O7S_DOWN);
}

/* A thread that blocks in writes takes rings off the doorbell that are meant for the event loop. */
static void *write_all(void *userdata) {
        for (unsigned i = 0; i < 20000; i++)
                if (o7s_flow_write(userdata, &i, sizeof(i)) != sizeof(i))
                        return userdata;

        return NULL;
}

static void *echo_all(void *userdata) {
        for (unsigned i = 0; i < 20000; i++) {
                unsigned got[2];

                if (o7s_flow_read(userdata, got, sizeof(got)) != sizeof(i) ||
                    o7s_flow_write(userdata, got, sizeof(i)) != sizeof(i))
                        return userdata;
        }

        return NULL;
}

static void test_beside_a_blocking_writer(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        pthread_t writer, echo;
        struct pollfd p;
        void *failed;

        flow_pair_open(&pair, O7S_THIN);
        assert_int_equal(o7s_flow_set_timeout(pair.asking, O7S_TIMEOUT_READ, 0), 0);
        p = (struct pollfd) { .fd = o7s_flow_fd(pair.asking), .events = POLLIN };

        assert_int_equal(pthread_create(&writer, NULL, write_all, pair.asking), 0);
        assert_int_equal(pthread_create(&echo, NULL, echo_all, pair.serving), 0);

        for (unsigned i = 0; i < 20000;) {
                unsigned got[2];
                ssize_t n;

                n = o7s_flow_read(pair.asking, got, sizeof(got));
                if (n == -EAGAIN) {
                        assert_int_equal(poll(&p, 1, 10000), 1);
                        continue;
                }
                assert_int_equal(n, sizeof(i));
                assert_int_equal(got[0], i++);
        }

        assert_int_equal(pthread_join(writer, &failed), 0);
        assert_null(failed);
        assert_int_equal(pthread_join(echo, &failed), 0);
        assert_null(failed);
}

static void test_epoll(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        _cleanup_close_ int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = { .events = EPOLLIN }, found;
        char in[16];

        flow_pair_open(&pair, 0);
        assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, o7s_flow_fd(pair.serving), &event), 0);
        assert_quiet(pair.serving);
        assert_int_equal(epoll_wait(epoll_fd, &found, 1, 0), 0);

        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(o7s_flow_write(pair.asking, "a", 1), 1);
                assert_int_equal(o7s_flow_write(pair.asking, "b", 1), 1);
                assert_int_equal(epoll_wait(epoll_fd, &found, 1, 10000), 1);
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
                assert_int_equal(epoll_wait(epoll_fd, &found, 1, 0), 1);
                assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 1);
                assert_int_equal(epoll_wait(epoll_fd, &found, 1, 0), 0);
        }
}

/* What all loops below do: read one message per wake-up, so that levels matter, until the flow ends. */
typedef struct Counter {
        o7s_flow *flow;
        unsigned n_messages;
        bool down;
} Counter;

#define N_MESSAGES 1000U

static void counter_look(Counter *c) {
        int events = o7s_flow_events(c->flow);
        unsigned got[2];

        if (events & O7S_READABLE) {
                assert_int_equal(o7s_flow_read(c->flow, got, sizeof(got)), sizeof(unsigned));
                assert_int_equal(got[0], c->n_messages++);
        } else if (events & O7S_DOWN) {
                c->down = true;
        }
}

static void *write_and_end(void *userdata) {
        for (unsigned i = 0; i < N_MESSAGES; i++) {
                assert(o7s_flow_write(userdata, &i, sizeof(i)) == sizeof(i));
                if (i % 100 == 0)
                        (void) usleep(1000);            /* so that the loop sleeps, too */
        }

        return o7s_flow_unref(userdata);
}

static int on_sd_event(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Counter *c = userdata;

        counter_look(c);
        return c->down ? sd_event_exit(sd_event_source_get_event(source), 0) : 0;
}

static void test_sd_event(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        sd_event *event = NULL;
        pthread_t writer;
        Counter counter;

        flow_pair_open(&pair, 0);
        counter = (Counter) { .flow = pair.serving };
        assert_int_equal(sd_event_new(&event), 0);
        assert_true(sd_event_add_io(event, NULL, o7s_flow_fd(pair.serving), EPOLLIN, on_sd_event, &counter) >= 0);

        assert_int_equal(pthread_create(&writer, NULL, write_and_end, TAKE_PTR(pair.asking)), 0);
        assert_int_equal(sd_event_loop(event), 0);
        assert_int_equal(counter.n_messages, N_MESSAGES);

        assert_int_equal(pthread_join(writer, NULL), 0);
        sd_event_unref(event);
}

#if HAVE_LIBUV
static void on_uv(uv_poll_t *handle, int status, int events) {
        Counter *c = handle->data;

        assert_int_equal(status, 0);
        counter_look(c);
        if (c->down)
                uv_close((uv_handle_t *) handle, NULL);
}

static void test_libuv(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        pthread_t writer;
        Counter counter;
        uv_poll_t handle;
        uv_loop_t loop;

        flow_pair_open(&pair, 0);
        counter = (Counter) { .flow = pair.serving };
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(uv_poll_init(&loop, &handle, o7s_flow_fd(pair.serving)), 0);
        handle.data = &counter;
        assert_int_equal(uv_poll_start(&handle, UV_READABLE, on_uv), 0);

        assert_int_equal(pthread_create(&writer, NULL, write_and_end, TAKE_PTR(pair.asking)), 0);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(counter.n_messages, N_MESSAGES);

        assert_int_equal(pthread_join(writer, NULL), 0);
        assert_int_equal(uv_loop_close(&loop), 0);
}
#endif

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_made_late),
                cmocka_unit_test(test_look_without_reading),
                cmocka_unit_test(test_parts_and_places),
                cmocka_unit_test(test_pending),
                cmocka_unit_test(test_writable),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_beside_a_blocking_writer),
                cmocka_unit_test(test_epoll),
                cmocka_unit_test(test_sd_event),
#if HAVE_LIBUV
                cmocka_unit_test(test_libuv),
#endif
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
