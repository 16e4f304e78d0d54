/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The link below a flow goes down and comes back, as the layer, which the test plays, says. */

#include <pthread.h>

#include "tests/unit/compat/compat-pair.h"

typedef struct Test {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end */
        fset_t *set;
        fqueue_t *fq;
        int fd;
} Test;

static int set_up(void **state) {
        Test *t = calloc(1, sizeof(*t));
        qosspec_t qs = qos_raw;

        if (!t || irm_thread_start(&t->irm) < 0 || irm_layer_new(&t->layer) < 0)
                return -1;

        irm_thread_set_layer(t->irm, t->layer);
        t->fd = flow_alloc("layered", &qs, &long_time);
        t->channel = irm_layer_take_channel(t->layer);
        t->set = fset_create();
        t->fq = fqueue_create();
        *state = t;
        return t->fd >= 64 && t->channel && t->set && t->fq ? 0 : -1;
}

static int tear_down(void **state) {
        Test *t = *state;

        (void) flow_dealloc(t->fd);
        fset_destroy(t->set);
        fqueue_destroy(t->fq);
        channel_free(t->channel);
        irm_thread_free(t->irm);
        irm_layer_free(t->layer);
        free(t);
        return 0;
}

static void link_is(const Test *t, bool down) {
        assert_int_equal(channel_tell_path(t->channel, &(PathState) { .down = down }), 0);
}

static void deliver(const Test *t) {
        struct iovec part = { .iov_base = (char[]) { 'x' }, .iov_len = 1 };

        assert_int_equal(channel_push(t->channel, &part, 1), 0);
        assert_true(channel_publish(t->channel) >= 0);
}

/* This, and nothing else. */
static void expect(const Test *t, enum fqtype type) {
        assert_int_equal(fevent(t->set, t->fq, &long_time), 1);
        assert_int_equal(fqueue_next(t->fq), t->fd);
        assert_int_equal(fqueue_type(t->fq), type);
        assert_int_equal(fqueue_next(t->fq), -EPERM);
}

static void expect_nothing(const Test *t) {
        assert_int_equal(fevent(t->set, t->fq, &short_time), -ETIMEDOUT);
}

static void set_blocking(const Test *t, bool blocking) {
        assert_int_equal(fccntl(t->fd, FLOWSFLAGS, FLOWFDEFAULT | (blocking ? 0 : FLOWFRNOBLOCK)), 0);
}

/* Told once; reads find what there is, and then say it; writes go on. */
static void test_down_and_up(void **state) {
        Test *t = *state;
        char in[8];

        assert_int_equal(fset_add(t->set, t->fd), 0);
        expect_nothing(t);

        for (unsigned i = 0; i < 3; i++) {
                link_is(t, true);
                expect(t, FLOW_DOWN);
                expect_nothing(t);
                set_blocking(t, true);
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EFLOWDOWN);
                set_blocking(t, false);
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EFLOWDOWN);
                assert_int_equal(flow_write(t->fd, "x", 1), 1);
                assert_int_equal(flow_write(t->fd, NULL, 0), 0);

                deliver(t);
                expect(t, FLOW_PKT);
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), 1);
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EFLOWDOWN);

                link_is(t, false);
                expect(t, FLOW_UP);
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EAGAIN);
                expect_nothing(t);
        }
}

/* With something to read at the same time both are told. */
static void test_with_packet(void **state) {
        Test *t = *state;

        assert_int_equal(fset_add(t->set, t->fd), 0);
        link_is(t, true);
        assert_int_equal(flow_write(t->fd, NULL, 0), 0);        /* whoever looks */
        deliver(t);
        assert_int_equal(fevent(t->set, t->fq, &long_time), 1);
        assert_int_equal(fqueue_next(t->fq), t->fd);
        assert_int_equal(fqueue_type(t->fq), FLOW_DOWN);
        assert_int_equal(fqueue_next(t->fq), t->fd);
        assert_int_equal(fqueue_type(t->fq), FLOW_PKT);
        assert_int_equal(fqueue_next(t->fq), -EPERM);
}

/* What is over by the next look is not told. */
static void test_blip(void **state) {
        Test *t = *state;

        assert_int_equal(fset_add(t->set, t->fd), 0);
        link_is(t, true);
        link_is(t, false);
        expect_nothing(t);
}

/* Others were told before the set was asked. */
static void test_seen_elsewhere(void **state) {
        Test *t = *state;
        char in[8];

        assert_int_equal(fset_add(t->set, t->fd), 0);
        set_blocking(t, false);

        link_is(t, true);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EFLOWDOWN);
        expect(t, FLOW_DOWN);

        link_is(t, false);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(flow_write(t->fd, NULL, 0), 0);
        expect(t, FLOW_UP);
        expect_nothing(t);
}

/* A set that it comes into later. */
static void test_added_while_down(void **state) {
        Test *t = *state;

        link_is(t, true);
        assert_int_equal(flow_write(t->fd, NULL, 0), 0);
        assert_int_equal(fset_add(t->set, t->fd), 0);
        expect(t, FLOW_DOWN);
        expect_nothing(t);
        fset_del(t->set, t->fd);
        assert_int_equal(fset_add(t->set, t->fd), 0);
        expect_nothing(t);
        link_is(t, false);
        expect(t, FLOW_UP);
}

/* The end is another thing, and told as ever. */
static void test_end(void **state) {
        Test *t = *state;
        char in[8];

        assert_int_equal(fset_add(t->set, t->fd), 0);
        link_is(t, true);
        expect(t, FLOW_DOWN);
        channel_close(t->channel, CLOSE_PEER_TIMEOUT);
        assert_int_equal(fevent(t->set, t->fq, &long_time), 1);
        assert_int_equal(fqueue_next(t->fq), t->fd);
        assert_int_equal(fqueue_type(t->fq), FLOW_PEER);
        assert_int_equal(fqueue_next(t->fq), t->fd);
        assert_int_equal(fqueue_type(t->fq), FLOW_DOWN);
        assert_int_equal(flow_read(t->fd, in, sizeof(in)), -EFLOWPEER);
        expect_nothing(t);
}

static void *read_one(void *userdata) {
        const Test *t = userdata;
        char in[8];

        return (void *) (intptr_t) flow_read(t->fd, in, sizeof(in));
}

static void *await_event(void *userdata) {
        const Test *t = userdata;

        if (fevent(t->set, t->fq, &long_time) != 1 || fqueue_next(t->fq) != t->fd)
                return NULL;
        return (void *) (intptr_t) fqueue_type(t->fq);
}

/* Whoever sleeps is woken; both of them do, or one after the other. */
static void test_sleepers(void **state) {
        pthread_t reader, waiter;
        Test *t = *state;
        void *read, *event;

        assert_int_equal(fset_add(t->set, t->fd), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_one, t), 0);
        assert_int_equal(pthread_create(&waiter, NULL, await_event, t), 0);
        link_is(t, true);
        assert_int_equal(pthread_join(reader, &read), 0);
        assert_int_equal(pthread_join(waiter, &event), 0);
        assert_int_equal((intptr_t) read, -EFLOWDOWN);
        assert_int_equal((intptr_t) event, FLOW_DOWN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_down_and_up, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_with_packet, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_blip, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_seen_elsewhere, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_added_while_down, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_sleepers, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
