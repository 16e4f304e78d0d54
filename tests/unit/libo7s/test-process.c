/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happens to flows when processes fork, die, or lose their IRM. */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "basic/time.h"
#include "libo7s/channel-internal.h"
#include "libo7s/flow.h"
#include "tests/support/flow-pair.h"

/* In the child a failed check must not run the rest of the parent's tests. */
#define CHECK(condition)                                                                                          \
        do {                                                                                                      \
                if (!(condition))                                                                                 \
                        _exit(__LINE__ % 200 + 1);                                                                \
        } while (false)

static void expect_exit(pid_t child, int status) {
        int s;

        assert_int_equal(waitpid(child, &s, 0), child);
        assert_true(WIFEXITED(s));
        assert_int_equal(WEXITSTATUS(s), status);
}

static void check_inherited(FlowPair *pair, o7s_set *set) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        const void *seen;
        o7s_event event;
        o7s_flow *flow;
        o7s_msg msg;
        void *room;
        char byte = 0;
        size_t size;
        uint64_t flags;

        CHECK(o7s_flow_write(pair->asking, &byte, 1) == -ECHILD);
        CHECK(o7s_flow_read(pair->asking, &byte, 1) == -ECHILD);
        CHECK(o7s_flow_write_batch(pair->asking, &msg, 1) == -ECHILD);
        CHECK(o7s_flow_read_batch(pair->asking, &msg, 1) == -ECHILD);
        CHECK(o7s_flow_reserve(pair->asking, 1, &room) == -ECHILD);
        CHECK(o7s_flow_commit(pair->asking, 1) == -ECHILD);
        CHECK(o7s_flow_peek(pair->asking, &seen, &size) == -ECHILD);
        CHECK(o7s_flow_release(pair->asking) == -ECHILD);
        CHECK(o7s_flow_flush(pair->asking, 0) == -ECHILD);
        CHECK(o7s_flow_close(pair->asking, 0) == -ECHILD);
        CHECK(o7s_flow_fd(pair->asking) == -ECHILD);
        CHECK(o7s_flow_events(pair->asking) == -ECHILD);
        CHECK(o7s_flow_arm_write(pair->asking, true) == -ECHILD);
        CHECK(o7s_flow_set_timeout(pair->asking, O7S_TIMEOUT_READ, 0) == -ECHILD);
        CHECK(o7s_flow_set_flags(pair->asking, 0) == -ECHILD);
        CHECK(o7s_flow_get_flags(pair->asking, &flags) == -ECHILD);
        CHECK(o7s_flow_info(pair->asking, &info) == -ECHILD);
        CHECK(o7s_flow_stats(pair->asking, &stats) == -ECHILD);
        CHECK(o7s_flow_alloc_finish(pair->asking) == -ECHILD);
        CHECK(o7s_flow_accept(pair->listener, 0, &flow) == -ECHILD);
        CHECK(o7s_listener_fd(pair->listener) == -ECHILD);
        CHECK(o7s_set_wait(set, &event, 1, 0) == -ECHILD);
        CHECK(o7s_set_add(set, O7S_KIND_FLOW, pair->asking) == -ECHILD);
        CHECK(o7s_set_remove(set, pair->serving) == -ECHILD);
        CHECK(o7s_set_fd(set) == -ECHILD);
}

static void test_fork(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_set *set;
        char in[8];
        pid_t child;

        flow_pair_open(&pair, 0);
        assert_true(o7s_flow_fd(pair.asking) >= 0);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, pair.serving), 0);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                o7s_flow *flow;

                check_inherited(&pair, set);

                /* What was inherited can be let go, and leaves the parent's ends alone. */
                CHECK(o7s_set_unref(set) == NULL);
                CHECK(o7s_flow_unref(pair.asking) == NULL);
                CHECK(o7s_flow_unref(pair.serving) == NULL);
                CHECK(o7s_listener_unref(pair.listener) == NULL);

                /* New ones can be had: the listener is the parent's. */
                CHECK(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, TEST_TIMEOUT_USEC, &flow) == 0);
                CHECK(o7s_flow_write(flow, "child", 5) == 5);
                CHECK(o7s_flow_read(flow, in, sizeof(in)) == 6);
                CHECK(o7s_flow_unref(flow) == NULL);
                _exit(0);
        }

        {
                o7s_flow *served;

                assert_int_equal(o7s_flow_accept(pair.listener, TEST_TIMEOUT_USEC, &served), 0);
                assert_int_equal(o7s_flow_read(served, in, sizeof(in)), 5);
                assert_int_equal(o7s_flow_write(served, "parent", 6), 6);
                assert_int_equal(o7s_flow_read(served, in, sizeof(in)), -ENOTCONN);
                assert_int_equal(o7s_flow_events(served), O7S_DOWN);
                o7s_flow_unref(served);
        }
        expect_exit(child, 0);

        assert_int_equal(o7s_flow_write(pair.asking, "still", 5), 5);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 5);
        assert_null(o7s_set_unref(set));
}

