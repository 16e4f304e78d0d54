/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * O7S_CHANGED, as programs see it that wait in different ways: told once for each size of packets that the path is
 * found to take, whoever found out and when, and for a layer that came back with another one. The layer is played by
 * the test, its path drops what is too large; the peer is an Frct of its own behind it.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/frct.h"
#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"

#define PATIENCE_NSEC (60 * NSEC_PER_SEC)
#define TIMEOUT_USEC (10 * UINT64_C(1000000))
#define LAYER_MAX 1400U
#define PATH_SMALL 1250U                /* above what every path takes, 1200, and below the layer's */
#define INTERVAL 32U                    /* that is not worth looking for */

/* How the program learns of events. */
typedef enum Way {
        WAY_ASK,                        /* o7s_flow_events(), whenever it likes */
        WAY_DESCRIPTOR,                 /* the same, but only when the descriptor says so */
        WAY_SET,
} Way;

typedef struct Test {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end */
        o7s_flow *flow;
        o7s_set *set;
        Frct *peer;
        Way way;
        bool reads;                     /* the program looks for messages before it looks for events */
        size_t path_max;                /* what is larger is dropped */
        uint32_t known;                 /* packet_max, as the program knows it */
} Test;

static uint32_t number(void *userdata) {
        return 4711;
}

static void layer_set_mtu(Test *t, uint32_t mtu) {
        IrmFlowInfo info = {
                .qos = { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 },
                .transfer = IRM_TRANSFER_EXTENDED,
                .mtu = mtu,
                .mpl_ms = 100,
        };

        irm_layer_set_info(t->layer, &info);
}

static uint32_t packet_max(const Test *t) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };

        assert_int_equal(o7s_flow_stats(t->flow, &stats), 0);
        return stats.packet_max;
}

static void test_open(Test *t, Way way, bool reads) {
        const FrctConfig config = {
                .reliable = true,
                .extended = true,
                .packet_max = LAYER_MAX,
                .mpl = 100 * NSEC_PER_MSEC,
                .random = number,
        };
        const o7s_qos qos = { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 };

        *t = (Test) { .way = way, .reads = reads, .path_max = LAYER_MAX };
        assert_int_equal(irm_thread_start(&t->irm), 0);
        assert_int_equal(irm_layer_new(&t->layer), 0);
        irm_thread_set_layer(t->irm, t->layer);
        layer_set_mtu(t, LAYER_MAX);
        assert_int_equal(o7s_flow_alloc("layered", &qos, 0, TIMEOUT_USEC, &t->flow), 0);
        t->channel = irm_layer_take_channel(t->layer);
        assert_non_null(t->channel);
        assert_int_equal(frct_new(&config, time_now_nsec(), &t->peer), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, 0), 0);

        if (way == WAY_DESCRIPTOR)
                assert_true(o7s_flow_fd(t->flow) >= 0);
        if (way == WAY_SET) {
                assert_int_equal(o7s_set_new(&t->set), 0);
                assert_int_equal(o7s_set_add(t->set, O7S_KIND_FLOW, t->flow), 0);
        }
        t->known = packet_max(t);
}

static void test_close(Test *t) {
        if (t->channel)
                channel_close(t->channel, CLOSE_NORMAL);
        t->set = o7s_set_unref(t->set);
        t->flow = o7s_flow_unref(t->flow);
        t->channel = channel_free(t->channel);
        t->peer = frct_free(t->peer);
        t->irm = irm_thread_free(t->irm);
        t->layer = irm_layer_free(t->layer);
}

#define _cleanup_test_ _cleanup_(test_close)

/* -- the layer and the peer -- */

static void peer_hear(Test *t) {
        uint8_t packet[LAYER_MAX], message[4096];
        ssize_t size;
        bool more;

        while ((size = channel_read(t->channel, packet, sizeof(packet), NULL)) > 0)
                if ((size_t) size <= t->path_max)
                        frct_receive(t->peer, packet, (size_t) size, false, time_now_nsec());
        (void) channel_release(t->channel);

        while (frct_read(t->peer, message, sizeof(message), &more, time_now_nsec()) > 0)
                ;
}

static void peer_speak(Test *t) {
        uint8_t packet[LAYER_MAX];
        size_t size;

        frct_expire(t->peer, time_now_nsec());
        while ((size = frct_transmit(t->peer, packet, sizeof(packet), time_now_nsec())) > 0) {
                struct iovec part = { .iov_base = packet, .iov_len = size };

                (void) channel_push(t->channel, &part, 1);      /* no room: lost, as layers do it */
        }
        (void) channel_publish(t->channel);
}

/* The layer's process and the peer have their turn, and a moment for the engine. */
static void others_run(Test *t) {
        struct pollfd p = { .fd = channel_fd(t->channel), .events = POLLIN };

        peer_hear(t);
        peer_speak(t);
        if (channel_arm_read(t->channel) == 1)
                (void) poll(&p, 1, 1);
        (void) channel_drain(t->channel, NULL);
}

/* -- the program -- */

