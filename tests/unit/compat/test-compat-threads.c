/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls that meet others: several threads on one flow, a flow that is deallocated or a thread that is cancelled while
 * it waits, a peer that dies, and forks. Nothing here depends on who comes first.
 */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/unit/compat/compat-pair.h"

#define N_MESSAGES 4000U
#define N_THREADS 4U

typedef struct Worker {
        pthread_t thread;
        int fd;
        ssize_t result;
        unsigned n_done;
        fset_t *set;
        fqueue_t *fq;
} Worker;

static void worker_start(Worker *w, void *(*function)(void *userdata), int fd) {
        *w = (Worker) { .fd = fd };
        assert_int_equal(pthread_create(&w->thread, NULL, function, w), 0);
}

static void worker_join(Worker *w) {
        assert_int_equal(pthread_join(w->thread, NULL), 0);
}

static void *read_once(void *userdata) {
        Worker *w = userdata;
        char in[8];

        w->result = flow_read(w->fd, in, sizeof(in));
        return NULL;
}

static void *write_until_error(void *userdata) {
        Worker *w = userdata;

        do
                w->result = flow_write(w->fd, "stuffing", 8);
        while (w->result == 8);
        return NULL;
}

static void test_dealloc_while_waiting(void **state) {
        CompatPair pair;
        Worker reader, writer;

        compat_pair_open(&pair, NULL);
        worker_start(&reader, read_once, pair.asking);
        worker_start(&writer, write_until_error, pair.asking);
        assert_int_equal(flow_dealloc(pair.asking), 0);
        worker_join(&reader);
        worker_join(&writer);
        assert_int_equal(reader.result, -ENOTALLOC);
        assert_int_equal(writer.result, -ENOTALLOC);

        pair.asking = -1;
        compat_pair_close(&pair);
}

/* Marking a flow down ends a read that waits, and taking that back is good for the next one. */
static void test_down_while_waiting(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        Worker reader;

        compat_pair_open(&pair, NULL);
        for (unsigned i = 0; i < 3; i++) {
                worker_start(&reader, read_once, pair.asking);
                (void) poll(NULL, 0, 5);        /* nearly always it waits by now */
                assert_int_equal(fccntl(pair.asking, FLOWSFLAGS, FLOWFDEFAULT | FLOWFDOWN), 0);
                worker_join(&reader);
                assert_int_equal(reader.result, -EFLOWDOWN);

                assert_int_equal(fccntl(pair.asking, FLOWSFLAGS, FLOWFDEFAULT), 0);
                worker_start(&reader, read_once, pair.asking);
                assert_int_equal(flow_write(pair.serving, "up", 2), 2);
                worker_join(&reader);
                assert_int_equal(reader.result, 2);
        }
}

/* A full flow whose other side goes while a write waits for it. Returns: what the write says. */
static ssize_t write_and_lose(const struct timespec *timeout) {
        size_t queued = 0;
        CompatPair pair;
        Worker writer;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fccntl(pair.asking, FLOWSSNDTIMEO, timeout), 0);
        assert_int_equal(fccntl(pair.asking, FLOWSFLAGS, FLOWFDEFAULT | FLOWFNONBLOCK), 0);
        while (flow_write(pair.asking, "stuffing", 8) == 8)
                ;
        assert_int_equal(fccntl(pair.asking, FLOWGTXQLEN, &queued), 0);
        assert_true(queued > 0);
        assert_int_equal(fccntl(pair.asking, FLOWSFLAGS, FLOWFDEFAULT), 0);

        worker_start(&writer, write_until_error, pair.asking);
        (void) poll(NULL, 0, 5);        /* nearly always it waits by now */
        assert_int_equal(flow_dealloc(pair.serving), 0);
        worker_join(&writer);

        pair.serving = -1;
        compat_pair_close(&pair);
        return writer.result;
}

/* With a time-out that is a reset. A write that comes too late to wait finds the flow down. */
static void test_reset(void **state) {
        ssize_t result = -EFLOWDOWN;

        for (unsigned i = 0; result == -EFLOWDOWN && i < 100; i++)
                result = write_and_lose(&long_time);
        assert_int_equal(result, -ECONNRESET);
        assert_int_equal(write_and_lose(NULL), -EFLOWDOWN);
}

static void *read_many(void *userdata) {
        Worker *w = userdata;
        char in[8];

        while ((w->result = flow_read(w->fd, in, sizeof(in))) == 4)
                w->n_done++;
        return NULL;
}

static void *write_many(void *userdata) {
        Worker *w = userdata;

        for (w->n_done = 0; w->n_done < N_MESSAGES; w->n_done++) {
                w->result = flow_write(w->fd, "four", 4);
                if (w->result != 4)
                        break;
        }
        return NULL;
}

