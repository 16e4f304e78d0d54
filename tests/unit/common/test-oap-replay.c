/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The replay cache: what it remembers and how long; when it is full; when the clock moves. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/oap.h"

#define NOW (UINT64_C(1700000000) * NSEC_PER_SEC)

static int set_up(void **state) {
        OapReplay *replay;

        assert_int_equal(oap_replay_new((const uint8_t[SIPHASH_KEY_BYTES]) { 7 }, &replay), 0);
        *state = replay;
        return 0;
}

static int tear_down(void **state) {
        assert_null(oap_replay_free(*state));
        return 0;
}

static OapHeader header_of(uint32_t number, uint64_t stamp) {
        OapHeader header = { .timestamp = stamp };

        memcpy(header.id, &number, sizeof(number));
        return header;
}

static int check(OapReplay *replay, uint32_t number, uint64_t stamp, uint64_t now) {
        OapHeader header = header_of(number, stamp);

        return oap_replay_check(replay, &header, true, now);
}

static int check_unproven(OapReplay *replay, uint32_t number, uint64_t stamp, uint64_t now) {
        OapHeader header = header_of(number, stamp);

        return oap_replay_check(replay, &header, false, now);
}

static void test_remembers(void **state) {
        OapReplay *replay = *state;

        assert_int_equal(check(replay, 1, NOW, NOW), 0);
        assert_int_equal(check(replay, 1, NOW, NOW), -EEXIST);
        assert_int_equal(check(replay, 2, NOW, NOW), 0);                /* another id */
        assert_int_equal(check(replay, 1, NOW - 1, NOW), 0);            /* another stamp */
        assert_int_equal(check(replay, 1, NOW, NOW + 20 * NSEC_PER_SEC), -EEXIST);

        /* As long as it could be accepted, it is remembered; after that its age refuses it. */
        assert_int_equal(check(replay, 1, NOW, NOW + 20 * NSEC_PER_SEC + 1), -ETIME);
        assert_int_equal(check(replay, 9, NOW + NSEC_PER_SEC, NOW), -ETIME);
}

/* At every moment of the window, in steps that fall before, on and behind the ticks of the wheel. */
static void test_whole_window(void **state) {
        OapReplay *replay = *state;

        for (uint32_t i = 0; i < 200; i++)
                assert_int_equal(check(replay, i, NOW - i * 100 * 1000 * 1000, NOW), 0);

        for (uint64_t now = NOW; now < NOW + 21 * NSEC_PER_SEC; now += 16777213)
                for (uint32_t i = 0; i < 200; i++) {
                        uint64_t stamp = NOW - i * 100 * 1000 * 1000;

                        assert_int_equal(check(replay, i, stamp, now),
                                         now - stamp <= OAP_WINDOW_PAST_NSEC ? -EEXIST : -ETIME);
                }
}

static void fill(OapReplay *replay, uint64_t now) {
        for (uint32_t i = 0; i < OAP_REPLAY_ENTRIES_MAX; i++)
                assert_int_equal(check(replay, i, now - i % 1000, now), 0);
}

static void test_full(void **state) {
        OapReplay *replay = *state;
        uint64_t later = NOW + 21 * NSEC_PER_SEC;

        fill(replay, NOW);
        assert_int_equal(check(replay, 99999999, NOW, NOW), -EBUSY);
        assert_int_equal(check(replay, 5, NOW - 5, NOW), -EEXIST);      /* nothing was forgotten for it */

        /* All of it is free again once it has expired, and not before. */
        assert_int_equal(check(replay, 99999999, NOW + 19 * NSEC_PER_SEC, NOW + 19 * NSEC_PER_SEC), -EBUSY);
        fill(replay, later);
        assert_int_equal(check(replay, 99999999, later, later), -EBUSY);
}

/* A flood of those who prove nothing, and what is left for those who do: as much as they ever had, again and again. */
static void test_flood(void **state) {
        const uint32_t n_kept = OAP_REPLAY_ENTRIES_MAX - OAP_REPLAY_UNPROVEN_MAX, someone = 0x80000000;
        OapReplay *replay = *state;

        for (uint64_t now = NOW; now < NOW + 100 * NSEC_PER_SEC; now += 21 * NSEC_PER_SEC) {
                for (uint32_t i = 0; i < OAP_REPLAY_ENTRIES_MAX; i++)
                        assert_int_equal(check_unproven(replay, i, now, now), i < OAP_REPLAY_UNPROVEN_MAX ? 0 : -EBUSY);

                for (uint32_t i = 0; i < n_kept; i++)
                        assert_int_equal(check(replay, someone + i, now, now), 0);
                assert_int_equal(check(replay, someone + n_kept, now, now), -EBUSY);
                assert_int_equal(check(replay, someone, now, now), -EEXIST);
                assert_int_equal(check_unproven(replay, 0, now, now), -EEXIST);
        }
}

