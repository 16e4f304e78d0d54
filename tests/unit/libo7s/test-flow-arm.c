/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Programs that have no place for what arrives: O7S_READABLE is masked, in a set and at the descriptor, and with it
 * nothing else; and it is there again once they ask for it. Over each kind of flow. */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "basic/time.h"
#include "tests/support/flow-pair.h"

#define A_WHILE_USEC (50 * USEC_PER_MSEC)

static const struct {
        const char *label;
        const char *name;
        o7s_qos qos;
} kinds[] = {
        { "raw",                           "echo",     O7S_QOS_RAW         },
        { "data, one host",                "echo",     O7S_QOS_DATA        },
        { "data, extended",                "extended", O7S_QOS_DATA        },
        { "best effort, extended",         "extended", O7S_QOS_BEST_EFFORT },
        { "data, 0.23.0",                  "ordered",  O7S_QOS_DATA        },
        { "raw but checked",               "ordered",  O7S_QOS_RAW_SAFE    },
};

typedef struct Test {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *asking;
        o7s_flow *serving;              /* whose events are masked */
        o7s_set *set;                   /* NULL: the descriptor is waited for */
} Test;

static void test_open(Test *t, size_t kind, bool in_set) {
        const o7s_qos *qos = &kinds[kind].qos;

        print_message("%s, %s\n", kinds[kind].label, in_set ? "set" : "descriptor");
        *t = (Test) {};
        assert_int_equal(irm_thread_start(&t->irm), 0);
        assert_int_equal(o7s_listen(kinds[kind].name, 0, &t->listener), 0);
        assert_int_equal(o7s_flow_alloc_start(kinds[kind].name, qos, 0, TEST_TIMEOUT_USEC, &t->asking), 0);
        assert_int_equal(o7s_flow_arm_read(t->asking, false), -EINPROGRESS);
        assert_int_equal(o7s_flow_accept(t->listener, TEST_TIMEOUT_USEC, &t->serving), 0);
        while (o7s_flow_alloc_finish(t->asking) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_set_timeout(t->serving, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);

        if (in_set) {
                assert_int_equal(o7s_set_new(&t->set), 0);
                assert_int_equal(o7s_set_add(t->set, O7S_KIND_FLOW, t->serving), 0);
        } else {
                assert_true(o7s_flow_fd(t->serving) >= 0);
        }
}

static void test_close(Test *t) {
        t->set = o7s_set_unref(t->set);
        t->asking = o7s_flow_unref(t->asking);
        t->serving = o7s_flow_unref(t->serving);
        t->listener = o7s_listener_unref(t->listener);
        t->irm = irm_thread_free(t->irm);
}

#define _cleanup_test_ _cleanup_(test_close)

/* Waits once. What is found out about the path is not what this is about. */
static uint32_t wait_once(Test *t, usec_t timeout) {
        struct pollfd p = { .events = POLLIN };
        o7s_event event = {};
        int n;

        if (t->set) {
                n = o7s_set_wait(t->set, &event, 1, timeout);
                assert_true(n == 1 || n == -ETIMEDOUT);
                return event.events & ~O7S_CHANGED;
        }

        p.fd = o7s_flow_fd(t->serving);
        assert_true(poll(&p, 1, (int) (timeout / USEC_PER_MSEC)) >= 0);
        return p.revents ? (uint32_t) o7s_flow_events(t->serving) & ~O7S_CHANGED : 0;
}

/* Waits for just these events; others may come first where they are among them. */
static void expect_events(Test *t, uint32_t events) {
        usec_t deadline = usec_add(time_now(), TEST_TIMEOUT_USEC);
        uint32_t seen;

        while ((seen = wait_once(t, TEST_TIMEOUT_USEC)) != events) {
                assert_true(time_now() < deadline);
                assert_int_equal(seen & ~events, 0);
        }
}

static nsec_t cpu_time(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

/* For a while there is nothing, and nobody is busy finding that out. */
static void expect_none(Test *t) {
        usec_t end = usec_add(time_now(), A_WHILE_USEC);
        nsec_t before = cpu_time();

        while (time_now() < end)
                assert_int_equal(wait_once(t, A_WHILE_USEC), 0);
        assert_true(cpu_time() - before < A_WHILE_USEC * NSEC_PER_USEC / 2);
}

static void expect_message(Test *t, const char *message) {
        char got[16];

        assert_int_equal(o7s_flow_read(t->serving, got, sizeof(got)), strlen(message));
        assert_memory_equal(got, message, strlen(message));
}

static void say(Test *t, const char *message) {
        assert_int_equal(o7s_flow_write(t->asking, message, strlen(message)), strlen(message));
}

static void test_masked(void **state) {
        for (size_t i = 0; i < 2 * ELEMENTSOF(kinds); i++) {
                _cleanup_test_ Test t;

                test_open(&t, i / 2, i % 2);
                assert_int_equal(o7s_flow_arm_read(t.serving, false), 0);
                say(&t, "one");
                say(&t, "two");
                expect_none(&t);

                assert_int_equal(o7s_flow_arm_read(t.serving, true), 0);
                expect_events(&t, O7S_READABLE);
                expect_message(&t, "one");
                expect_events(&t, O7S_READABLE);

                /* With a message left, and one that comes now; reads find them all the same. */
                assert_int_equal(o7s_flow_arm_read(t.serving, false), 0);
                say(&t, "three");
                expect_none(&t);
                expect_message(&t, "two");
                expect_none(&t);
                expect_message(&t, "three");

                /* With nothing left, and the next message after that. */
                assert_int_equal(o7s_flow_arm_read(t.serving, true), 0);
                expect_none(&t);
                say(&t, "four");
                expect_events(&t, O7S_READABLE);
                expect_message(&t, "four");
                expect_none(&t);
        }
}

/* The other events come, and come without it. */
static void test_others(void **state) {
        for (size_t i = 0; i < 2 * ELEMENTSOF(kinds); i++) {
                _cleanup_test_ Test t;

                test_open(&t, i / 2, i % 2);
                assert_int_equal(o7s_flow_arm_read(t.serving, false), 0);
                say(&t, "last");
                expect_none(&t);

                assert_int_equal(o7s_flow_arm_write(t.serving, true), 0);
                expect_events(&t, O7S_WRITABLE);
                assert_int_equal(o7s_flow_arm_write(t.serving, false), 0);
                expect_none(&t);

                t.asking = o7s_flow_unref(t.asking);
                expect_events(&t, O7S_DOWN);
                assert_int_equal(o7s_flow_arm_read(t.serving, true), 0);
                expect_events(&t, O7S_READABLE | O7S_DOWN);
                expect_message(&t, "last");
                expect_events(&t, O7S_DOWN);

                (void) o7s_flow_close(t.serving, 0);
                assert_int_equal(o7s_flow_arm_read(t.serving, false), -ENOTCONN);
        }
}

static void test_nothing(void **state) {
        assert_int_equal(o7s_flow_arm_read(NULL, false), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_masked),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
