/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What programs see when the layer says that the link below a flow goes down, comes back, or takes packets of another
 * size. The layer is played by the test: what it says is a record on the doorbell, and nothing else happens.
 */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/flow.h"
#include "tests/support/flow-pair.h"
#include "tests/support/layered-flow.h"

typedef struct Test {
        LayeredFlow l;                  /* where it is reliable */
        IrmThread *irm;                 /* else these */
        IrmLayer *layer;
        o7s_flow *flow;                 /* never waits */
        Channel *channel;               /* the layer's end */
        o7s_set *set;
        Way way;
        bool reliable;
        bool reads;                     /* the program looks for messages before it looks for events */
} Test;

static void open_raw(Test *t) {
        assert_int_equal(irm_thread_start(&t->irm), 0);
        assert_int_equal(irm_layer_new(&t->layer), 0);
        irm_thread_set_layer(t->irm, t->layer);
        assert_int_equal(o7s_flow_alloc("layered", &O7S_QOS_RAW, O7S_THIN, TEST_TIMEOUT_USEC, &t->flow), 0);
        t->channel = irm_layer_take_channel(t->layer);
        assert_non_null(t->channel);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, 0), 0);
}

static void test_open(Test *t, bool reliable, Way way, bool reads) {
        *t = (Test) { .reliable = reliable, .way = way, .reads = reads };
        if (reliable) {
                layered_flow_open(&t->l);
                t->flow = t->l.flow;
                t->channel = t->l.channel;
        } else
                open_raw(t);

        if (way == WAY_DESCRIPTOR)
                assert_true(o7s_flow_fd(t->flow) >= 0);
        if (way == WAY_SET) {
                assert_int_equal(o7s_set_new(&t->set), 0);
                assert_int_equal(o7s_set_add(t->set, O7S_KIND_FLOW, t->flow), 0);
        }
}

static void test_close(Test *t) {
        t->set = o7s_set_unref(t->set);
        if (t->reliable)
                return layered_flow_close(&t->l);

        t->flow = o7s_flow_unref(t->flow);
        t->channel = channel_free(t->channel);
        t->irm = irm_thread_free(t->irm);
        t->layer = irm_layer_free(t->layer);
}

#define _cleanup_test_ _cleanup_(test_close)

static struct o7s_flow_info info_of(o7s_flow *flow) {
        struct o7s_flow_info info = { .size = sizeof(info) };

        assert_int_equal(o7s_flow_info(flow, &info), 0);
        return info;
}

static uint32_t program_looks(Test *t) {
        uint8_t message[16];

        if (t->reads)
                assert_int_equal(o7s_flow_read(t->flow, message, sizeof(message)), -EAGAIN);

        return layered_flow_look(t->flow, t->set, t->way);
}

/* The engine may have the doorbell, and needs a moment. */
static void expect_told(Test *t) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
        uint32_t events;

        while ((events = program_looks(t)) == 0) {
                assert_true(time_now_nsec() < until);
                (void) poll(NULL, 0, 1);
        }
        assert_int_equal(events, O7S_CHANGED);
}

static void expect_quiet(Test *t) {
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(program_looks(t), 0);
}

static void tell(Test *t, bool down, uint32_t packet_max) {
        assert_int_equal(channel_tell_path(t->channel, &(PathState) { down, packet_max }), 0);
}

static const struct {
        const char *name;
        bool reliable;
        Way way;
        bool reads;
} rows[] = {
        { "raw, asks for events",                   false, WAY_ASK,        false },
        { "raw, asks for events after a read",      false, WAY_ASK,        true  },
        { "raw, descriptor",                        false, WAY_DESCRIPTOR, false },
        { "raw, descriptor, after a read",          false, WAY_DESCRIPTOR, true  },
        { "raw, set",                               false, WAY_SET,        false },
        { "raw, set, after a read",                 false, WAY_SET,        true  },
        { "reliable, asks for events",              true,  WAY_ASK,        false },
        { "reliable, asks for events after a read", true,  WAY_ASK,        true  },
        { "reliable, descriptor",                   true,  WAY_DESCRIPTOR, false },
        { "reliable, descriptor, after a read",     true,  WAY_DESCRIPTOR, true  },
        { "reliable, set",                          true,  WAY_SET,        false },
        { "reliable, set, after a read",            true,  WAY_SET,        true  },
};

