/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow through a layer that is killed: it goes on, as the same flow on the same descriptor, or ends as it should. */

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"

#define TIMEOUT_USEC (10 * UINT64_C(1000000))
#define N_SLOTS 16U             /* of a thin flow */

typedef struct Test {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end, of its current process */
        o7s_flow *flow;
} Test;

static void come_back(Test *t) {
        t->channel = irm_layer_take_channel(t->layer);
        assert_non_null(t->channel);
}

/* The layer's process ends without a word. */
static void kill_layer(Test *t) {
        t->channel = channel_free(t->channel);
}

static int setup(void **state) {
        Test *t = calloc(1, sizeof(*t));

        if (!t || irm_thread_start(&t->irm) < 0 || irm_layer_new(&t->layer) < 0)
                return -1;

        irm_thread_set_layer(t->irm, t->layer);
        if (o7s_flow_alloc("layered", &O7S_QOS_RAW, O7S_THIN, TIMEOUT_USEC, &t->flow) < 0)
                return -1;

        t->channel = irm_layer_take_channel(t->layer);
        *state = t;
        return t->channel ? 0 : -1;
}

static int teardown(void **state) {
        Test *t = *state;

        (void) o7s_flow_unref(t->flow);
        channel_free(t->channel);
        irm_thread_free(t->irm);
        irm_layer_free(t->layer);
        free(t);
        return 0;
}

static void set_timeouts(const Test *t, uint64_t usec) {
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, usec), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, usec), 0);
}

static unsigned n_asked(const Test *t) {
        return irm_thread_counts(t->irm).n_messages[IRM_REATTACH];
}

/* -- the layer's side -- */

static void deliver(const Test *t, uint32_t number) {
        struct iovec part = { .iov_base = &number, .iov_len = sizeof(number) };

        assert_int_equal(channel_push(t->channel, &part, 1), 0);
        assert_true(channel_publish(t->channel) >= 0);
}

static void layer_takes(const Test *t, uint32_t expected) {
        uint32_t number = 0;

        assert_int_equal(channel_read(t->channel, &number, sizeof(number), NULL), sizeof(number));
        assert_int_equal(number, expected);
        assert_true(channel_release(t->channel) >= 0);
}

static void layer_has_nothing(const Test *t) {
        uint32_t number;

        assert_int_equal(channel_read(t->channel, &number, sizeof(number), NULL), -EAGAIN);
}

/* -- the application's -- */

static int write_number(const Test *t, uint32_t number) {
        return (int) o7s_flow_write(t->flow, &number, sizeof(number));
}

static void reads(const Test *t, uint32_t expected) {
        uint32_t numbers[2] = {};               /* with room to spare, so that a read is a message */

        assert_int_equal(o7s_flow_read(t->flow, numbers, sizeof(numbers)), sizeof(numbers[0]));
        assert_int_equal(numbers[0], expected);
}

/* Nothing is there: which is what makes a call look after the doorbell. */
static void reads_nothing(const Test *t) {
        uint32_t number;

        assert_int_equal(o7s_flow_read(t->flow, &number, sizeof(number)), -EAGAIN);
}

static void test_goes_on(void **state) {
        Test *t = *state;
        struct o7s_flow_info before = { .size = sizeof(before) }, after = { .size = sizeof(after) };

        set_timeouts(t, TIMEOUT_USEC);
        assert_int_equal(o7s_flow_info(t->flow, &before), 0);

        for (uint32_t i = 0; i < 3; i++)
                assert_int_equal(write_number(t, i), sizeof(i));
        layer_takes(t, 0);
        deliver(t, 10);
        deliver(t, 11);
        kill_layer(t);

        assert_int_equal(write_number(t, 3), sizeof(uint32_t));         /* while nobody is there */
        reads(t, 10);
        reads(t, 11);

        set_timeouts(t, 0);
        reads_nothing(t);
        come_back(t);
        deliver(t, 12);
        set_timeouts(t, TIMEOUT_USEC);
        reads(t, 12);

        /* What the first process had not taken is the second one's, once and in order. */
        for (uint32_t i = 1; i < 4; i++)
                layer_takes(t, i);
        layer_has_nothing(t);
        assert_int_equal(write_number(t, 4), sizeof(uint32_t));
        layer_takes(t, 4);

        assert_int_equal(n_asked(t), 1);
        assert_int_equal(o7s_flow_info(t->flow, &after), 0);
        assert_int_equal(before.flow_id, after.flow_id);
        assert_string_equal(before.layer, after.layer);
}

