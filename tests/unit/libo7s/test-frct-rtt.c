/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Round trip and time-out: arithmetic by hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/frct-rtt.h"

#define USEC ((nsec_t) 1000)
#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

static const struct {
        const char *name;
        nsec_t samples[4];              /* 0 ends them */
        nsec_t smoothed, deviation, timeout, minimum;
} samples[] = {
        { "none yet", {}, 0, 0, SEC, NSEC_INFINITY },
        { "the first", { 40 * MSEC }, 40 * MSEC, 20 * MSEC, 120 * MSEC, 40 * MSEC },
        { "the same again", { 40 * MSEC, 40 * MSEC }, 40 * MSEC, 19375 * USEC, 117500 * USEC, 40 * MSEC },
        { "slower", { 40 * MSEC, 80 * MSEC }, 45 * MSEC, 25 * MSEC, 145 * MSEC, 40 * MSEC },
        { "faster", { 40 * MSEC, 32 * MSEC }, 39 * MSEC, 19625 * USEC, 117500 * USEC, 32 * MSEC },
        { "below the floors", { 10 }, 1 * USEC, 100, 250 * USEC, 1 * USEC },
        { "short", { 40 * USEC }, 40 * USEC, 20 * USEC, 250 * USEC, 40 * USEC },
        { "impossible", { NSEC_INFINITY }, 1000 * SEC, 500 * SEC, 3000 * SEC, 1000 * SEC },
};

static void test_samples(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(samples); i++) {
                FrctRtt r;

                print_message("%s\n", samples[i].name);
                frct_rtt_init(&r);
                for (unsigned n = 0; n < ELEMENTSOF(samples[i].samples) && samples[i].samples[n] > 0; n++)
                        frct_rtt_sample(&r, samples[i].samples[n]);

                assert_int_equal(r.smoothed, samples[i].smoothed);
                assert_int_equal(r.deviation, samples[i].deviation);
                assert_int_equal(r.minimum, samples[i].minimum);
                assert_int_equal(frct_rtt_timeout(&r, 0), samples[i].timeout);
        }
}

static void test_back_off(void **state) {
        const nsec_t first[] = { SEC, 2 * SEC, 4 * SEC, 5 * SEC, 5 * SEC };
        FrctRtt r;

        frct_rtt_init(&r);
        for (size_t i = 0; i < ELEMENTSOF(first); i++) {
                assert_int_equal(frct_rtt_timeout(&r, 0), first[i]);
                frct_rtt_back_off(&r);
        }
        for (unsigned n = 0; n < 1000; n++)
                frct_rtt_back_off(&r);
        assert_int_equal(frct_rtt_timeout(&r, 0), FRCT_RTO_MAX);

        frct_rtt_sample(&r, 40 * MSEC);
        assert_int_equal(frct_rtt_timeout(&r, 0), 120 * MSEC);
        frct_rtt_back_off(&r);
        assert_int_equal(frct_rtt_timeout(&r, 0), 240 * MSEC);
        frct_rtt_recover(&r);
        assert_int_equal(frct_rtt_timeout(&r, 0), 120 * MSEC);

        /* A path that is slower than the maximum keeps its own time. */
        frct_rtt_init(&r);
        frct_rtt_sample(&r, 4 * SEC);
        frct_rtt_back_off(&r);
        assert_int_equal(frct_rtt_timeout(&r, 0), 12 * SEC);
}

/* What the peer may wait with its acknowledgement stands in for a deviation that is smaller. */
static void test_floor(void **state) {
        FrctRtt r;

        frct_rtt_init(&r);
        frct_rtt_sample(&r, 100 * USEC);
        assert_int_equal(frct_rtt_timeout(&r, 20 * MSEC), 20100 * USEC);
        frct_rtt_sample(&r, 40 * MSEC);
        assert_true(frct_rtt_timeout(&r, 20 * MSEC) == r.smoothed + 4 * r.deviation);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_samples),
                cmocka_unit_test(test_back_off),
                cmocka_unit_test(test_floor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
