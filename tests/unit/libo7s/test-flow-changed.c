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

#include "tests/support/layered-flow.h"

#define PATH_SMALL 1250U                /* above what every path takes, 1200, and below the layer's */
#define INTERVAL 32U                    /* that is not worth looking for */

typedef struct Test {
        LayeredFlow l;
        o7s_set *set;
        Way way;
        bool reads;                     /* the program looks for messages before it looks for events */
        uint32_t known;                 /* packet_max, as the program knows it */
} Test;

static uint32_t packet_max(const Test *t) {
        struct o7s_flow_stats stats;

        layered_flow_stats(&t->l, &stats);
        return stats.packet_max;
}

static void test_open(Test *t, Way way, bool reads) {
        *t = (Test) { .way = way, .reads = reads };
        layered_flow_open(&t->l);
        if (way == WAY_DESCRIPTOR)
                assert_true(o7s_flow_fd(t->l.flow) >= 0);
        if (way == WAY_SET) {
                assert_int_equal(o7s_set_new(&t->set), 0);
                assert_int_equal(o7s_set_add(t->set, O7S_KIND_FLOW, t->l.flow), 0);
        }
        t->known = packet_max(t);
}

static void test_close(Test *t) {
        t->set = o7s_set_unref(t->set);
        layered_flow_close(&t->l);
}

#define _cleanup_test_ _cleanup_(test_close)

/* Nothing else ever happens here. Returns whether the flow had changed. */
static bool program_looks(Test *t) {
        uint8_t message[16];
        uint32_t events;

        if (t->reads)
                assert_int_equal(o7s_flow_read(t->l.flow, message, sizeof(message)), -EAGAIN);

        events = layered_flow_look(t->l.flow, t->set, t->way);
        assert_int_equal(events & ~O7S_CHANGED, 0);
        return events & O7S_CHANGED;
}

/* Data moves until the program, which believes what it is told and nothing else, knows a size between these. */
static void expect_told(Test *t, uint32_t least, uint32_t most) {
        static const uint8_t message[3000];
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;

        while (t->known < least || t->known > most) {
                ssize_t n = o7s_flow_write(t->l.flow, message, sizeof(message));

                assert_true(n == sizeof(message) || n == -EAGAIN);
                layered_flow_run(&t->l);
                if (program_looks(t))
                        t->known = packet_max(t);
                if (time_now_nsec() > until)
                        fail_msg("%u to %u bytes: not told, it is %u", least, most, packet_max(t));
        }
}

/* All has arrived, and probes that are out find what they find: then nothing changes any more, and nobody is told again
 * what he was told. */
static void expect_quiet(Test *t) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;

        for (unsigned n_quiet = 0; n_quiet < 20; n_quiet++) {
                struct o7s_flow_stats stats;

                assert_true(time_now_nsec() < until);
                layered_flow_run(&t->l);
                layered_flow_stats(&t->l, &stats);
                if (program_looks(t)) {
                        t->known = packet_max(t);
                        n_quiet = 0;
                }
                if (stats.unacknowledged_bytes > 0)
                        n_quiet = 0;
        }
}

/* The layer's process is killed; the next one takes packets of another size. */
static void layer_restarts(Test *t, uint32_t mtu) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;

        layered_flow_kill(&t->l, mtu);
        do {
                assert_true(time_now_nsec() < until);
                if (program_looks(t))
                        t->known = packet_max(t);
        } while (!layered_flow_restarts(&t->l));
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
                assert_in_range(t.known, 1, LAYERED_FLOW_MTU - 1);
                expect_told(&t, LAYERED_FLOW_MTU, LAYERED_FLOW_MTU);
                expect_quiet(&t);

                t.l.path_max = PATH_SMALL;
                expect_told(&t, PATH_SMALL - INTERVAL, PATH_SMALL);
                expect_quiet(&t);
        }
}

static void test_layer(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, rows[i].way, rows[i].reads);
                expect_told(&t, LAYERED_FLOW_MTU, LAYERED_FLOW_MTU);

                layer_restarts(&t, 1000);
                expect_told(&t, 1000, 1000);
                expect_quiet(&t);

                layer_restarts(&t, LAYERED_FLOW_MTU);
                expect_told(&t, LAYERED_FLOW_MTU, LAYERED_FLOW_MTU);
                expect_quiet(&t);
        }
}

/* Reads whenever the descriptor says so, and never asks what there is: that must not go on for ever. */
static void test_never_asks(void **state) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
        _cleanup_test_ Test t;
        struct pollfd p;

        test_open(&t, WAY_DESCRIPTOR, true);
        p = (struct pollfd) { .fd = o7s_flow_fd(t.l.flow), .events = POLLIN };
        assert_int_equal(o7s_flow_write(t.l.flow, "x", 1), 1);

        for (unsigned n_quiet = 0; n_quiet < 20; n_quiet++) {
                uint8_t message[16];

                assert_true(time_now_nsec() < until);
                layered_flow_run(&t.l);
                if (packet_max(&t) < LAYERED_FLOW_MTU)
                        n_quiet = 0;
                if (poll(&p, 1, 0) > 0) {
                        assert_int_equal(o7s_flow_read(t.l.flow, message, sizeof(message)), -EAGAIN);
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
