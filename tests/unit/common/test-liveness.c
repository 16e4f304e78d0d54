/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Peers that can prove that they are there: when they are asked to, and when they are dead whatever else arrives. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/liveness.h"

#define T0 (1000 * USEC_PER_SEC)
#define TIMEOUT_MS 10000U       /* asked after 20 s, dead after 40 s */

static void test_events(void **state) {
        static const struct {
                const char *name;
                bool proves;
                usec_t sent, heard, asked;      /* in ms */
                usec_t now;
                LivenessEvent event;
                usec_t next;
        } rows[] = {
                { "no keys: whatever arrives counts", false, 100000, 100000, 0, 100001, LIVENESS_NOTHING, 102500 },
                { "fresh", true, 1000, 1000, 0, 1001, LIVENESS_NOTHING, 3500 },
                { "keepalive", true, 1000, 3000, 0, 3500, LIVENESS_SEND, 3500 },
                { "silent: as ever", true, 9000, 0, 0, 10000, LIVENESS_DEAD, 10000 },
                { "heard, not proven, not yet asked", true, 19000, 19000, 0, 19999, LIVENESS_NOTHING, 20000 },
                { "to be asked", true, 19000, 19000, 0, 20000, LIVENESS_ASK, 20000 },
                { "asked: as others", true, 19000, 19000, 20000, 21500, LIVENESS_SEND, 21500 },
                { "asked, in time", true, 39000, 39000, 20000, 39999, LIVENESS_NOTHING, 40000 },
                { "asked in vain", true, 39000, 39999, 20000, 40000, LIVENESS_DEAD, 40000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Liveness l;

                print_message("%s\n", rows[i].name);
                liveness_init(&l, TIMEOUT_MS, T0);
                if (rows[i].proves)
                        liveness_proven(&l, T0);
                if (rows[i].asked > 0)
                        liveness_asked(&l, T0 + rows[i].asked * USEC_PER_MSEC);
                liveness_sent(&l, T0 + rows[i].sent * USEC_PER_MSEC);
                liveness_heard(&l, T0 + rows[i].heard * USEC_PER_MSEC);
                assert_int_equal(liveness_expire(&l, T0 + rows[i].now * USEC_PER_MSEC), rows[i].event);
                assert_true(liveness_next(&l) == T0 + rows[i].next * USEC_PER_MSEC);
        }
}

static void test_without_time_out(void **state) {
        Liveness l;

        liveness_init(&l, 0, T0);
        liveness_proven(&l, T0);
        assert_int_equal(liveness_expire(&l, T0 + 1000000 * USEC_PER_SEC), LIVENESS_NOTHING);
        assert_true(liveness_next(&l) == USEC_INFINITY);
}

/* The longest that there is: nothing wraps around. */
static void test_longest(void **state) {
        Liveness l;

        liveness_init(&l, UINT32_MAX, T0);
        liveness_proven(&l, T0);
        assert_true(liveness_next(&l) == T0 + UINT32_MAX * USEC_PER_MSEC / 4);
        assert_int_equal(liveness_expire(&l, T0), LIVENESS_NOTHING);
}

static void test_proven_again(void **state) {
        usec_t now = T0;
        Liveness l;

        liveness_init(&l, TIMEOUT_MS, now);
        liveness_proven(&l, now);
        for (unsigned i = 0; i < 100; i++) {
                now += 19999 * USEC_PER_MSEC;
                liveness_heard(&l, now);
                liveness_sent(&l, now);
                assert_int_equal(liveness_expire(&l, now), LIVENESS_NOTHING);
                liveness_proven(&l, now);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_events),
                cmocka_unit_test(test_without_time_out),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_proven_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
