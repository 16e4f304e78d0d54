/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets of lossy flows that were overtaken, against a peer made of headers, in virtual time: who waits for whom, for
 * how long, and what becomes of those that come too late. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "libo7s/frct-hold.h"
#include "libo7s/frct-receiver.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define FIRST_NUMBER UINT32_C(0xfffffffe)       /* every test sees the wrap */
#define NOTHING UINT32_MAX

typedef struct Game {
        FrctReceiver *receiver;
        nsec_t now;
} Game;

static Game game_new(nsec_t hold_max, size_t receive_max) {
        const FrctConfig config = { .extended = true,
                                    .packet_max = 1400,
                                    .mpl = 100 * MSEC,
                                    .hold_max = hold_max,
                                    .receive_max = receive_max };
        Game g = { .now = 100 * SEC };

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        return g;
}

static void game_done(Game *g) {
        frct_receiver_free(g->receiver);
}

#define _game_ _cleanup_(game_done)

static void hear(Game *g, uint8_t flags, uint32_t sequence, const void *content, size_t size) {
        const FrctHeader header = { .flags = flags | FRCT_RUN_START, .sequence = sequence };

        frct_receiver_heard(g->receiver, &header, content, size, false, g->now);
}

/* Numbers count from the first; the content is a letter. */
static void data(Game *g, uint32_t i) {
        char letter = (char) ('a' + i % 26);

        hear(g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + i, &letter, 1);
}

/* Time passes, and whatever has its time in it happens then. */
static void pass(Game *g, nsec_t span) {
        nsec_t end = g->now + span, next;

        while ((next = frct_receiver_next(g->receiver, g->now)) <= end) {
                FrctHeader header = {};

                g->now = MAX(g->now, next);
                frct_receiver_expire(g->receiver, g->now);
                if (!frct_receiver_must_speak(g->receiver, g->now))
                        continue;
                frct_receiver_speak(g->receiver, &header, 1000, false, g->now);
                frct_receiver_spoke(g->receiver, &header, g->now);
        }
        g->now = end;
}

static const char *read_all(Game *g, char got[static 600]) {
        size_t n = 0;

        while (frct_receiver_read(g->receiver, got + n, 1, NULL, g->now) == 1)
                n++;
        got[n] = '\0';
        return got;
}

static FrctStats stats(Game *g) {
        FrctStats s = {};

        frct_receiver_stats(g->receiver, &s);
        return s;
}

/* -- order -- */