/* A flow that was closed before the fork: its lanes were not inherited, and what the child has where they were
 * stays. */
static void test_fork_after_close(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        pid_t child;

        flow_pair_open(&pair, 0);
        assert_int_equal(o7s_flow_close(pair.asking, 0), 0);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                const Lane *lane = pair.asking->channel->own_lane;
                uint8_t *memory = (uint8_t *) lane->memory;
                size_t size = lane->size;

                CHECK(mmap(memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                           0) == memory);
                memset(memory, 7, size);
                CHECK(o7s_flow_unref(pair.asking) == NULL);
                CHECK(memory[0] == 7 && memory[size - 1] == 7);
                _exit(0);
        }
        expect_exit(child, 0);
}

/* A child that does nothing but live keeps no end of a flow open. */
static void test_fork_hides_no_end(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        int gate[2];
        pid_t child;
        char byte;

        flow_pair_open(&pair, 0);
        assert_int_equal(pipe(gate), 0);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void) close(gate[1]);
                (void) !read(gate[0], &byte, 1);
                _exit(0);
        }
        (void) close(gate[0]);

        pair.asking = o7s_flow_unref(pair.asking);
        assert_int_equal(o7s_flow_read(pair.serving, &byte, 1), -ENOTCONN);

        (void) close(gate[1]);
        expect_exit(child, 0);
}

/* Kills its process while the other side is in all kinds of calls. */
static void test_peer_dies(void **state) {
        static const struct {
                const char *name;
                bool watched;
                bool writes;
        } cases[] = {
                { "blocked in a read",       false, false },
                { "blocked in a write",      false, true },
                { "asleep in poll()",        true,  false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
                o7s_listener *listener;
                o7s_flow *flow;
                char in[8] = {};
                pid_t child;
                ssize_t r;

                print_message("%s\n", cases[i].name);
                assert_int_equal(irm_thread_start(&irm), 0);
                assert_int_equal(o7s_listen("echo", 0, &listener), 0);

                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        irm_thread_forget(irm);
                        CHECK(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, TEST_TIMEOUT_USEC, &flow) == 0);
                        CHECK(o7s_flow_write(flow, "last", 4) == 4);
                        (void) usleep(20000);
                        (void) raise(SIGKILL);
                }

                assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, &flow), 0);
                if (cases[i].writes) {
                        while ((r = o7s_flow_write(flow, in, sizeof(in))) == sizeof(in))
                                ;
                        assert_int_equal(r, -EPIPE);
                        assert_int_equal(o7s_flow_write(flow, in, sizeof(in)), -EPIPE);
                }

                /* What it wrote before can still be read. */
                assert_int_equal(o7s_flow_read(flow, in, sizeof(in)), 4);
                if (cases[i].watched) {
                        struct pollfd p = { .fd = o7s_flow_fd(flow), .events = POLLIN };

                        while (o7s_flow_events(flow) == 0)
                                assert_int_equal(poll(&p, 1, 10000), 1);
                }
                assert_int_equal(o7s_flow_read(flow, in, sizeof(in)), -ENOTCONN);
                assert_int_equal(o7s_flow_events(flow), O7S_DOWN | O7S_PEER_GONE);
                assert_int_equal(o7s_flow_write(flow, in, sizeof(in)), -EPIPE);

                o7s_flow_unref(flow);
                o7s_listener_unref(listener);
                assert_int_equal(waitpid(child, NULL, 0), child);
        }
}