static void test_large_messages_move(void **state) {
        Test *t = *state;
        uint8_t sent[3 * 2048 + 17], taken[sizeof(sent)];

        memset(sent, 'x', sizeof(sent));
        set_timeouts(t, 0);
        assert_int_equal(o7s_flow_write(t->flow, sent, sizeof(sent)), sizeof(sent));
        assert_int_equal(o7s_flow_write(t->flow, sent, 2048), 2048);
        kill_layer(t);
        reads_nothing(t);
        come_back(t);
        reads_nothing(t);

        assert_int_equal(channel_read(t->channel, taken, sizeof(taken), NULL), sizeof(sent));
        assert_memory_equal(taken, sent, sizeof(sent));
        assert_int_equal(channel_read(t->channel, taken, sizeof(taken), NULL), 2048);
}

static void test_suspended(void **state) {
        Test *t = *state;
        uint32_t n_written = 0;

        irm_layer_set(t->layer, IRM_LAYER_AWAY);
        kill_layer(t);
        set_timeouts(t, 0);
        reads_nothing(t);
        assert_int_equal(o7s_flow_events(t->flow), 0);

        while (write_number(t, n_written) == sizeof(uint32_t))
                n_written++;
        assert_int_equal(n_written, N_SLOTS);
        assert_int_equal(write_number(t, 99), -EAGAIN);

        set_timeouts(t, 20000);
        assert_int_equal(write_number(t, 99), -ETIMEDOUT);
        assert_int_equal(o7s_flow_flush(t->flow, 1000), -ETIMEDOUT);

        irm_layer_set(t->layer, IRM_LAYER_PRESENT);
        come_back(t);
        set_timeouts(t, TIMEOUT_USEC);
        deliver(t, 5);
        reads(t, 5);
        for (uint32_t i = 0; i < n_written; i++)
                layer_takes(t, i);
        assert_int_equal(write_number(t, 7), sizeof(uint32_t));
        layer_takes(t, 7);
        assert_int_equal(n_asked(t), 1);
}

static const struct {
        const char *name;
        IrmLayerMode first;             /* when it asks */
        IrmLayerMode then;
        bool gone;                      /* the layer went away, as the flow says it; else a violation */
} ends[] = {
        { "refused at once", IRM_LAYER_GONE, IRM_LAYER_GONE, true },
        { "refused later", IRM_LAYER_AWAY, IRM_LAYER_GONE, true },
        { "its lane is none", IRM_LAYER_HOSTILE, IRM_LAYER_HOSTILE, false },
        { "its lane is none, later", IRM_LAYER_AWAY, IRM_LAYER_HOSTILE, false },
};

static void test_ends(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                o7s_error error = { .size = sizeof(error) };
                uint32_t number;
                void *own;
                Test *t;

                print_message("%s\n", ends[i].name);
                assert_int_equal(setup(&own), 0);
                t = own;
                set_timeouts(t, 0);
                deliver(t, 1);

                irm_layer_set(t->layer, ends[i].first);
                kill_layer(t);
                (void) write_number(t, 1);      /* may be what finds out */
                irm_layer_set(t->layer, ends[i].then);

                /* What had arrived is still to be had. */
                reads(t, 1);
                set_timeouts(t, TIMEOUT_USEC);
                assert_int_equal(o7s_flow_read(t->flow, &number, sizeof(number)), -ENOTCONN);
                assert_int_equal(o7s_last_error(&error), 0);
                assert_true(strstr(error.text, ends[i].gone ? "went away" : "broke the rules") != NULL);
                assert_int_equal(write_number(t, 2), -EPIPE);
                assert_true(o7s_flow_events(t->flow) & O7S_DOWN);
                assert_false(o7s_flow_events(t->flow) & O7S_PEER_GONE);
                assert_int_equal(teardown(&own), 0);
        }
}