/* Told once each time, and only of what is new; the flow is never down for that. */
static void test_link(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, rows[i].reliable, rows[i].way, rows[i].reads);
                assert_int_equal(info_of(t.flow).link_down, 0);
                expect_quiet(&t);

                for (unsigned j = 0; j < 3; j++) {
                        tell(&t, true, 0);
                        expect_told(&t);
                        assert_int_equal(info_of(t.flow).link_down, 1);
                        expect_quiet(&t);

                        tell(&t, true, 0);
                        expect_quiet(&t);

                        tell(&t, false, 0);
                        expect_told(&t);
                        assert_int_equal(info_of(t.flow).link_down, 0);
                        expect_quiet(&t);
                }
        }
}

/* A layer that has much to say: the program is told that something is new, and finds what counts. */
static void test_flood(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, rows[i].reliable, rows[i].way, rows[i].reads);
                for (unsigned j = 0; j < 100; j++)
                        tell(&t, j % 2 == 0, 600 + j);
                tell(&t, true, 555);

                do {
                        assert_true(time_now_nsec() < until);
                        assert_int_equal(program_looks(&t) & ~O7S_CHANGED, 0);
                } while (info_of(t.flow).link_down == 0 || (!t.reliable && info_of(t.flow).mtu != 555));
        }
}

/* What reads in vain is not woken for ever, and who asks after that is told all the same. */
static void test_read_in_vain(void **state) {
        struct pollfd p = { .events = POLLIN };
        _cleanup_test_ Test t;
        uint8_t message[16];

        test_open(&t, false, WAY_DESCRIPTOR, false);
        p.fd = o7s_flow_fd(t.flow);
        tell(&t, true, 0);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(o7s_flow_read(t.flow, message, sizeof(message)), -EAGAIN);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(o7s_flow_events(t.flow), O7S_CHANGED);
        assert_int_equal(o7s_flow_events(t.flow), 0);
}

/* Raw flows: the next write knows. Looking for events is looking at the doorbell. */
static void test_size_raw(void **state) {
        static const uint8_t message[3000];
        _cleanup_test_ Test t;
        void *room;

        test_open(&t, false, WAY_ASK, false);
        tell(&t, false, 1400);
        expect_told(&t);
        assert_int_equal(info_of(t.flow).mtu, 1400);
        assert_int_equal(o7s_flow_write(t.flow, message, 1400), 1400);
        assert_int_equal(o7s_flow_write(t.flow, message, 1401), -EMSGSIZE);

        /* What was reserved before counts as what it is now. */
        assert_int_equal(o7s_flow_reserve(t.flow, 1400, &room), 0);
        tell(&t, false, 1000);
        expect_told(&t);
        assert_int_equal(o7s_flow_commit(t.flow, 1400), -EMSGSIZE);
        memset(room, 0, 1000);
        assert_int_equal(o7s_flow_commit(t.flow, 1000), 1000);
        assert_int_equal(o7s_flow_write(t.flow, message, 1000), 1000);
        assert_int_equal(o7s_flow_write(t.flow, message, 1001), -EMSGSIZE);

        /* Without an interface there is no size, and the last one counts. */
        tell(&t, true, 0);
        expect_told(&t);
        assert_int_equal(info_of(t.flow).mtu, 1000);

        tell(&t, false, 2500);
        expect_told(&t);
        assert_int_equal(o7s_flow_write(t.flow, message, 2500), 2500);
        tell(&t, false, 2500);
        expect_quiet(&t);

        /* The lane has a limit, too: what is beyond it is no news. */
        tell(&t, false, DOORBELL_PACKET_MAX);
        expect_told(&t);
        assert_int_equal(info_of(t.flow).mtu, channel_message_max(t.channel));
        tell(&t, false, DOORBELL_PACKET_MAX - 1);
        expect_quiet(&t);
}

static void *write_blocked(void *userdata) {
        static const uint8_t message[1400];
        const Test *t = userdata;

        return (void *) (intptr_t) o7s_flow_write(t->flow, message, sizeof(message));
}