/* Many at both ends of one flow. */
static void test_shared_flow(void **state) {
        Worker readers[N_THREADS], writers[N_THREADS];
        CompatPair pair;
        unsigned n_read = 0;

        compat_pair_open(&pair, NULL);
        for (unsigned i = 0; i < N_THREADS; i++) {
                worker_start(&readers[i], read_many, pair.serving);
                worker_start(&writers[i], write_many, pair.asking);
        }
        for (unsigned i = 0; i < N_THREADS; i++) {
                worker_join(&writers[i]);
                assert_int_equal(writers[i].n_done, N_MESSAGES);
        }
        assert_int_equal(flow_dealloc(pair.asking), 0);
        for (unsigned i = 0; i < N_THREADS; i++) {
                worker_join(&readers[i]);
                assert_int_equal(readers[i].result, -EFLOWDOWN);
                n_read += readers[i].n_done;
        }
        assert_int_equal(n_read, N_THREADS * N_MESSAGES);

        pair.asking = -1;
        compat_pair_close(&pair);
}

/* -- cancelling -- */

static void *accept_for_ever(void *userdata) {
        Worker *w = userdata;

        w->result = flow_accept(NULL, NULL);
        return NULL;
}

static void *wait_for_ever(void *userdata) {
        Worker *w = userdata;

        w->fq = fqueue_create();
        w->set = fset_create();
        (void) fset_add(w->set, w->fd);
        w->result = fevent(w->set, w->fq, NULL);
        return NULL;
}

static void *alloc_for_ever(void *userdata) {
        Worker *w = userdata;

        w->result = flow_alloc("silent", NULL, NULL);
        return NULL;
}

/* A thread that waits can be cancelled, and what it waited on is as good as before. */
static void test_cancel(void **state) {
        static const struct {
                const char *name;
                void *(*function)(void *userdata);
        } cases[] = {
                { "read",   read_once },
                { "write",  write_until_error },
                { "accept", accept_for_ever },
                { "event",  wait_for_ever },
                { "alloc",  alloc_for_ever },
        };
        CompatPair pair;

        compat_pair_open(&pair, NULL);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Worker w;
                void *end;

                print_message("%s\n", cases[i].name);
                worker_start(&w, cases[i].function, pair.asking);
                (void) poll(NULL, 0, 5);        /* before or in the middle: both have to work */
                assert_int_equal(pthread_cancel(w.thread), 0);
                assert_int_equal(pthread_join(w.thread, &end), 0);
                assert_ptr_equal(end, PTHREAD_CANCELED);
                fset_destroy(w.set);
                fqueue_destroy(w.fq);
        }

        assert_int_equal(flow_write(pair.serving, "back", 4), 4);
        assert_int_equal(flow_read(pair.asking, (char[4]) {}, 4), 4);
        compat_pair_close(&pair);
}

/* -- other processes -- */

/* A child that asks for a flow and ends without a word. */
static pid_t fork_peer(IrmThread *irm) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                int fd;

                irm_thread_forget(irm);
                fd = flow_alloc("echo", NULL, &long_time);
                if (fd != 64 || flow_write(fd, "hi", 2) != 2)   /* the first number again: what was inherited is gone */
                        _exit(1);
                (void) raise(SIGKILL);
        }

        return pid;
}

static void test_peer_died(void **state) {
        CompatPair pair;
        char in[8];
        int fd, status;
        pid_t pid;

        compat_pair_open(&pair, NULL);
        pid = fork_peer(pair.irm);
        fd = flow_accept(NULL, &long_time);
        assert_true(fd > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));

        assert_int_equal(flow_read(fd, in, sizeof(in)), 2);
        assert_int_equal(flow_read(fd, in, sizeof(in)), -EFLOWPEER);
        assert_int_equal(flow_write(fd, "x", 1), -EFLOWPEER);
        assert_int_equal(flow_dealloc(fd), 0);
        compat_pair_close(&pair);
}

static int use_inherited(const CompatPair *pair, fset_t *set, fqueue_t *fq) {
        char in[8];

        irm_thread_forget(pair->irm);
        if (fevent(set, fq, &no_time) != -EINVAL || fset_add(set, pair->asking) != -EINVAL ||
            fset_has(set, pair->asking))
                return 1;
        if (flow_read(pair->asking, in, sizeof(in)) != -ENOTALLOC || flow_write(pair->asking, "x", 1) != -ENOTALLOC)
                return 2;
        if (flow_dealloc(pair->serving) != -ENOTALLOC)
                return 3;

        fset_destroy(set);
        fqueue_destroy(fq);
        return 0;
}

/* What a child has inherited is not allocated there, and goes on here. */
static void test_fork(void **state) {
        fqueue_t *fq = fqueue_create();
        fset_t *set = fset_create();
        CompatPair pair;
        char in[8];
        int status;
        pid_t pid;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fset_add(set, pair.asking), 0);
        pid = fork();
        if (pid == 0)
                _exit(use_inherited(&pair, set, fq));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);

        assert_int_equal(flow_write(pair.serving, "on", 2), 2);
        assert_int_equal(fevent(set, fq, &long_time), 1);
        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), 2);
        fset_destroy(set);
        fqueue_destroy(fq);
        compat_pair_close(&pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dealloc_while_waiting),
                cmocka_unit_test(test_down_while_waiting),
                cmocka_unit_test(test_reset),
                cmocka_unit_test(test_shared_flow),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_peer_died),
                cmocka_unit_test(test_fork),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