static void test_order(void **state) {
        static const struct {
                const char *name;
                nsec_t hold_max;
                struct {
                        unsigned after_msec;
                        uint32_t number;        /* NOTHING: time passes */
                        const char *read;       /* NULL: the end */
                } steps[12];
                unsigned lost, late, reordered;
        } rows[] = {
                { "in order", 40 * MSEC, { { 0, 0, "a" }, { 1, 1, "b" }, { 1, 2, "c" } }, 0, 0, 0 },
                { "two change places", 40 * MSEC, { { 0, 0, "a" }, { 1, 2, "" }, { 1, 1, "bc" }, { 0, 3, "d" } },
                  0, 0, 1 },
                { "the first of four is last", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 1, 3, "" }, { 1, 4, "" }, { 1, 1, "bcde" } }, 0, 0, 1 },
                { "backwards", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 4, "" }, { 1, 3, "" }, { 1, 2, "" }, { 1, 1, "bcde" } }, 0, 0, 3 },
                { "two gaps, one after the other", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 1, 4, "" }, { 1, 1, "bc" }, { 1, 3, "de" } }, 0, 0, 2 },
                { "two gaps, the second first", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 1, 4, "" }, { 1, 3, "" }, { 1, 1, "bcde" } }, 0, 0, 2 },
                { "duplicates of who waits, and of who does not", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 1, 2, "" }, { 1, 1, "bc" }, { 1, 2, "" }, { 1, 1, "" } }, 0, 3, 1 },
                { "given up after a quarter", 40 * MSEC,
                  { { 0, 0, "a" }, { 1, 2, "" }, { 9, NOTHING, "" }, { 1, NOTHING, "c" }, { 0, 3, "d" } }, 1, 0, 0 },
                { "too late", 40 * MSEC,
                  { { 0, 0, "a" }, { 1, 2, "" }, { 10, NOTHING, "c" }, { 1, 1, "" }, { 1, 3, "d" } }, 1, 1, 0 },
                { "each has its own time", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 4, 4, "" }, { 6, NOTHING, "c" }, { 3, NOTHING, "" },
                    { 1, NOTHING, "e" } }, 2, 0, 0 },
                { "who waits for the longest is behind others", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 4, "" }, { 5, 2, "" }, { 5, NOTHING, "ce" } }, 2, 0, 1 },
                { "filled at the last moment", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 9, 1, "bc" }, { 20, 3, "d" } }, 0, 0, 1 },
                { "one was late, and others may be", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 10, NOTHING, "c" }, { 5, 1, "" }, { 0, 3, "d" }, { 0, 5, "" },
                    { 18, NOTHING, "" }, { 0, 4, "ef" }, { 0, 7, "" }, { 23, NOTHING, "h" } }, 2, 1, 1 },
                { "one was late, a minute ago", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 10, NOTHING, "c" }, { 5, 1, "" }, { 60000, 3, "d" }, { 0, 5, "" },
                    { 9, NOTHING, "" }, { 1, NOTHING, "f" } }, 2, 1, 0 },
                { "later than anybody may wait", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 10, NOTHING, "c" }, { 31, 1, "" }, { 0, 3, "d" }, { 0, 5, "" },
                    { 9, NOTHING, "" }, { 1, NOTHING, "f" } }, 2, 1, 0 },
                { "never longer than the limit", 40 * MSEC,
                  { { 0, 0, "a" }, { 0, 2, "" }, { 10, NOTHING, "c" }, { 30, 1, "" }, { 0, 3, "d" }, { 0, 5, "" },
                    { 39, NOTHING, "" }, { 1, NOTHING, "f" } }, 2, 1, 0 },
                { "nobody waits", 0, { { 0, 0, "a" }, { 1, 2, "c" }, { 0, 1, "" }, { 1, 3, "d" } }, 1, 1, 0 },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(rows[k].hold_max, 0);
                char got[600];

                print_message("%s\n", rows[k].name);
                for (unsigned i = 0; i < ELEMENTSOF(rows[0].steps) && rows[k].steps[i].read; i++) {
                        pass(&g, rows[k].steps[i].after_msec * MSEC);
                        if (rows[k].steps[i].number != NOTHING)
                                data(&g, rows[k].steps[i].number);
                        assert_string_equal(read_all(&g, got), rows[k].steps[i].read);
                }
                assert_int_equal(stats(&g).lost, rows[k].lost);
                assert_int_equal(stats(&g).duplicates, rows[k].late);
                assert_int_equal(stats(&g).reordered, rows[k].reordered);
                assert_int_equal(stats(&g).malformed, 0);
                pass(&g, SEC);
                assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);
        }
}

/* The first of so many comes last. */
static void test_depth(void **state) {
        static const struct {
                unsigned n;
                bool waits;
        } rows[] = { { 1, true }, { 2, true }, { 3, true }, { 8, true }, { 100, true }, { FRCT_HOLD_PACKETS - 1, true },
                     { FRCT_HOLD_PACKETS, false }, { 400, false } };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++)
                for (unsigned backwards = 0; backwards < 2; backwards++) {
                        _game_ Game g = game_new(40 * MSEC, 0);
                        unsigned n = rows[k].n;
                        size_t n_read = 0;
                        char got[600];

                        print_message("%u, %s\n", n, backwards ? "backwards" : "in a row");
                        data(&g, 0);
                        for (unsigned i = 0; i < n; i++) {
                                data(&g, backwards ? n + 1 - i : i + 2);
                                n_read += strlen(read_all(&g, got));
                        }
                        assert_true(rows[k].waits ? n_read == 1 : n_read > 1);
                        data(&g, 1);
                        n_read += strlen(read_all(&g, got));
                        pass(&g, SEC);
                        n_read += strlen(read_all(&g, got));

                        assert_int_equal(n_read + stats(&g).duplicates + stats(&g).out_of_window, n + 2);
                        if (rows[k].waits)
                                assert_int_equal(n_read, n + 2);
                }
}

/* A gap that is larger than what may wait is none of order: what is behind it does not wait. */
static void test_far_ahead(void **state) {
        _game_ Game g = game_new(40 * MSEC, 0);
        char got[600];

        data(&g, 0);
        data(&g, 2);
        data(&g, 4);
        assert_string_equal(read_all(&g, got), "a");
        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + 1 + FRCT_HOLD_PACKETS, "x", 1);
        assert_string_equal(read_all(&g, got), "c");            /* the first gap; the other is near enough */
        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + 10000, "y", 1);
        assert_string_equal(read_all(&g, got), "exy");
        assert_int_equal(stats(&g).lost, 10000 + 1 - 5);

        /* a number out of this world takes nobody with it */
        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + 10002, "z", 1);
        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + (1U << 30), "?", 1);
        assert_int_equal(stats(&g).out_of_window, 1);
        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + 10001, "w", 1);
        assert_string_equal(read_all(&g, got), "wz");
}

/* -- what else there is -- */

