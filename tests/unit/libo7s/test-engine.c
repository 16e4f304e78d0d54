/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine by itself, and what it does for flows whose program is elsewhere. Nothing here waits for a time to pass
 * but for what the engine was asked to do by then. */

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "libo7s/engine.h"
#include "tests/support/flow-pair.h"

#define PATIENCE_USEC (10 * USEC_PER_SEC)
#define RUNNERS_MAX 64U

/* TSan ends a child of a process with threads that starts some of its own. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_END_AT_FORK true
#endif
#elif defined(__SANITIZE_THREAD__)
#define THREADS_END_AT_FORK true
#endif
#ifndef THREADS_END_AT_FORK
#define THREADS_END_AT_FORK false
#endif

/* -- the engine by itself -- */

typedef struct Runner Runner;

typedef struct Log {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        unsigned n_runs;
        unsigned order[4 * RUNNERS_MAX];
} Log;

struct Runner {
        EngineFlow flow;
        Engine *engine;
        Log *log;
        unsigned number;
        int fd;                         /* to be emptied, -1: none */
        nsec_t again;                   /* after each run; 0: not */
        bool leaves;                    /* removes itself */
};

static void runner_run(EngineFlow *flow) {
        Runner *r = container_of(flow, Runner, flow);
        Log *log = r->log;
        uint64_t count;

        if (r->fd >= 0)
                (void) !read(r->fd, &count, sizeof(count));
        if (r->again > 0)
                engine_set_due(r->engine, flow, time_now_nsec() + r->again);
        if (r->leaves)
                engine_remove(r->engine, flow);

        (void) pthread_mutex_lock(&log->mutex);
        if (log->n_runs < ELEMENTSOF(log->order))
                log->order[log->n_runs++] = r->number;
        (void) pthread_cond_broadcast(&log->changed);
        (void) pthread_mutex_unlock(&log->mutex);
}

static void log_await(Log *log, unsigned n) {
        struct timespec until;
        int r = 0;

        (void) clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += PATIENCE_USEC / USEC_PER_SEC;

        (void) pthread_mutex_lock(&log->mutex);
        while (log->n_runs < n && r == 0)
                r = pthread_cond_timedwait(&log->changed, &log->mutex, &until);
        (void) pthread_mutex_unlock(&log->mutex);
        assert_int_equal(r, 0);
}

#define LOG_INIT (Log) { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static void runner_add(Runner *r, Engine *e, Log *log, unsigned number, int fd) {
        *r = (Runner) { .flow.run = runner_run, .engine = e, .log = log, .number = number, .fd = fd };
        assert_int_equal(engine_add(e, &r->flow), 0);
}

static int new_bell(void) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        assert_true(fd >= 0);
        return fd;
}

/* Earliest first, whatever the order of asking; those that changed their mind at their last word. */
static void test_order(void **state) {
        Engine e = ENGINE_INIT;
        Log log = LOG_INIT;
        Runner runners[RUNNERS_MAX];
        nsec_t begin;

        for (unsigned i = 0; i < RUNNERS_MAX; i++)
                runner_add(&runners[i], &e, &log, i, -1);

        begin = time_now_nsec() + 20 * NSEC_PER_MSEC;
        for (unsigned i = 0; i < RUNNERS_MAX; i++) {
                unsigned at = i * 37 % RUNNERS_MAX;

                engine_set_due(&e, &runners[at].flow, begin + (RUNNERS_MAX - at) * NSEC_PER_USEC);
        }
        for (unsigned i = 0; i < RUNNERS_MAX; i++) {
                unsigned at = i * 13 % RUNNERS_MAX;

                engine_set_due(&e, &runners[at].flow, at % 8 == 0 ? NSEC_INFINITY : begin + at * NSEC_PER_USEC);
        }

        log_await(&log, RUNNERS_MAX - RUNNERS_MAX / 8);
        assert_true(time_now_nsec() >= begin);
        for (unsigned i = 0, at = 0; i < log.n_runs; i++, at++) {
                at += at % 8 == 0;
                assert_int_equal(log.order[i], at);
        }

        for (unsigned i = 0; i < RUNNERS_MAX; i++)
                engine_remove(&e, &runners[i].flow);
        assert_false(e.running);
        assert_int_equal(e.epoll_fd, -1);
        assert_int_equal(log.n_runs, RUNNERS_MAX - RUNNERS_MAX / 8);
}