/* Two processes with one thread each, every message one way, then a smaller number of turns. */
static void test_across_processes(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        o7s_listener *listener;
        o7s_flow *flow;
        unsigned got[2];
        pid_t child;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("echo", 0, &listener), 0);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                irm_thread_forget(irm);
                CHECK(o7s_flow_alloc("echo", &O7S_QOS_RAW, O7S_THIN, TEST_TIMEOUT_USEC, &flow) == 0);
                for (unsigned i = 0; i < 100000; i++)
                        CHECK(o7s_flow_write(flow, &i, sizeof(i)) == sizeof(i));
                for (unsigned i = 0; i < 2000; i++) {
                        CHECK(o7s_flow_write(flow, &i, sizeof(i)) == sizeof(i));
                        CHECK(o7s_flow_read(flow, got, sizeof(got)) == sizeof(i) && got[0] == i);
                }
                CHECK(o7s_flow_close(flow, TEST_TIMEOUT_USEC) == 0);
                _exit(0);
        }

        assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, &flow), 0);
        for (unsigned i = 0; i < 100000; i++) {
                assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), sizeof(i));
                assert_int_equal(got[0], i);
        }
        for (unsigned i = 0; i < 2000; i++) {
                assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), sizeof(i));
                assert_int_equal(o7s_flow_write(flow, got, sizeof(i)), sizeof(i));
        }
        assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), -ENOTCONN);
        expect_exit(child, 0);
        o7s_flow_unref(flow);
        o7s_listener_unref(listener);
}

/* Flows go on without the IRM; when it is back it hears of them, and names are served again. */
static void test_irm_restart(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_flow *asking, *serving;
        char in[8];

        flow_pair_open(&pair, 0);
        irm_thread_pause(pair.irm);

        assert_int_equal(o7s_flow_write(pair.asking, "alone", 5), 5);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 5);
        assert_int_equal(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, TEST_TIMEOUT_USEC, &asking), -EHOSTDOWN);
        assert_int_equal(o7s_flow_accept(pair.listener, 1000, &serving), -ETIMEDOUT);
        assert_int_equal(irm_thread_counts(pair.irm).n_messages[IRM_RESUME], 0);

        assert_int_equal(irm_thread_resume(pair.irm), 0);
        assert_int_equal(o7s_flow_accept(pair.listener, 200000, &serving), -ETIMEDOUT);
        assert_int_equal(irm_thread_counts(pair.irm).n_messages[IRM_LISTEN], 2);
        assert_int_equal(irm_thread_counts(pair.irm).n_messages[IRM_RESUME], 2);

        flow_pair_more(&pair, "echo", 0, &asking, &serving);
        assert_int_equal(o7s_flow_write(asking, "new", 3), 3);
        assert_int_equal(o7s_flow_read(serving, in, sizeof(in)), 3);
        assert_int_equal(o7s_flow_write(pair.asking, "old", 3), 3);
        assert_int_equal(o7s_flow_read(pair.serving, in, sizeof(in)), 3);
        o7s_flow_unref(asking);
        o7s_flow_unref(serving);
}

/* A descriptor of a listener whose IRM is away wakes its loop up, so that it is served again. */
static void test_irm_restart_in_a_loop(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        struct pollfd p = { .events = POLLIN };
        o7s_flow *flow;

        flow_pair_open(&pair, 0);
        p.fd = o7s_listener_fd(pair.listener);
        irm_thread_pause(pair.irm);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(poll(&p, 1, 10000), 1);
                assert_int_equal(o7s_flow_accept(pair.listener, 0, &flow), -EAGAIN);
        }

        assert_int_equal(irm_thread_resume(pair.irm), 0);
        while (irm_thread_counts(pair.irm).n_messages[IRM_LISTEN] < 2) {
                assert_int_equal(poll(&p, 1, 10000), 1);
                assert_int_equal(o7s_flow_accept(pair.listener, 0, &flow), -EAGAIN);
        }
        assert_int_equal(o7s_listener_fd(pair.listener), p.fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fork),
                cmocka_unit_test(test_fork_after_close),
                cmocka_unit_test(test_fork_hides_no_end),
                cmocka_unit_test(test_peer_dies),
                cmocka_unit_test(test_across_processes),
                cmocka_unit_test(test_irm_restart),
                cmocka_unit_test(test_irm_restart_in_a_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