static uint32_t look(Test *t) {
        struct pollfd p = { .fd = t->way == WAY_DESCRIPTOR ? o7s_flow_fd(t->flow) : -1, .events = POLLIN };
        o7s_event event;
        int n;

        if (t->way == WAY_SET) {
                n = o7s_set_wait(t->set, &event, 1, 0);
                assert_true(n == 1 || n == -EAGAIN);
                return n == 1 ? event.events : 0;
        }
        if (t->way == WAY_DESCRIPTOR && poll(&p, 1, 0) == 0)
                return 0;

        return (uint32_t) o7s_flow_events(t->flow);
}

/* Nothing else ever happens here. Returns whether the flow had changed. */
static bool program_looks(Test *t) {
        uint8_t message[16];
        uint32_t events;

        if (t->reads)
                assert_int_equal(o7s_flow_read(t->flow, message, sizeof(message)), -EAGAIN);

        events = look(t);
        assert_int_equal(events & ~O7S_CHANGED, 0);
        return events & O7S_CHANGED;
}

/* Data moves until the program, which believes what it is told and nothing else, knows a size between these. */
static void expect_told(Test *t, uint32_t least, uint32_t most) {
        static const uint8_t message[3000];
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;

        while (t->known < least || t->known > most) {
                ssize_t n = o7s_flow_write(t->flow, message, sizeof(message));

                assert_true(n == sizeof(message) || n == -EAGAIN);
                others_run(t);
                if (program_looks(t))
                        t->known = packet_max(t);
                if (time_now_nsec() > until)
                        fail_msg("%u to %u bytes: not told, it is %u", least, most, packet_max(t));
        }
}

/* All has arrived, so nothing is found out but by probes that are out, which can only make it more: who is told without
 * cause is told too often. */
static void expect_quiet(Test *t) {
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;
        struct o7s_flow_stats stats = { .size = sizeof(stats) };

        do {
                assert_true(time_now_nsec() < until);
                others_run(t);
                assert_int_equal(o7s_flow_stats(t->flow, &stats), 0);
        } while (stats.unacknowledged_bytes > 0);
        (void) program_looks(t);
        t->known = packet_max(t);

        for (unsigned i = 0; i < 20; i++) {
                others_run(t);
                if (program_looks(t)) {
                        assert_true(packet_max(t) > t->known);
                        t->known = packet_max(t);
                }
        }
}

/* The layer's process is killed; the next one takes packets of another size. */
static void layer_restarts(Test *t, uint32_t mtu) {
        layer_set_mtu(t, mtu);
        t->channel = channel_free(t->channel);
        for (nsec_t until = time_now_nsec() + PATIENCE_NSEC; !t->channel;) {
                assert_true(time_now_nsec() < until);
                if (program_looks(t))
                        t->known = packet_max(t);
                t->channel = irm_layer_take_channel(t->layer);
        }
}

static const struct {
        const char *name;
        Way way;
        bool reads;
} rows[] = {
        { "asks for events",               WAY_ASK,        false },
        { "asks for events after a read",  WAY_ASK,        true  },
        { "descriptor",                    WAY_DESCRIPTOR, false },
        { "descriptor, after a read",      WAY_DESCRIPTOR, true  },
        { "set",                           WAY_SET,        false },
        { "set, after a read",             WAY_SET,        true  },
};

/* Probes find that the path takes more; then it takes less, which shows in what is lost. */
static void test_path(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, rows[i].way, rows[i].reads);
                assert_in_range(t.known, 1, LAYER_MAX - 1);
                expect_told(&t, LAYER_MAX, LAYER_MAX);
                expect_quiet(&t);

                t.path_max = PATH_SMALL;
                expect_told(&t, PATH_SMALL - INTERVAL, PATH_SMALL);
                expect_quiet(&t);
        }
}

static void test_layer(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, rows[i].way, rows[i].reads);
                expect_told(&t, LAYER_MAX, LAYER_MAX);

                layer_restarts(&t, 1000);
                expect_told(&t, 1000, 1000);
                expect_quiet(&t);

                layer_restarts(&t, LAYER_MAX);
                expect_told(&t, LAYER_MAX, LAYER_MAX);
                expect_quiet(&t);
        }
}

/* Reads whenever the descriptor says so, and never asks what there is: that must not go on for ever. */
static void test_never_asks(void **state) {
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;
        _cleanup_test_ Test t;
        struct pollfd p;

        test_open(&t, WAY_DESCRIPTOR, true);
        p = (struct pollfd) { .fd = o7s_flow_fd(t.flow), .events = POLLIN };
        assert_int_equal(o7s_flow_write(t.flow, "x", 1), 1);

        for (unsigned n_quiet = 0; n_quiet < 20; n_quiet++) {
                uint8_t message[16];

                assert_true(time_now_nsec() < until);
                others_run(&t);
                if (packet_max(&t) < LAYER_MAX)
                        n_quiet = 0;
                if (poll(&p, 1, 0) > 0) {
                        assert_int_equal(o7s_flow_read(t.flow, message, sizeof(message)), -EAGAIN);
                        n_quiet = 0;
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path),
                cmocka_unit_test(test_layer),
                cmocka_unit_test(test_never_asks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