static void test_rings(void **state) {
        Engine e = ENGINE_INIT;
        Log log = LOG_INIT;
        uint64_t one = 1;
        Runner r;

        runner_add(&r, &e, &log, 1, new_bell());

        for (unsigned i = 1; i <= 20; i++) {
                assert_int_equal(engine_watch(&e, &r.flow, r.fd), 0);
                assert_int_equal(write(r.fd, &one, sizeof(one)), sizeof(one));
                log_await(&log, i);
                engine_unwatch(&e, r.fd);
        }

        engine_remove(&e, &r.flow);
        (void) close(r.fd);
}

/* While it is busy with one that always wants more, others come and go, and doorbells get their turn. */
static void test_fairness(void **state) {
        Engine e = ENGINE_INIT;
        Log log = LOG_INIT;
        Runner busy, other;
        uint64_t one = 1;

        runner_add(&busy, &e, &log, 0, -1);
        busy.again = 1;
        engine_set_due(&e, &busy.flow, 1);

        runner_add(&other, &e, &log, 1, new_bell());
        assert_int_equal(engine_watch(&e, &other.flow, other.fd), 0);

        log_await(&log, 10);
        (void) pthread_mutex_lock(&log.mutex);
        log.n_runs = 0;
        (void) pthread_mutex_unlock(&log.mutex);
        assert_int_equal(write(other.fd, &one, sizeof(one)), sizeof(one));
        log_await(&log, ELEMENTSOF(log.order));

        engine_unwatch(&e, other.fd);
        engine_remove(&e, &other.flow);
        engine_remove(&e, &busy.flow);
        (void) close(other.fd);

        for (unsigned i = 0; i < ELEMENTSOF(log.order); i++)
                if (log.order[i] == 1)
                        return;
        fail_msg("the doorbell was not heard");
}

/* The last one may remove itself, from inside: then the thread ends by itself, and the next flow has another. */
static void test_ends_from_inside(void **state) {
        Engine e = ENGINE_INIT;
        Log log = LOG_INIT;
        Runner r;

        for (unsigned i = 1; i <= 50; i++) {
                runner_add(&r, &e, &log, i, -1);
                r.leaves = true;
                engine_set_due(&e, &r.flow, 1);
                log_await(&log, i);
        }

        /* Now it is to have ended; adding waits for that. */
        runner_add(&r, &e, &log, 0, -1);
        engine_remove(&e, &r.flow);
        assert_false(e.running);
}

typedef struct Churn {
        Engine *engine;
        Log *log;
        unsigned number;
} Churn;

static void *churn(void *userdata) {
        Churn *c = userdata;

        for (unsigned i = 0; i < 200; i++) {
                Runner r = { .flow.run = runner_run, .engine = c->engine, .log = c->log, .fd = -1, .again = 1000 };

                if (engine_add(c->engine, &r.flow) < 0)
                        return c;
                engine_set_due(c->engine, &r.flow, 1);
                engine_remove(c->engine, &r.flow);
        }

        return NULL;
}

/* Flows come and go on several threads, and are memory of nobody afterwards. */
static void test_churn(void **state) {
        Engine e = ENGINE_INIT;
        Log log = LOG_INIT;
        pthread_t threads[4];
        void *failed;
        Churn c = { &e, &log, 0 };

        for (unsigned i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, churn, &c), 0);
        for (unsigned i = 0; i < ELEMENTSOF(threads); i++) {
                assert_int_equal(pthread_join(threads[i], &failed), 0);
                assert_null(failed);
        }
        assert_false(e.running);
}

/* -- what it does for flows -- */

static unsigned n_threads(void) {
        DIR *tasks = opendir("/proc/self/task");
        struct dirent *entry;
        unsigned n = 0;

        assert_non_null(tasks);
        while ((entry = readdir(tasks)))
                n += entry->d_name[0] != '.';
        (void) closedir(tasks);
        return n;
}

/* A line of /proc/self/task/TID/status of the engine; false: there is none. */
static bool engine_status(const char *field, unsigned long long *ret, int base) {
        DIR *tasks = opendir("/proc/self/task");
        struct dirent *entry;
        bool found = false;

        assert_non_null(tasks);
        while (!found && (entry = readdir(tasks))) {
                char path[300], line[256];
                bool engine = false;
                FILE *f;

                (void) snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
                f = fopen(path, "re");
                while (f && fgets(line, sizeof(line), f)) {
                        engine = engine || streq(line, "Name:\to7s-engine\n");
                        if (engine && strncmp(line, field, strlen(field)) == 0) {
                                *ret = strtoull(line + strlen(field) + 1, NULL, base);
                                found = true;
                        }
                }
                if (f)
                        (void) fclose(f);
        }

        (void) closedir(tasks);
        return found;
}

