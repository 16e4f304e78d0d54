/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets of flows and their events. */

#include <pthread.h>

#include "tests/unit/compat/compat-pair.h"

#define N_FLOWS 5U
#define N_MESSAGES 200U

static fset_t *set;
static fqueue_t *fq;

static int set_up(void **state) {
        set = fset_create();
        fq = fqueue_create();
        return set && fq ? 0 : -1;
}

static int tear_down(void **state) {
        fset_destroy(set);
        fqueue_destroy(fq);
        return 0;
}

/* The events, and the queue is empty then. */
static void expect(int fd, int type) {
        assert_int_equal(fqueue_next(fq), fd);
        assert_int_equal(fqueue_type(fq), type);
}

static void expect_no_more(void) {
        assert_int_equal(fqueue_next(fq), -EPERM);
}

static void test_members(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        fset_t *other = fset_create();

        compat_pair_open(&pair, NULL);
        assert_false(fset_has(set, pair.asking));
        assert_int_equal(fset_add(set, pair.asking), 0);
        assert_true(fset_has(set, pair.asking));
        assert_int_equal(fset_add(set, pair.asking), -EPERM);
        assert_int_equal(fset_add(other, pair.asking), -EPERM);
        assert_false(fset_has(other, pair.asking));
        fset_del(other, pair.asking);
        assert_true(fset_has(set, pair.asking));

        fset_del(set, pair.asking);
        assert_false(fset_has(set, pair.asking));
        assert_int_equal(fset_add(other, pair.asking), 0);
        fset_zero(other);
        assert_false(fset_has(other, pair.asking));
        assert_int_equal(fset_add(set, pair.asking), 0);
        assert_int_equal(fset_add(set, pair.serving), 0);

        /* A flow that goes leaves its set, and so does one whose set goes. */
        assert_int_equal(flow_dealloc(pair.asking), 0);
        assert_false(fset_has(set, pair.asking));
        pair.asking = -1;
        fset_zero(set);
        assert_int_equal(fset_add(other, pair.serving), 0);
        fset_destroy(other);
        assert_int_equal(fset_add(set, pair.serving), 0);
}

static void test_arguments(void **state) {
        assert_int_equal(fset_add(NULL, 64), -EINVAL);
        assert_int_equal(fset_add(set, 64), -EINVAL);
        assert_int_equal(fset_add(set, -1), -EINVAL);
        assert_int_equal(fset_add(set, 4096), -EINVAL);
        assert_false(fset_has(NULL, 64));
        assert_false(fset_has(set, -1));
        fset_del(NULL, 64);
        fset_del(set, 4096);
        fset_zero(NULL);
        fset_destroy(NULL);
        fqueue_destroy(NULL);

        assert_int_equal(fevent(NULL, fq, &no_time), -EINVAL);
        assert_int_equal(fevent(set, NULL, &no_time), -EINVAL);
        assert_int_equal(fevent(set, fq, &(struct timespec) { 0, -1 }), -EINVAL);
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);
        assert_int_equal(fevent(set, fq, &short_time), -ETIMEDOUT);
        assert_int_equal(fqueue_next(NULL), -EINVAL);
        assert_int_equal((int) fqueue_type(NULL), -EINVAL);
        assert_int_equal(fqueue_next(fq), -EPERM);
        assert_int_equal((int) fqueue_type(fq), -EPERM);
}

static void test_packets(void **state) {
        static const ssize_t parts[] = { 2, 2, 0 };
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);

        /* There before the flow was added. */
        assert_int_equal(flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(fset_add(set, pair.serving), 0);
        assert_int_equal(fevent(set, fq, NULL), 1);
        assert_int_equal((int) fqueue_type(fq), -EPERM);
        expect(pair.serving, FLOW_PKT);
        assert_int_equal(fqueue_type(fq), FLOW_PKT);            /* as often as one likes */
        expect_no_more();
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);

        /* An empty message is none. */
        assert_int_equal(flow_write(pair.asking, NULL, 0), 0);
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);

        /* What the queue still has is told first. */
        assert_int_equal(flow_write(pair.asking, "b", 1), 1);
        assert_int_equal(fevent(set, fq, NULL), 1);
        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(fevent(set, fq, &no_time), 1);
        expect(pair.serving, FLOW_PKT);
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);

        /* A part that is left, and the end of a message, are there to be read as well. */
        assert_int_equal(flow_write(pair.asking, "four", 4), 4);
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                assert_int_equal(fevent(set, fq, &long_time), 1);
                expect(pair.serving, FLOW_PKT);
                assert_int_equal(flow_read(pair.serving, in, 2), parts[i]);
        }
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);
}