/* One that waits for room hears of it, too, whether it sleeps already or not. */
static void test_size_while_waiting(void **state) {
        static const uint8_t message[1400];
        _cleanup_test_ Test t;
        pthread_t thread;
        void *r;

        test_open(&t, false, WAY_ASK, false);
        while (o7s_flow_write(t.flow, message, sizeof(message)) > 0)
                ;
        assert_int_equal(o7s_flow_set_timeout(t.flow, O7S_TIMEOUT_WRITE, O7S_FOREVER), 0);
        assert_int_equal(pthread_create(&thread, NULL, write_blocked, &t), 0);
        tell(&t, false, 1000);
        assert_int_equal(pthread_join(thread, &r), 0);
        assert_int_equal((intptr_t) r, -EMSGSIZE);
}

static uint64_t write_all(LayeredFlow *l, uint64_t bytes) {
        static const uint8_t message[10000];
        uint64_t n = 0;

        while (n < bytes && o7s_flow_write(l->flow, message, sizeof(message)) == sizeof(message))
                n += sizeof(message);
        return n;
}

static void await_read(LayeredFlow *l, uint64_t bytes) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;

        while (l->n_read < bytes) {
                assert_true(time_now_nsec() < until);
                layered_flow_run(l);
        }
        assert_int_equal(l->n_read, bytes);
}

/* The way below takes less from one moment to the next, which the layer says: what is queued and what was on its way
 * goes out in smaller packets at once, none of it larger, and nothing is lost. More is looked for, and found. */
static void test_size_reliable(void **state) {
        struct o7s_flow_stats stats;
        uint64_t written = 0;
        _cleanup_test_ Test t;

        test_open(&t, true, WAY_ASK, false);
        written += write_all(&t.l, 200000);
        for (unsigned i = 0; i < 20; i++)
                layered_flow_run(&t.l);

        t.l.path_max = 700;
        tell(&t, false, 700);
        written += write_all(&t.l, 200000);
        (void) o7s_flow_events(t.flow);
        layered_flow_stats(&t.l, &stats);
        assert_int_equal(stats.packet_max, 700);
        await_read(&t.l, written);

        t.l.path_max = LAYERED_FLOW_MTU;
        tell(&t, false, LAYERED_FLOW_MTU);
        do {
                written += write_all(&t.l, 10000);
                await_read(&t.l, written);
                layered_flow_stats(&t.l, &stats);
        } while (stats.packet_max < LAYERED_FLOW_MTU);
}

/* A size that nothing fits into ends nothing. */
static void test_size_absurd(void **state) {
        _cleanup_test_ Test t;

        test_open(&t, true, WAY_ASK, false);
        tell(&t, false, 1);
        assert_int_equal(o7s_flow_write(t.flow, "hello", 5), 5);
        for (unsigned i = 0; i < 20; i++)
                layered_flow_run(&t.l);
        tell(&t, false, LAYERED_FLOW_MTU);
        await_read(&t.l, 5);
}

/* The next process of the layer says so anew where it is not up. */
static void test_reattach(void **state) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
        _cleanup_test_ Test t;

        test_open(&t, true, WAY_ASK, false);
        tell(&t, true, 1000);
        expect_told(&t);
        layered_flow_kill(&t.l, 0);             /* it does not know the size yet: the last one counts */
        do {
                assert_true(time_now_nsec() < until);
                (void) program_looks(&t);
        } while (!layered_flow_restarts(&t.l));

        t.channel = t.l.channel;
        while (info_of(t.flow).link_down == 1) {
                assert_true(time_now_nsec() < until);
                (void) program_looks(&t);
        }

        tell(&t, true, 0);
        while (info_of(t.flow).link_down == 0) {
                assert_true(time_now_nsec() < until);
                (void) program_looks(&t);
        }
        tell(&t, false, 0);
        expect_told(&t);
}

/* Between two programs of a host there is no layer: one that says such a thing breaks the rules. */
static void test_local(void **state) {
        _cleanup_flow_pair_ FlowPair pair;

        flow_pair_open(&pair, 0);
        assert_true(info_of(pair.asking).is_local);
        assert_int_equal(doorbell_tell_path(flow_doorbell(pair.asking), &(PathState) { true, 0 }), 0);
        assert_int_equal(o7s_flow_events(pair.serving) & O7S_DOWN, O7S_DOWN);
        assert_int_equal(info_of(pair.serving).link_down, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_link),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_read_in_vain),
                cmocka_unit_test(test_size_raw),
                cmocka_unit_test(test_size_while_waiting),
                cmocka_unit_test(test_size_reliable),
                cmocka_unit_test(test_size_absurd),
                cmocka_unit_test(test_reattach),
                cmocka_unit_test(test_local),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