typedef struct Ends {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *asking;
        o7s_flow *serving;
} Ends;

static void ends_more(o7s_listener *listener, o7s_flow **ret_asking, o7s_flow **ret_serving) {
        const o7s_qos data = O7S_QOS_DATA;

        assert_int_equal(o7s_flow_alloc_start("extended", &data, 0, TEST_TIMEOUT_USEC, ret_asking), 0);
        assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, ret_serving), 0);
        while (o7s_flow_alloc_finish(*ret_asking) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_set_timeout(*ret_asking, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
        assert_int_equal(o7s_flow_set_timeout(*ret_serving, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
}

static void ends_open(Ends *e) {
        *e = (Ends) {};
        assert_int_equal(irm_thread_start(&e->irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &e->listener), 0);
        ends_more(e->listener, &e->asking, &e->serving);
}

static void ends_close(Ends *e) {
        e->asking = o7s_flow_unref(e->asking);
        e->serving = o7s_flow_unref(e->serving);
        e->listener = o7s_listener_unref(e->listener);
        e->irm = irm_thread_free(e->irm);
}

#define _cleanup_ends_ _cleanup_(ends_close)

/* Nobody calls anything on the other end, and yet all arrives and is acknowledged. */
static void test_without_help(void **state) {
        static uint8_t data[1 << 20], got[1 << 20];
        _cleanup_ends_ Ends e;

        ends_open(&e);
        memset(data, 'x', sizeof(data));
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(o7s_flow_write(e.asking, data, sizeof(data)), sizeof(data));
        assert_int_equal(o7s_flow_flush(e.asking, TEST_TIMEOUT_USEC), 0);

        /* Each fills the buffer, so an empty part tells that it ends there. */
        for (unsigned i = 0; i < 8; i++) {
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), sizeof(got));
                assert_memory_equal(got, data, sizeof(got));
                assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 0);
        }
}

/* Flows without a handle live on until each knows that the other has heard of its end. */
static void await_no_engine(void) {
        unsigned long long blocked;

        for (usec_t end = time_now() + PATIENCE_USEC; time_now() < end && engine_status("SigBlk:", &blocked, 16);)
                (void) poll(NULL, 0, 1);
        assert_false(engine_status("SigBlk:", &blocked, 16));
}

/* One thread for all flows, no signal of the program's lands in it, and it ends with the last of them. */
static void test_thread(void **state) {
        o7s_flow *asking, *serving;
        unsigned long long blocked = 0;
        unsigned before;
        Ends e;

        await_no_engine();
        before = n_threads();
        ends_open(&e);
        ends_more(e.listener, &asking, &serving);
        assert_int_equal(n_threads(), before + 2);              /* and the IRM's */
        assert_true(engine_status("SigBlk:", &blocked, 16));
        for (int signal = 1; signal < 32; signal++)
                if (signal != SIGKILL && signal != SIGSTOP)
                        assert_true(blocked >> (signal - 1) & 1);

        (void) o7s_flow_unref(asking);
        (void) o7s_flow_unref(serving);
        e.asking = o7s_flow_unref(e.asking);
        e.serving = o7s_flow_unref(e.serving);

        await_no_engine();
        ends_close(&e);
}

/* A fifth of a second without a switch; soon it has to have one. */
static void assert_engine_sleeps(void) {
        unsigned long long before = 0, after = 1;

        for (usec_t end = time_now() + PATIENCE_USEC; before != after && time_now() < end;) {
                assert_true(engine_status("voluntary_ctxt_switches:", &before, 10));
                (void) poll(NULL, 0, 200);
                assert_true(engine_status("voluntary_ctxt_switches:", &after, 10));
        }
        assert_int_equal(before, after);
}

/* Once all is said the engine sleeps, and is not woken again. */
static void test_idle(void **state) {
        _cleanup_ends_ Ends e;
        uint8_t got[10];

        ends_open(&e);
        assert_int_equal(o7s_flow_write(e.asking, "x", 1), 1);
        assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 1);
        assert_int_equal(o7s_flow_flush(e.asking, TEST_TIMEOUT_USEC), 0);

        assert_engine_sleeps();
}