static void test_finish(void **state) {
        static const struct {
                const char *name;
                uint32_t numbers[4];            /* 3 is FINISH */
                nsec_t then;
                const char *read;
                bool finished;
                unsigned malformed;
        } rows[] = {
                { "in order",          { 0, 1, 2, 3 }, 0, "abc", true, 0 },
                { "overtakes one",     { 0, 1, 3, 2 }, 0, "abc", true, 0 },
                { "overtakes all",     { 0, 3, 2, 1 }, 0, "abc", true, 0 },
                { "what was before it is lost", { 0, 1, 3, NOTHING }, 11 * MSEC, "ab", true, 0 },
                { "it waits",          { 0, 1, 3, NOTHING }, 9 * MSEC, "ab", false, 0 },
                { "more behind it",    { 0, 3, 4, 1 }, 11 * MSEC, "ab", true, 1 },
                { "more, afterwards",  { 0, 1, 3, 4 }, 11 * MSEC, "ab", true, 1 },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(40 * MSEC, 0);
                char got[600];

                print_message("%s\n", rows[k].name);
                for (unsigned i = 0; i < 4; i++)
                        if (rows[k].numbers[i] == 3)
                                hear(&g, FRCT_FINISH, FIRST_NUMBER + 3, NULL, 0);
                        else if (rows[k].numbers[i] != NOTHING)
                                data(&g, rows[k].numbers[i]);
                pass(&g, rows[k].then);
                assert_string_equal(read_all(&g, got), rows[k].read);
                assert_int_equal(frct_receiver_finished(g.receiver), rows[k].finished);
                assert_int_equal(stats(&g).malformed, rows[k].malformed);
                assert_int_equal(frct_receiver_error(g.receiver), 0);
        }
}

/* A message of several packets is whole where they arrive in another order, and not where one is missing. */
static void test_fragments(void **state) {
        static const uint8_t flags[] = { FRCT_FIRST, FRCT_FIRST | FRCT_MORE, FRCT_MORE, 0, FRCT_FIRST };
        static const struct {
                const char *name;
                uint32_t numbers[5];
                const char *read;
        } rows[] = {
                { "in order",            { 0, 1, 2, 3, 4 }, "abcde" },
                { "another order",       { 0, 3, 4, 2, 1 }, "abcde" },
                { "the last is missing", { 0, 1, 2, 4, NOTHING }, "ae" },
                { "the middle",          { 0, 1, 3, 4, NOTHING }, "ae" },
                { "the first",           { 0, 3, 2, 4, NOTHING }, "ae" },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(40 * MSEC, 0);
                char got[600];

                print_message("%s\n", rows[k].name);
                for (unsigned i = 0; i < 5; i++) {
                        uint32_t number = rows[k].numbers[i];
                        char letter = (char) ('a' + number);

                        if (number != NOTHING)
                                hear(&g, FRCT_DATA | flags[number], FIRST_NUMBER + number, &letter, 1);
                }
                pass(&g, 10 * MSEC);
                assert_string_equal(read_all(&g, got), rows[k].read);
        }
}

/* The peer begins anew, or nothing follows any more: who waits is delivered first. */
static void test_ends_of_waiting(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                _game_ Game g = game_new(40 * MSEC, 0);
                char got[600];

                data(&g, 0);
                data(&g, 2);
                data(&g, 5);
                if (i == 0) {                   /* a process that was stopped: nobody looked at the time */
                        g.now += 3 * SEC;
                        hear(&g, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + (1U << 30), "x", 1);
                } else
                        frct_receiver_release(g.receiver, g.now);
                assert_string_equal(read_all(&g, got), i == 0 ? "acfx" : "acf");
                assert_int_equal(stats(&g).lost, 3);
                pass(&g, SEC);
                assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);
        }
}

static void test_memory(void **state) {
        static const uint8_t content[1400];
        _game_ Game small = game_new(40 * MSEC, 1), tight = game_new(40 * MSEC, 3000);
        _game_ Game unread = game_new(40 * MSEC, 0);
        unsigned n_read = 0;
        char got[600];
        ssize_t size;

        /* There is no room to wait: as if nobody did. */
        data(&small, 0);
        for (uint32_t i = 2; i < 6; i++)
                hear(&small, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + i, content, sizeof(content));
        assert_in_range(stats(&small).bytes_readable, 1 + sizeof(content), 3 * sizeof(content));
        assert_int_equal(stats(&small).lost, 1);

        /* There is room for some, and then no more: they do not wait any longer, and stay in order. */
        data(&tight, 0);
        for (uint32_t i = 2; i < 30 && n_read < 2; i++) {
                hear(&tight, FRCT_DATA | FRCT_FIRST, FIRST_NUMBER + i, content, i);
                while ((size = frct_receiver_read(tight.receiver, got, sizeof(got), NULL, tight.now)) > 0) {
                        assert_int_equal(size, n_read > 0 ? n_read + 1 : 1);
                        n_read++;
                }
        }
        assert_in_range(n_read, 10, 25);

        /* Nobody reads: what is too much is dropped, whether it has waited or not. */
        for (uint32_t i = 0; i < 1000; i++)
                if (i % 100 != 1)
                        data(&unread, i);
        pass(&unread, SEC);
        assert_int_equal(stats(&unread).bytes_readable, 256);
        assert_int_equal(stats(&unread).lost, 10);
        assert_int_equal(stats(&unread).out_of_window, 1000 - 10 - 256);
        assert_int_equal(strlen(read_all(&unread, got)), 256);
}