/* The IRM dies while it thinks about it. */
static void test_irm_dies_too(void **state) {
        Test *t = *state;

        irm_layer_set(t->layer, IRM_LAYER_FORGETFUL);
        kill_layer(t);
        set_timeouts(t, 0);
        reads_nothing(t);
        set_timeouts(t, TIMEOUT_USEC);
        assert_int_equal(write_number(t, 1), sizeof(uint32_t));
        while (n_asked(t) < 2)
                (void) o7s_flow_events(t->flow);
        come_back(t);
        deliver(t, 6);
        reads(t, 6);
        layer_takes(t, 1);
}

/* Who says that it ends, has ended. */
static void test_orderly_end(void **state) {
        Test *t = *state;
        uint32_t number;

        channel_close(t->channel, CLOSE_LAYER_DOWN);
        kill_layer(t);
        assert_int_equal(o7s_flow_read(t->flow, &number, sizeof(number)), -ENOTCONN);
        assert_int_equal(n_asked(t), 0);
}

static void test_closed_while_suspended(void **state) {
        Test *t = *state;

        irm_layer_set(t->layer, IRM_LAYER_AWAY);
        kill_layer(t);
        set_timeouts(t, 0);
        reads_nothing(t);
        assert_int_equal(o7s_flow_close(t->flow, 0), 0);
        assert_int_equal(write_number(t, 1), -EPIPE);

        irm_layer_set(t->layer, IRM_LAYER_PRESENT);
        come_back(t);
        layer_has_nothing(t);
        assert_int_equal(channel_drain(t->channel, NULL), 1);           /* told so */
}

/* -- in place -- */

static void test_reserved_across(void **state) {
        Test *t = *state;
        void *slot;

        set_timeouts(t, 0);
        assert_int_equal(write_number(t, 1), sizeof(uint32_t));
        assert_int_equal(o7s_flow_reserve(t->flow, 100, &slot), 0);
        kill_layer(t);
        reads_nothing(t);
        come_back(t);
        reads_nothing(t);

        memcpy(slot, &(uint32_t) { 2 }, sizeof(uint32_t));              /* still ours to write */
        assert_int_equal(o7s_flow_commit(t->flow, sizeof(uint32_t)), sizeof(uint32_t));
        assert_int_equal(write_number(t, 3), sizeof(uint32_t));
        for (uint32_t i = 1; i < 4; i++)
                layer_takes(t, i);
}

static void test_peeked_across(void **state) {
        Test *t = *state;
        const void *data;
        size_t size;

        set_timeouts(t, 0);
        deliver(t, 1);
        deliver(t, 2);
        assert_int_equal(o7s_flow_peek(t->flow, &data, &size), 0);
        kill_layer(t);
        for (unsigned i = 0; i < 100 && n_asked(t) == 0; i++) {
                assert_int_equal(write_number(t, 9), sizeof(uint32_t));
                (void) poll(NULL, 0, 5);        /* writes look for the end once per tick of a clock */
        }
        come_back(t);
        deliver(t, 3);

        assert_memory_equal(data, &(uint32_t) { 1 }, sizeof(uint32_t));
        assert_int_equal(o7s_flow_release(t->flow), 0);
        reads(t, 2);
        set_timeouts(t, TIMEOUT_USEC);
        reads(t, 3);
}

/* -- event loops -- */