/* Nor is it for a flow that has ended, which an event loop has not got rid of. */
static void test_idle_after_the_end(void **state) {
        _cleanup_ends_ Ends e;

        ends_open(&e);
        assert_true(o7s_flow_fd(e.asking) >= 0);
        assert_int_equal(o7s_flow_close(e.serving, TEST_TIMEOUT_USEC), 0);
        for (usec_t end = time_now() + PATIENCE_USEC; !(o7s_flow_events(e.asking) & O7S_DOWN) && time_now() < end;)
                ;
        assert_true(o7s_flow_events(e.asking) & O7S_DOWN);
        assert_engine_sleeps();
}

/* The child has no engine and no flows, the parent's go on; so do new ones of the child. */
static void test_fork(void **state) {
        _cleanup_ends_ Ends e;
        uint8_t got[10];
        int status = 0;
        pid_t child;

        ends_open(&e);
        assert_int_equal(o7s_flow_write(e.asking, "before", 6), 6);

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                unsigned bad = 0;

                bad |= (unsigned) (o7s_flow_write(e.asking, "x", 1) != -ECHILD) << 0;
                bad |= (unsigned) (o7s_flow_read(e.serving, got, sizeof(got)) != -ECHILD) << 1;
                bad |= (unsigned) (o7s_flow_close(e.asking, 0) != -ECHILD) << 2;
                bad |= (unsigned) (n_threads() != 1) << 3;
                bad |= (unsigned) (o7s_flow_unref(e.asking) != NULL) << 4;
                (void) o7s_flow_unref(e.serving);
                _exit((int) bad);
        }

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);

        assert_int_equal(o7s_flow_write(e.asking, "after", 5), 5);
        assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 6);
        assert_int_equal(o7s_flow_read(e.serving, got, sizeof(got)), 5);
        assert_int_equal(o7s_flow_flush(e.asking, TEST_TIMEOUT_USEC), 0);
}

/* While other threads open and close flows, which start and end engines. */
static void test_fork_while_busy(void **state) {
        for (unsigned i = 0; i < 20; i++) {
                Ends e;
                pid_t child;
                int status = 0;

                ends_open(&e);
                assert_int_equal(o7s_flow_write(e.asking, "x", 1), 1);
                child = fork();
                if (child == 0)
                        _exit(o7s_flow_write(e.asking, "x", 1) == -ECHILD ? 0 : 1);
                assert_true(child > 0);
                ends_close(&e);
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_int_equal(status, 0);
        }
}

/* A program that writes, lets go and ends: exit() waits until it is all with the peer. */
static void test_exit(void **state) {
        static uint8_t data[1 << 20], got[1 << 20];
        o7s_listener *listener;
        o7s_flow *flow;
        IrmThread *irm;
        int status = 0;
        pid_t child;

        if (THREADS_END_AT_FORK)
                skip();

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("extended", 0, &listener), 0);
        memset(data, 'x', sizeof(data));

        (void) fflush(NULL);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                const o7s_qos qos = O7S_QOS_DATA;

                irm_thread_forget(irm);
                if (o7s_flow_alloc("extended", &qos, 0, TEST_TIMEOUT_USEC, &flow) < 0 ||
                    o7s_flow_write(flow, data, sizeof(data)) != sizeof(data) ||
                    o7s_flow_write(flow, data, sizeof(data)) != sizeof(data))
                        _exit(1);
                (void) o7s_flow_unref(flow);
                exit(0);
        }

        assert_int_equal(o7s_flow_accept(listener, TEST_TIMEOUT_USEC, &flow), 0);
        assert_int_equal(o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, TEST_TIMEOUT_USEC), 0);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), sizeof(got));
                assert_memory_equal(got, data, sizeof(got));
                assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), 0);
        }
        assert_int_equal(o7s_flow_read(flow, got, sizeof(got)), -ENOTCONN);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);

        (void) o7s_flow_unref(flow);
        (void) o7s_listener_unref(listener);
        irm_thread_free(irm);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_rings),
                cmocka_unit_test(test_fairness),
                cmocka_unit_test(test_ends_from_inside),
                cmocka_unit_test(test_churn),
                cmocka_unit_test(test_without_help),
                cmocka_unit_test(test_thread),
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_idle_after_the_end),
                cmocka_unit_test(test_fork),
                cmocka_unit_test(test_fork_while_busy),
                cmocka_unit_test(test_exit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