/* -- any order -- */

static uint32_t dice(uint64_t *seed) {
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        return (uint32_t) (*seed >> 33);
}

/* Nobody is later than they all may wait: each arrives once, in order. And with a limit that is too low, those that
 * arrive are in order all the same. */
static void test_any_order(void **state) {
        for (uint64_t row = 0; row < 200; row++) {
                bool patient = row % 2 == 0;
                _game_ Game g = game_new(patient ? 80 * MSEC : 20 * MSEC, 0);
                nsec_t arrivals[500], begin = g.now + SEC;
                uint64_t seed = row;
                uint32_t next = 0, n_read = 0;
                bool lost[500] = {};
                unsigned n_lost = 0;

                for (uint32_t i = 0; i < 500; i++) {
                        arrivals[i] = begin + i * MSEC + (dice(&seed) % 4 == 0 ? dice(&seed) % (19 * MSEC) : 0);
                        lost[i] = i > 0 && i < 499 && dice(&seed) % 20 == 0;
                        n_lost += lost[i];
                }
                arrivals[0] = begin;

                for (uint32_t n = 0; n < 500; n++) {
                        uint32_t first = 0, number, sequence;

                        for (uint32_t i = 1; i < 500; i++)
                                if (arrivals[i] < arrivals[first])
                                        first = i;
                        pass(&g, nsec_sub(arrivals[first], g.now));
                        sequence = FIRST_NUMBER + first;
                        if (!lost[first])
                                hear(&g, FRCT_DATA | FRCT_FIRST, sequence, &first, sizeof(first));
                        arrivals[first] = NSEC_INFINITY;
                        if (n == 499)
                                pass(&g, SEC);
                        while (frct_receiver_read(g.receiver, &number, sizeof(number), NULL, g.now) == sizeof(number)) {
                                assert_true(number >= next);
                                next = number + 1;
                                n_read++;
                        }
                }

                if (patient)
                        assert_int_equal(n_read, 500 - n_lost);
                assert_int_equal(n_read + stats(&g).duplicates, 500 - n_lost);
                assert_int_equal(stats(&g).lost, 500 - n_read);
        }
}

/* Any header at all: what is kept stays small, and goes away. */
static void test_hostile(void **state) {
        static const uint8_t content[100];
        _game_ Game g = game_new(40 * MSEC, 64 << 10);
        uint64_t seed = 7;

        for (unsigned i = 0; i < 200000; i++) {
                uint32_t reach = dice(&seed) % 16 == 0 ? UINT32_MAX : dice(&seed) % 4 == 0 ? 3000 : 300;
                const FrctHeader header = {
                        .flags = (uint8_t) (dice(&seed) & (dice(&seed) % 64 == 0 ? 0x7f : 0x61)) | FRCT_DATA,
                        .extension = dice(&seed) % 64 == 0 ? FRCT_X_PIECE : 0,
                        .sequence = FIRST_NUMBER + i + dice(&seed) % reach - 100,
                };

                g.now += dice(&seed) % (dice(&seed) % 1000 == 0 ? 3 * SEC : MSEC);
                if (dice(&seed) % 3 > 0)
                        pass(&g, dice(&seed) % MSEC);
                frct_receiver_heard(g.receiver, &header, content, 1 + dice(&seed) % 99, false, g.now);
                assert_int_equal(frct_receiver_error(g.receiver), 0);
                assert_true(stats(&g).bytes_readable <= 64 << 10);
                if (dice(&seed) % 8 == 0)
                        frct_receiver_skip(g.receiver, g.now);
        }

        pass(&g, SEC);
        assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_depth),
                cmocka_unit_test(test_far_ahead),
                cmocka_unit_test(test_finish),
                cmocka_unit_test(test_fragments),
                cmocka_unit_test(test_ends_of_waiting),
                cmocka_unit_test(test_memory),
                cmocka_unit_test(test_any_order),
                cmocka_unit_test(test_hostile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