static bool is_readable(int fd, int timeout_ms) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, timeout_ms) == 1;
}

static void test_same_descriptor(void **state) {
        Test *t = *state;
        uint32_t seen = 0;
        int fd = o7s_flow_fd(t->flow);

        set_timeouts(t, 0);
        while (is_readable(fd, 0))
                assert_int_equal(o7s_flow_events(t->flow), 0);

        irm_layer_set(t->layer, IRM_LAYER_AWAY);
        kill_layer(t);
        assert_true(is_readable(fd, 2000));
        assert_int_equal(o7s_flow_events(t->flow), 0);
        assert_false(is_readable(fd, 20));              /* asked; nothing to do until the IRM says more */

        irm_layer_set(t->layer, IRM_LAYER_PRESENT);
        come_back(t);
        assert_true(is_readable(fd, 2000));
        for (unsigned i = 0; i < 3; i++)
                seen |= (uint32_t) o7s_flow_events(t->flow);
        assert_int_equal(seen, O7S_CHANGED);
        assert_int_equal(o7s_flow_events(t->flow), 0);  /* told once */
        assert_false(is_readable(fd, 0));

        deliver(t, 1);
        assert_true(is_readable(fd, 2000));
        assert_int_equal(o7s_flow_events(t->flow), O7S_READABLE);
        reads(t, 1);
        reads_nothing(t);
        assert_false(is_readable(fd, 0));
        assert_int_equal(o7s_flow_fd(t->flow), fd);
}

static void test_in_a_set(void **state) {
        Test *t = *state;
        uint32_t seen = 0;
        o7s_event event;
        o7s_set *set;

        set_timeouts(t, 0);
        assert_int_equal(o7s_set_new(&set), 0);
        assert_int_equal(o7s_set_add(set, O7S_KIND_FLOW, t->flow), 0);

        for (uint32_t round = 0; round < 3; round++) {
                irm_layer_set(t->layer, IRM_LAYER_AWAY);
                kill_layer(t);
                assert_int_equal(o7s_set_wait(set, &event, 1, 20000), -ETIMEDOUT);

                irm_layer_set(t->layer, IRM_LAYER_PRESENT);
                come_back(t);
                for (seen = 0; !(seen & O7S_CHANGED); seen |= event.events)
                        assert_int_equal(o7s_set_wait(set, &event, 1, TIMEOUT_USEC), 1);
                assert_int_equal(o7s_set_wait(set, &event, 1, 0), -EAGAIN);

                deliver(t, round);
                assert_int_equal(o7s_set_wait(set, &event, 1, TIMEOUT_USEC), 1);
                assert_int_equal(event.events, O7S_READABLE);
                reads(t, round);
        }

        assert_int_equal(o7s_set_remove(set, t->flow), 0);
        (void) o7s_set_unref(set);
}

/* -- again and again -- */

static unsigned n_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        return n;
}

/* A program that never reads: what came in between is lost, and nothing is piled up. */
static void test_nothing_piles_up(void **state) {
        Test *t = *state;
        uint32_t numbers[2] = {};
        unsigned n_before = 0;
        int fd = o7s_flow_fd(t->flow);

        set_timeouts(t, 0);
        deliver(t, 1000);
        for (uint32_t i = 0; i < 100; i++) {
                kill_layer(t);
                while (n_asked(t) <= i || !is_readable(fd, 0)) {
                        (void) o7s_flow_events(t->flow);
                        (void) write_number(t, i);
                }
                come_back(t);
                deliver(t, i);
                (void) o7s_flow_events(t->flow);
                if (i == 3)
                        n_before = n_descriptors();
        }

        assert_int_equal(n_descriptors(), n_before);
        reads(t, 1000);
        set_timeouts(t, TIMEOUT_USEC);

        /* The last process's message, and before it that of the one before, should we not have seen the end of that
         * yet. */
        while (numbers[0] != 99) {
                assert_int_equal(o7s_flow_read(t->flow, numbers, sizeof(numbers)), sizeof(numbers[0]));
                assert_true(numbers[0] >= 98 && numbers[0] <= 99);
        }
}

