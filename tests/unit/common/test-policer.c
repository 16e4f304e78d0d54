/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a flow may send before it is over its rate, and when it has recovered. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/policer.h"

#define START (10 * USEC_PER_SEC)

/* A steady sender: packets of one size, one every interval. */
static const struct {
        const char *name;
        uint64_t rate_bps;
        size_t packet_bytes;
        usec_t interval_usec;
        bool over;                      /* within a minute */
} senders[] = {
        { "nothing asked for, nothing held against it", 0, 65000, 100, false },
        { "a codec of 64 kbit/s, with headers", 64000, 160 + 48, 20 * USEC_PER_MSEC, false },
        { "the same, with what it writes in smaller packets", 64000, 80 + 48, 10 * USEC_PER_MSEC, false },
        { "a quarter more than it asked for", 64000, 200 + 48, 20 * USEC_PER_MSEC, true },
        { "all of its rate", 100000, 1250 + 48, 100 * USEC_PER_MSEC, false },
        { "twice its rate", 100000, 1250 + 48, 50 * USEC_PER_MSEC, true },
        { "headers and little else, at its rate", 100000, 50, 2 * USEC_PER_MSEC, false },
        { "headers and little else, as many as go", 100000, 50, 100, true },
        { "one byte, as many as go", 8000, 1, 100, true },
        { "a film", 25000000, 1250 + 48, 400, false },
        { "a film, and half as much again", 25000000, 1250 + 48, 270, true },
        { "a bit per second, used with care", 1, 64, 300 * USEC_PER_SEC, false },
        { "a bit per second, as if it were a hundred thousand", 1, 160, 20 * USEC_PER_MSEC, true },
        { "more than can be", UINT64_MAX, 65000, 100, false },
};

static bool exceeds(uint64_t rate_bps, size_t packet_bytes, usec_t interval, usec_t duration) {
        Policer p;

        policer_init(&p, rate_bps, START);
        for (usec_t now = START; now < START + duration; now += interval) {
                if (policer_is_over(&p, now))
                        return true;
                policer_charge(&p, policer_cost(packet_bytes), now);
        }

        return false;
}

static void test_steady(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(senders); i++) {
                print_message("%s\n", senders[i].name);
                assert_int_equal(exceeds(senders[i].rate_bps, senders[i].packet_bytes, senders[i].interval_usec,
                                         60 * USEC_PER_SEC), senders[i].over);
        }
}

/* How much goes at once, from a full bucket. */
static const struct {
        const char *name;
        uint64_t rate_bps;
        size_t bytes;
} depths[] = {
        { "a slow flow: some packets", 1, POLICER_DEPTH_MIN_BYTES },
        { "voice: the same", 100000, POLICER_DEPTH_MIN_BYTES },
        { "a film: what it may send in a quarter of a second", 25000000, 25000000 / 8 / 4 },
};

static void test_at_once(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(depths); i++) {
                size_t bytes = 0;
                Policer p;

                print_message("%s\n", depths[i].name);
                policer_init(&p, depths[i].rate_bps, START);
                for (; !policer_is_over(&p, START); bytes += 50)
                        policer_charge(&p, 50, START);
                assert_in_range(bytes, depths[i].bytes, depths[i].bytes + 50);
        }
}

/* 8 kbit/s, a byte per millisecond, all of the bucket used up at once: what it does then, and whether it has recovered
 * at the end of that. */
static const struct {
        const char *name;
        size_t at_once;
        size_t then;                    /* bytes each time */
        usec_t interval_msec;
        usec_t duration_sec;
        usec_t silence_msec;            /* after that */
        bool recovers;
} recoveries[] = {
        { "silent, too short", 16384, 0, 1000, 0, 16383, false },
        { "silent for as long as the bucket takes", 16384, 0, 1000, 0, 16384, true },
        { "silent, with a debt of a second", 17384, 0, 1000, 0, 17383, false },
        { "silent until it is paid off", 17384, 0, 1000, 0, 17384, true },
        { "half its rate, too short", 16384, 10, 20, 32, 20, false },
        { "half its rate", 16384, 10, 20, 33, 20, true },
        { "half its rate, without a gap", 16384, 2, 4, 33, 4, false },
        { "all of its rate, for ever", 16384, 20, 20, 3600, 20, false },
        { "a flood makes no new debt", 16384, 1400, 1, 60, 16384, true },
        { "a flood, and short of the bucket", 16384, 1400, 1, 60, 16382, false },
        { "a debt is paid off in time, flood or not", 17384, 1400, 1, 60, 16384, true },
};

static void test_recovery(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(recoveries); i++) {
                usec_t now = START, end = START + recoveries[i].duration_sec * USEC_PER_SEC;
                Policer p;

                print_message("%s\n", recoveries[i].name);
                policer_init(&p, 8000, START);
                policer_charge(&p, recoveries[i].at_once, START);
                assert_true(policer_is_over(&p, START));

                for (usec_t next = START; next < end; next += recoveries[i].interval_msec * USEC_PER_MSEC) {
                        now = next;
                        if (policer_is_over(&p, now))
                                policer_charge(&p, recoveries[i].then, now);
                }
                now += recoveries[i].silence_msec * USEC_PER_MSEC;
                assert_int_equal(!policer_is_over(&p, now), recoveries[i].recovers);
                if (!recoveries[i].recovers)
                        continue;

                /* As new, and no more than that. */
                policer_charge(&p, POLICER_DEPTH_MIN_BYTES - 1, now);
                assert_false(policer_is_over(&p, now));
                policer_charge(&p, 1, now);
                assert_true(policer_is_over(&p, now));
        }
}

/* In any hour that begins with a full bucket, whatever the pattern: what goes ahead is the rate, the bucket and a
 * burst. */
static void test_bound(void **state) {
        static const size_t bursts[] = { 32, 1400, 32 * 1400, 32 * 65000 };

        for (size_t i = 0; i < ELEMENTSOF(bursts); i++) {
                const size_t allowed = 100000 / 8 * 3600 + POLICER_DEPTH_MIN_BYTES;
                size_t ahead = 0;
                Policer p;

                policer_init(&p, 100000, START);
                for (usec_t now = START; now < START + 3600 * USEC_PER_SEC;) {
                        if (policer_is_over(&p, now)) {
                                now += USEC_PER_SEC / 2;        /* who knows the rule stays silent */
                                continue;
                        }
                        policer_charge(&p, bursts[i], now);
                        ahead += bursts[i];
                }
                assert_in_range(ahead, allowed / 2, allowed + bursts[i]);
        }
}

/* A clock never goes back; if one does, nothing is gained by it. */
static void test_clock(void **state) {
        Policer p;

        policer_init(&p, 8000, START);
        policer_charge(&p, 16384, START);
        assert_true(policer_is_over(&p, START - USEC_PER_SEC));
        assert_true(policer_is_over(&p, START + 16383 * USEC_PER_MSEC));
        assert_false(policer_is_over(&p, USEC_INFINITY));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_steady),
                cmocka_unit_test(test_at_once),
                cmocka_unit_test(test_recovery),
                cmocka_unit_test(test_bound),
                cmocka_unit_test(test_clock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
