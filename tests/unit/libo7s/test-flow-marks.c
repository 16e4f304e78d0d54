/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Congestion that a layer met, on its way through a lane and a flow: what is marked there is counted, and told to the
 * peer, which is what slows that down (test-frct has that, in virtual time). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/layered-flow.h"

#define _cleanup_layered_flow_ _cleanup_(layered_flow_close)

static const uint8_t message[500];

/* One message from the peer to the program. */
static void pass_one(LayeredFlow *l) {
        struct iovec part = { .iov_base = (void *) (uintptr_t) message, .iov_len = sizeof(message) };
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
        uint8_t got[sizeof(message)];

        assert_int_equal(frct_write(l->peer, &part, 1, time_now_nsec()), sizeof(message));
        do {
                assert_true(time_now_nsec() < until);
                layered_flow_run(l);
        } while (o7s_flow_read(l->flow, got, sizeof(got)) != sizeof(got));
}

/* The mark in a lane is a packet's own: each is counted, none is invented, and the peer is told of all of them. */
static void test_received(void **state) {
        nsec_t until = time_now_nsec() + LAYERED_FLOW_PATIENCE;
        _cleanup_layered_flow_ LayeredFlow l;
        struct o7s_flow_stats stats;

        layered_flow_open(&l);
        for (unsigned i = 0; i < 100; i++) {
                l.marks = i % 3 == 0;
                pass_one(&l);
        }

        l.marks = false;
        do {                                            /* what was said last may have been said too early */
                assert_true(time_now_nsec() < until);
                pass_one(&l);
        } while (l.marked_heard != l.n_marked);
        layered_flow_stats(&l, &stats);
        assert_true(l.n_marked >= 34);
        assert_int_equal(stats.marked, l.n_marked);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_received),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