/* The other way round: the proven may have it all. */
static void test_flood_of_proven(void **state) {
        OapReplay *replay = *state;

        fill(replay, NOW);
        assert_int_equal(check_unproven(replay, 99999999, NOW, NOW), -EBUSY);
        assert_int_equal(check_unproven(replay, 99999999, NOW + 21 * NSEC_PER_SEC, NOW + 21 * NSEC_PER_SEC), 0);
}

/* A steady stream, at a rate that the cache has room for, is never refused, and each repetition is seen. */
static void test_stream(void **state) {
        OapReplay *replay = *state;
        const uint64_t interval = NSEC_PER_SEC / 3000;

        for (uint32_t i = 0; i < 300000; i++) {
                uint64_t now = NOW + i * interval;

                assert_int_equal(check(replay, i, now - 2 * NSEC_PER_SEC, now), 0);
                if (i % 7 == 0 && i >= 50000)
                        assert_int_equal(
                                check(replay, i - 50000, now - 50000 * interval - 2 * NSEC_PER_SEC, now),
                                -EEXIST);
        }
}

/* The clock is set back and comes forward again: what was seen stays seen. */
static void test_clock_set_back(void **state) {
        OapReplay *replay = *state;

        assert_int_equal(check(replay, 1, NOW, NOW), 0);
        assert_int_equal(check(replay, 2, NOW - 3600 * NSEC_PER_SEC, NOW - 3600 * NSEC_PER_SEC), 0);
        for (uint64_t now = NOW - 3600 * NSEC_PER_SEC; now < NOW; now += NSEC_PER_SEC)
                assert_int_equal(check(replay, 3, now, now), 0);
        assert_int_equal(check(replay, 1, NOW, NOW), -EEXIST);
        assert_int_equal(check(replay, 1, NOW, NOW + 10 * NSEC_PER_SEC), -EEXIST);
}

/* The clock is ahead for a while, and everything is forgotten; then it is set right. */
static void test_clock_steps(void **state) {
        static const struct {
                const char *name;
                uint64_t ahead_sec;
                int seen, new, soon, later;     /* again; another of that time; soon after; when it is that late
                                                 * again */
        } cases[] = {
                { "a second",      1,     -EEXIST, 0,       0,       0 },
                { "a minute",      60,    -EEXIST, -EEXIST, 0,       0 },
                { "two minutes",   120,   -EEXIST, -EEXIST, 0,       0 },
                { "an hour",       3600,  -EEXIST, -EEXIST, 0,       0 },
                { "a day",         86400, -EEXIST, -EEXIST, 0,       0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(oap_replay_freep) OapReplay *replay = NULL;
                uint64_t ahead = NOW + cases[i].ahead_sec * NSEC_PER_SEC, stamp = NOW - 2 * NSEC_PER_SEC;

                print_message("%s\n", cases[i].name);
                assert_int_equal(oap_replay_new((const uint8_t[SIPHASH_KEY_BYTES]) { 7 }, &replay), 0);
                assert_int_equal(check(replay, 1, stamp, NOW), 0);
                assert_int_equal(check(replay, 2, stamp + NSEC_PER_SEC, NOW), 0);
                assert_int_equal(check(replay, 3, ahead, ahead), 0);
                assert_int_equal(check(replay, 1, stamp, NOW), cases[i].seen);
                assert_int_equal(check(replay, 4, stamp + NSEC_PER_SEC, NOW), cases[i].new);
                assert_int_equal(check(replay, 6, NOW + NSEC_PER_SEC, NOW + 3 * NSEC_PER_SEC), cases[i].soon);
                assert_int_equal(check(replay, 5, ahead, ahead), cases[i].later);
                assert_int_equal(check(replay, 3, ahead, ahead), -EEXIST);
        }
}

/* After any silence the cache is empty, not confused. */
static void test_silence(void **state) {
        static const uint64_t silences[] = { 21, 34, 35, 60, 86400, 86400 * 365 };
        OapReplay *replay = *state;
        uint64_t now = NOW;

        for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
                fill(replay, now);
                now += silences[i] * NSEC_PER_SEC;
        }
        fill(replay, now);
}

#define REPLAY_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                REPLAY_TEST(test_remembers),
                REPLAY_TEST(test_whole_window),
                REPLAY_TEST(test_full),
                REPLAY_TEST(test_flood),
                REPLAY_TEST(test_flood_of_proven),
                REPLAY_TEST(test_stream),
                REPLAY_TEST(test_clock_set_back),
                REPLAY_TEST(test_clock_steps),
                REPLAY_TEST(test_silence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