typedef struct Traffic {
        o7s_flow *flow;
        bool stop;                      /* atomic */
        uint32_t n_written;
        uint32_t last_read;
        bool out_of_order;
} Traffic;

static void *write_all_the_time(void *userdata) {
        Traffic *traffic = userdata;

        while (!__atomic_load_n(&traffic->stop, __ATOMIC_RELAXED)) {
                uint32_t number = traffic->n_written;

                if (o7s_flow_write(traffic->flow, &number, sizeof(number)) == sizeof(number))
                        traffic->n_written++;
        }

        return NULL;
}

static void *read_all_the_time(void *userdata) {
        Traffic *traffic = userdata;
        uint32_t numbers[2];
        ssize_t n;

        while ((n = o7s_flow_read(traffic->flow, numbers, sizeof(numbers))) > 0) {
                traffic->out_of_order = traffic->out_of_order || n != sizeof(numbers[0]) ||
                                        numbers[0] <= traffic->last_read;
                traffic->last_read = numbers[0];
        }

        return NULL;
}

/* One thread reads, one writes, the layer dies all the time. What the application wrote arrives once and in order,
 * all of it, since here no process takes what it does not count. What it reads is in order too; some may be lost,
 * where processes die faster than it reads. */
static void test_two_threads(void **state) {
        Test *t = *state;
        Traffic traffic = { .flow = t->flow };
        uint32_t next = 0, number, delivered = 0, n_taken = 0;
        pthread_t reader, writer;

        set_timeouts(t, TIMEOUT_USEC);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, 1000), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, &traffic), 0);
        assert_int_equal(pthread_create(&writer, NULL, write_all_the_time, &traffic), 0);

        for (unsigned round = 0; round < 100; round++) {
                for (unsigned i = 0; i < 200; i++) {
                        struct iovec part = { .iov_base = &number, .iov_len = sizeof(number) };

                        if (channel_read(t->channel, &number, sizeof(number), NULL) == sizeof(number)) {
                                assert_int_equal(number, next);
                                next++;
                                n_taken++;
                                (void) channel_release(t->channel);
                        }

                        number = delivered + 1;
                        if (channel_push(t->channel, &part, 1) == 0)
                                delivered++;
                        (void) channel_publish(t->channel);
                }
                kill_layer(t);
                come_back(t);
        }

        __atomic_store_n(&traffic.stop, true, __ATOMIC_RELAXED);
        assert_int_equal(pthread_join(writer, NULL), 0);

        /* The rest comes once the reading thread has seen the last outcome. */
        for (unsigned i = 0; i < 2000 && next < traffic.n_written; i++) {
                while (channel_read(t->channel, &number, sizeof(number), NULL) == sizeof(number)) {
                        assert_int_equal(number, next);
                        next++;
                        (void) channel_release(t->channel);
                }
                (void) poll(NULL, 0, 1);
        }
        assert_int_equal(next, traffic.n_written);
        assert_true(n_taken > 0);

        deliver(t, ++delivered);
        channel_close(t->channel, CLOSE_NORMAL);
        assert_int_equal(pthread_join(reader, NULL), 0);
        assert_false(traffic.out_of_order);
        assert_int_equal(traffic.last_read, delivered);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_goes_on),
                TEST(test_large_messages_move),
                TEST(test_suspended),
                cmocka_unit_test(test_ends),
                TEST(test_irm_dies_too),
                TEST(test_orderly_end),
                TEST(test_closed_while_suspended),
                TEST(test_reserved_across),
                TEST(test_peeked_across),
                TEST(test_same_descriptor),
                TEST(test_in_a_set),
                TEST(test_nothing_piles_up),
                TEST(test_two_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