/* One read for each event: every message comes, in its order, and no flow waits for another for long. */
static void test_one_read_per_event(void **state) {
        unsigned sent[N_FLOWS] = {}, received[N_FLOWS] = {}, n = 0;
        int asking[N_FLOWS], serving[N_FLOWS];
        _cleanup_compat_pair_ CompatPair pair;

        compat_pair_open(&pair, NULL);
        for (unsigned i = 0; i < N_FLOWS; i++) {
                compat_pair_more(NULL, &asking[i], &serving[i]);
                assert_int_equal(fset_add(set, serving[i]), 0);
                assert_int_equal(fccntl(asking[i], FLOWSFLAGS, FLOWFDEFAULT | FLOWFNONBLOCK), 0);
        }

        while (n < N_FLOWS * N_MESSAGES) {
                int fd;

                for (unsigned i = 0; i < N_FLOWS; i++)
                        while (sent[i] < N_MESSAGES && flow_write(asking[i], &sent[i], sizeof(sent[i])) > 0)
                                sent[i]++;

                assert_int_equal(fevent(set, fq, &long_time), 1);
                while ((fd = fqueue_next(fq)) >= 0) {
                        unsigned number, i;

                        assert_int_equal(fqueue_type(fq), FLOW_PKT);
                        assert_int_equal(flow_read(fd, &number, sizeof(number)), sizeof(number));
                        assert_int_equal(flow_read(fd, &number, sizeof(number)), 0);    /* it filled the buffer */
                        for (i = 0; serving[i] != fd; i++)
                                ;
                        assert_int_equal(number, received[i]++);
                        assert_true(received[i] <= received[(i + 1) % N_FLOWS] + 2);
                        n++;
                }
        }
        assert_int_equal(fevent(set, fq, &no_time), -ETIMEDOUT);

        for (unsigned i = 0; i < N_FLOWS; i++) {
                assert_int_equal(flow_dealloc(asking[i]), 0);
                assert_int_equal(flow_dealloc(serving[i]), 0);
        }
}

/* The end is told when everything was read, once, and again to the next set. */
static void test_end(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        char in[8];

        compat_pair_open(&pair, NULL);
        assert_int_equal(fset_add(set, pair.serving), 0);
        assert_int_equal(flow_write(pair.asking, "a", 1), 1);
        assert_int_equal(flow_write(pair.asking, "b", 1), 1);
        assert_int_equal(flow_dealloc(pair.asking), 0);
        pair.asking = -1;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(fevent(set, fq, &long_time), 1);
                expect(pair.serving, FLOW_PKT);
                expect_no_more();
                assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        }
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(fevent(set, fq, &long_time), 1);
                expect(pair.serving, FLOW_DEALLOC);
                expect(pair.serving, FLOW_DOWN);
                expect_no_more();
                assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
                assert_int_equal(fevent(set, fq, &short_time), -ETIMEDOUT);

                assert_true(fset_has(set, pair.serving));
                fset_del(set, pair.serving);
                assert_false(fset_has(set, pair.serving));
                assert_int_equal(fset_add(set, pair.serving), 0);
        }
}

/* Events of a flow that is gone are not told, and not those of another that has its number now. */
static void test_gone(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        int asking, serving;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fset_add(set, pair.serving), 0);
        assert_int_equal(flow_dealloc(pair.asking), 0);
        assert_int_equal(fevent(set, fq, &long_time), 1);
        expect(pair.serving, FLOW_DEALLOC);
        assert_int_equal(flow_dealloc(pair.serving), 0);
        compat_pair_more(NULL, &asking, &serving);
        assert_true(asking == pair.serving || serving == pair.serving);
        expect_no_more();

        pair.asking = asking;
        pair.serving = serving;
}

/* -- other threads -- */

static void *add_and_write(void *userdata) {
        const CompatPair *pair = userdata;

        if (fset_add(set, pair->serving) == 0)
                (void) flow_write(pair->asking, "late", 4);
        return NULL;
}

static void test_added_while_waiting(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        pthread_t thread;

        compat_pair_open(&pair, NULL);
        assert_int_equal(pthread_create(&thread, NULL, add_and_write, &pair), 0);
        assert_int_equal(fevent(set, fq, &long_time), 1);
        expect(pair.serving, FLOW_PKT);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

typedef struct Reader {
        int fd;
        unsigned n;
} Reader;

static void *read_until_end(void *userdata) {
        Reader *r = userdata;
        char in[8];

        while (flow_read(r->fd, in, sizeof(in)) > 0)
                (void) __atomic_add_fetch(&r->n, 1, __ATOMIC_RELAXED);
        return NULL;
}

/* One thread reads what another one is told of. */
static void test_read_elsewhere(void **state) {
        CompatPair pair;
        pthread_t thread;
        bool ended = false;
        Reader r;
        int fd;

        compat_pair_open(&pair, NULL);
        r = (Reader) { .fd = pair.serving };
        assert_int_equal(fset_add(set, pair.serving), 0);
        assert_int_equal(pthread_create(&thread, NULL, read_until_end, &r), 0);
        for (unsigned i = 0; i < N_MESSAGES; i++) {
                assert_int_equal(flow_write(pair.asking, "x", 1), 1);
                (void) fevent(set, fq, &no_time);
        }
        assert_int_equal(flow_dealloc(pair.asking), 0);

        while (!ended) {
                assert_int_equal(fevent(set, fq, &long_time), 1);
                while ((fd = fqueue_next(fq)) >= 0)
                        ended = ended || fqueue_type(fq) == FLOW_DEALLOC;
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(r.n, N_MESSAGES);

        pair.asking = -1;
        compat_pair_close(&pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_members, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_packets, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_one_read_per_event, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_added_while_waiting, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_read_elsewhere, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
