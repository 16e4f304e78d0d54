/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The receiving half against a peer made of headers, in virtual time: runs, windows, acknowledgements, pieces, and
 * peers that break rules. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "libo7s/frct-receiver.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define START (100 * SEC)
#define FIRST_NUMBER UINT32_C(0xfffffff0)       /* so that every test of some length sees the wrap */

typedef struct Game {
        FrctReceiver *receiver;
        nsec_t now;
} Game;

static Game game_new(bool reliable, bool extended, bool stream) {
        const FrctConfig config = {
                .reliable = reliable, .extended = extended, .stream = stream, .packet_max = 1400, .mpl = 100 * MSEC };
        Game g = { .now = START };

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        return g;
}

static void game_done(Game *g) {
        frct_receiver_free(g->receiver);
}

#define _game_ _cleanup_(game_done)

static void hear(Game *g, uint8_t flags, uint32_t sequence, const char *content) {
        const FrctHeader header = { .flags = flags, .sequence = sequence, .stamp = (uint32_t) (g->now / NSEC_PER_USEC) };

        frct_receiver_heard(g->receiver, &header, (const uint8_t *) content, strlen(content), false, g->now);
}

/* Numbers count from the first. */
static void data(Game *g, uint32_t i) {
        hear(g, FRCT_DATA | FRCT_FIRST | (i == 0 ? FRCT_RUN_START : 0), FIRST_NUMBER + i, "data");
}

static FrctHeader speak(Game *g) {
        FrctHeader header = {};

        frct_receiver_speak(g->receiver, &header, 1000, false, g->now);
        frct_receiver_spoke(g->receiver, &header, g->now);
        return header;
}

static bool must_speak(Game *g) {
        bool must = frct_receiver_must_speak(g->receiver, g->now);

        assert_int_equal(must, frct_receiver_next(g->receiver, g->now) <= g->now);
        return must;
}

static void assert_reads(Game *g, const char *expected) {
        char got[64] = "";
        bool more = true;

        assert_int_equal(frct_receiver_read(g->receiver, got, sizeof(got), &more, g->now), strlen(expected));
        assert_string_equal(got, expected);
        assert_false(more);
}

static unsigned read_all(Game *g) {
        char got[4096];
        unsigned n = 0;

        while (frct_receiver_read(g->receiver, got, sizeof(got), NULL, g->now) > 0)
                n++;
        return n;
}

static FrctStats stats(Game *g) {
        FrctStats s = {};

        frct_receiver_stats(g->receiver, &s);
        return s;
}

/* -- runs -- */

static void test_run(void **state) {
        static const struct {
                const char *name;
                struct {
                        nsec_t after;
                        uint8_t flags;
                        uint32_t sequence;
                        const char *content;
                } packets[6];
                const char *read;       /* contents, of all that is readable in the end */
        } rows[] = {
                { "data with a start", { { 0, 3, 7, "a" }, { 0, 1, 8, "b" } }, "ab" },
                { "data without a start", { { 0, 1, 7, "a" }, { 0, 1, 8, "b" } }, "" },
                { "bare start, then data", { { 0, 2, 7, "" }, { 0, 1, 7, "a" } }, "a" },
                { "bare start with acknowledgement", { { 0, 0x0e, 7, "" }, { 0, 3, 7, "a" } }, "a" },
                { "control before the start", { { 0, 0x0c, 0, "" }, { 0, 0x10, 0, "" }, { 0, 3, 7, "a" } }, "a" },
                { "silence ends it", { { 0, 3, 7, "a" }, { 132 * SEC, 1, 8, "b" } }, "a" },
                { "silence, and it starts anew", { { 0, 3, 7, "a" }, { 132 * SEC, 3, 70000000, "b" } }, "ab" },
                { "silence within the time", { { 0, 3, 7, "a" }, { 131 * SEC, 1, 8, "b" } }, "ab" },
                { "control packets keep it", { { 0, 3, 7, "a" }, { 100 * SEC, 4, 0, "" }, { 100 * SEC, 1, 8, "b" } }, "ab" },
                { "starts all the time", { { 0, 3, 7, "a" }, { MSEC, 3, 8, "b" }, { MSEC, 3, 9, "c" } }, "abc" },
                { "duplicate of the start", { { 0, 3, 7, "a" }, { MSEC, 1, 8, "b" }, { 20 * SEC, 3, 7, "a" }, { 0, 1, 9, "c" } }, "abc" },
                { "far start while data moves", { { 0, 3, 7, "a" }, { MSEC, 3, 1u << 30, "x" }, { MSEC, 1, 8, "b" } }, "ab" },
                { "far start behind, while data moves", { { 0, 3, 7, "a" }, { MSEC, 3, 3u << 30, "x" }, { MSEC, 1, 8, "b" } }, "ab" },
                { "far start, repeated in the quiet", { { 0, 3, 7, "a" }, { MSEC, 3, 1u << 30, "b" }, { SEC, 3, 1u << 30, "b" } }, "ab" },
                { "far bare start in the quiet", { { 0, 3, 7, "a" }, { 2 * SEC, 2, 3u << 30, "" }, { 0, 1, 3u << 30, "b" } }, "ab" },
                { "near start is never a new run", { { 0, 3, 7, "a" }, { 50 * SEC, 3, 1000, "x" }, { 0, 1, 8, "b" } }, "ab" },
                { "near start, and the run is long dead", { { 0, 3, 7, "a" }, { 70 * SEC, 4, 0, "" }, { 70 * SEC, 3, 3, "b" } }, "ab" },
        };

        for (unsigned k = 0; k < 2 * ELEMENTSOF(rows); k++) {
                bool reliable = k % 2 == 0;
                _game_ Game g = game_new(reliable, false, false);
                char got[8] = "";
                size_t n = 0;

                /* On lossy flows a number ahead is no more than a gap. */
                if (!reliable && streq(rows[k / 2].name, "near start is never a new run"))
                        continue;

                print_message("%s, %s\n", rows[k / 2].name, reliable ? "reliable" : "lossy");
                for (unsigned i = 0; i < ELEMENTSOF(rows[0].packets) && rows[k / 2].packets[i].content; i++) {
                        g.now += rows[k / 2].packets[i].after;
                        hear(&g, rows[k / 2].packets[i].flags, rows[k / 2].packets[i].sequence, rows[k / 2].packets[i].content);
                }

                while (frct_receiver_read(g.receiver, got + n, 1, NULL, g.now) == 1)
                        n++;
                assert_string_equal(got, rows[k / 2].read);
                assert_int_equal(frct_receiver_error(g.receiver), 0);
        }
}

/* While something is missing no other number is believed; when the run is over, it is lost, and that is said. */
static void test_run_with_a_hole(void **state) {
        _game_ Game g = game_new(true, true, false);

        data(&g, 0);
        data(&g, 2);
        g.now += 100 * SEC;
        hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST, 1u << 30, "other");
        data(&g, 1);
        assert_int_equal(read_all(&g), 3);

        data(&g, 4);
        g.now += 132 * SEC;
        hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST, 1u << 30, "other");
        assert_int_equal(read_all(&g), 0);
        assert_int_equal(frct_receiver_error(g.receiver), -EPROTO);
}

/* A sender that slept inside a message, with everything acknowledged, goes on under new numbers. */
static void test_message_across_runs(void **state) {
        static const struct {
                const char *name;
                nsec_t sleep;
                uint8_t flags;
                const char *read;
                int error;
        } rows[] = {
                { "goes on", 132 * SEC, 0x03, "onetwo", 0 },
                { "goes on while its control packets did", 10 * SEC, 0x03, "onetwo", 0 },
                { "too soon to believe it", 9 * SEC, 0x03, NULL, 0 },
                { "another message", 132 * SEC, 0x23, NULL, -EPROTO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _game_ Game g = game_new(true, true, false);

                print_message("%s\n", rows[i].name);
                hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST | FRCT_MORE, 5, "one");
                g.now += rows[i].sleep;
                hear(&g, rows[i].flags, 1u << 30, "two");
                assert_int_equal(frct_receiver_error(g.receiver), rows[i].error);
                if (rows[i].read)
                        assert_reads(&g, rows[i].read);
                assert_int_equal(read_all(&g), 0);
        }
}

/* -- reliable, 12 bytes -- */

static void test_plain_order_and_window(void **state) {
        _game_ Game g = game_new(true, false, false);
        FrctHeader h;

        data(&g, 0);
        for (uint32_t i = 255; i > 0; i--)
                data(&g, i);
        data(&g, 256);                          /* one too many: nothing was read */
        assert_int_equal(stats(&g).out_of_window, 1);
        assert_int_equal(stats(&g).bytes_readable, 256 * 4);

        h = speak(&g);
        assert_int_equal(h.flags, FRCT_ACKNOWLEDGE | FRCT_WINDOW);
        assert_int_equal(h.sequence, 0);
        assert_int_equal(h.acknowledgement, FIRST_NUMBER + 256);
        assert_int_equal(h.window, (FIRST_NUMBER + 256) & FRCT_WINDOW_MASK);

        assert_reads(&g, "data");
        data(&g, 256);
        assert_int_equal(read_all(&g), 256);
        h = speak(&g);
        assert_int_equal(h.acknowledgement, FIRST_NUMBER + 257);
        assert_int_equal(h.window, (FIRST_NUMBER + 257 + 256) & FRCT_WINDOW_MASK);
}

static void test_plain_acknowledgements(void **state) {
        _game_ Game g = game_new(true, false, false);

        /* one: within 10 ms, once */
        data(&g, 0);
        assert_false(must_speak(&g));
        assert_int_equal(frct_receiver_next(g.receiver, g.now), g.now + 10 * MSEC);
        g.now += 10 * MSEC;
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).acknowledgement, FIRST_NUMBER + 1);
        assert_false(must_speak(&g));
        assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);

        /* two: at once */
        data(&g, 1);
        data(&g, 2);
        assert_true(must_speak(&g));
        (void) speak(&g);

        /* a duplicate: again, although it is known */
        data(&g, 1);
        assert_int_equal(stats(&g).duplicates, 1);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).acknowledgement, FIRST_NUMBER + 3);
        assert_false(must_speak(&g));

        /* before the flow is closed: not in 10 ms */
        data(&g, 3);
        frct_receiver_hurry(g.receiver, g.now);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).acknowledgement, FIRST_NUMBER + 4);
        frct_receiver_hurry(g.receiver, g.now);
        assert_false(must_speak(&g));
}

static void test_plain_data_carries_it(void **state) {
        _game_ Game g = game_new(true, false, false);
        FrctHeader h = { .flags = FRCT_DATA, .sequence = 5 };

        frct_receiver_speak(g.receiver, &h, 0, true, g.now);
        assert_int_equal(h.flags, FRCT_DATA);           /* nothing was heard yet */

        data(&g, 0);
        frct_receiver_speak(g.receiver, &h, 0, true, g.now);
        assert_int_equal(h.flags, FRCT_DATA | FRCT_ACKNOWLEDGE | FRCT_WINDOW);
        assert_int_equal(h.sequence, 5);
        frct_receiver_spoke(g.receiver, &h, g.now);
        assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);

        /* after A of silence: the window alone */
        g.now += 11 * SEC;
        h = (FrctHeader) { .flags = FRCT_DATA };
        frct_receiver_speak(g.receiver, &h, 0, true, g.now);
        assert_int_equal(h.flags, FRCT_DATA | FRCT_WINDOW);

        /* a rendez-vous is nothing but itself */
        h = (FrctHeader) { .flags = FRCT_RENDEZVOUS };
        frct_receiver_speak(g.receiver, &h, 0, true, g.now);
        assert_int_equal(h.flags, FRCT_RENDEZVOUS);
        assert_int_equal(h.window, 0);
}

static void test_rendezvous(void **state) {
        _game_ Game g = game_new(true, false, false);
        FrctHeader h;

        hear(&g, FRCT_RENDEZVOUS, 0, "");
        assert_false(must_speak(&g));                   /* of a run that we do not know there is nothing to say */

        data(&g, 0);
        (void) speak(&g);
        hear(&g, FRCT_RENDEZVOUS, 0, "");
        assert_true(must_speak(&g));
        h = speak(&g);
        assert_int_equal(h.flags, FRCT_WINDOW);
        assert_int_equal(h.sequence, 0);
        assert_int_equal(h.acknowledgement, 0);
        assert_int_equal(h.window, (FIRST_NUMBER + 1 + 255) & FRCT_WINDOW_MASK);
        assert_false(must_speak(&g));
}

/* A writer of 0.23.0 whose window is closed may never ask: it is told, and told again, but not for ever. */
static void test_plain_window_opens(void **state) {
        _game_ Game g = game_new(true, false, false);
        unsigned n = 0;

        for (uint32_t i = 0; i < 256; i++)
                data(&g, i);
        (void) speak(&g);
        assert_false(must_speak(&g));

        assert_reads(&g, "data");
        assert_false(must_speak(&g));                   /* not for each message */
        g.now += 10 * MSEC;
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).window, (FIRST_NUMBER + 257) & FRCT_WINDOW_MASK);

        for (unsigned i = 0; i < 64; i++)
                assert_reads(&g, "data");
        assert_true(must_speak(&g));                    /* a quarter: at once */
        assert_int_equal(speak(&g).window, (FIRST_NUMBER + 256 + 65) & FRCT_WINDOW_MASK);

        while (frct_receiver_next(g.receiver, g.now) != NSEC_INFINITY) {
                g.now = MAX(g.now, frct_receiver_next(g.receiver, g.now));
                assert_true(must_speak(&g));
                (void) speak(&g);
                assert_true(++n < 10);
        }
        assert_true(n >= 4);

        /* it was heard: enough */
        for (uint32_t i = 256; i < 256 + 65; i++)
                data(&g, i);
        (void) speak(&g);
        assert_reads(&g, "data");
        data(&g, 256 + 65);
        (void) speak(&g);
        assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);
}

/* -- lossy -- */

static void test_lossy(void **state) {
        _game_ Game g = game_new(false, false, false);

        data(&g, 0);
        assert_true(must_speak(&g));                    /* 64 are not much: the window follows at once */
        assert_int_equal(speak(&g).flags, FRCT_WINDOW);

        data(&g, 3);
        data(&g, 2);                                    /* late */
        data(&g, 3);                                    /* again */
        data(&g, 4);
        assert_int_equal(stats(&g).lost, 2);
        assert_int_equal(stats(&g).duplicates, 2);
        assert_int_equal(read_all(&g), 3);
        assert_false(must_speak(&g));
        assert_int_equal(speak(&g).window, (FIRST_NUMBER + 5 + 256) & FRCT_WINDOW_MASK);

        /* a number out of this world takes nothing with it */
        hear(&g, FRCT_DATA | FRCT_RUN_START, FIRST_NUMBER + (1u << 30), "x");
        assert_int_equal(stats(&g).out_of_window, 1);
        data(&g, 5);
        assert_reads(&g, "data");
}

/* Every packet of a sender that only knows what it is told, and every one of our words lost but some. */
static void test_lossy_never_starves(void **state) {
        static const struct {
                const char *name;
                unsigned heard_every;
        } rows[] = { { "all is heard", 1 }, { "every second", 2 }, { "every third", 3 } };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(false, false, false);
                uint32_t edge = FIRST_NUMBER + 64, next = FIRST_NUMBER;
                unsigned n_spoken = 0;

                print_message("%s\n", rows[k].name);
                while (next != FIRST_NUMBER + 10000) {
                        if (next == edge) {             /* waits for ever, unless we speak */
                                assert_true(frct_receiver_next(g.receiver, g.now) != NSEC_INFINITY);
                                g.now = MAX(g.now, frct_receiver_next(g.receiver, g.now));
                        } else
                                hear(&g, FRCT_DATA | FRCT_RUN_START, next++, "x");

                        if (must_speak(&g) && ++n_spoken % rows[k].heard_every == 0)
                                edge += (speak(&g).window - edge) & FRCT_WINDOW_MASK;
                        else if (must_speak(&g))
                                (void) speak(&g);
                        (void) read_all(&g);
                }
                assert_true(n_spoken < 10000 / 60 + 10);
        }
}

static void test_lossy_nobody_reads(void **state) {
        _game_ Game g = game_new(false, false, false);

        for (uint32_t i = 0; i < 1000; i++)
                data(&g, i);
        assert_int_equal(stats(&g).bytes_readable, 256 * 4);
        assert_int_equal(stats(&g).out_of_window, 1000 - 256);
        assert_int_equal(read_all(&g), 256);
        data(&g, 1000);
        assert_reads(&g, "data");
}

/* A process that was stopped for so long that the run is over has nothing to repeat: not to be said, nor over and over. */
static void test_repeats_end_with_the_run(void **state) {
        static const bool reliable[] = { false, true };

        for (size_t i = 0; i < ELEMENTSOF(reliable); i++) {
                _game_ Game g = game_new(reliable[i], false, false);
                unsigned n = 0;

                for (uint32_t k = 0; k < (reliable[i] ? 256 : 40); k++) {
                        data(&g, k);
                        if (must_speak(&g))
                                (void) speak(&g);
                }
                (void) read_all(&g);
                assert_true(frct_receiver_next(g.receiver, g.now) <= g.now + SEC);

                g.now += 200 * SEC;
                hear(&g, FRCT_WINDOW, 0, "");
                for (; must_speak(&g) && n < 10; n++)
                        (void) speak(&g);
                assert_in_range(n, 0, 1);
                assert_true(frct_receiver_next(g.receiver, g.now) == NSEC_INFINITY);
        }
}

/* -- extended -- */

static void test_ranges(void **state) {
        static const struct {
                const char *name;
                uint8_t arrive[10];     /* in this order, behind number 0; ends with 0 */
                uint32_t acknowledgement;
                FrctRange ranges[5];
        } rows[] = {
                { "all in order", { 1, 2, 3 }, 4, {} },
                { "one is missing", { 2 }, 1, { { 2, 3 } } },
                { "and three behind it", { 2, 3, 4 }, 1, { { 2, 5 } } },
                { "the hole is filled", { 2, 3, 1 }, 4, {} },
                { "two holes, newest first", { 2, 4 }, 1, { { 4, 5 }, { 2, 3 } } },
                { "the lower one is newer", { 4, 2 }, 1, { { 2, 3 }, { 4, 5 } } },
                { "three, the middle one newest", { 2, 6, 4 }, 1, { { 4, 5 }, { 6, 7 }, { 2, 3 } } },
                { "joined", { 2, 4, 3 }, 1, { { 2, 5 } } },
                { "extended downwards", { 9, 4, 3 }, 1, { { 3, 5 }, { 9, 10 } } },
                { "first hole filled, another left", { 2, 5, 1 }, 3, { { 5, 6 } } },
                { "duplicates make none", { 3, 3, 3 }, 1, { { 3, 4 } } },
                { "across the wrap", { 14, 15, 16, 17, 19 }, 1, { { 19, 20 }, { 14, 18 } } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _game_ Game g = game_new(true, true, false);
                FrctHeader h;
                unsigned n = 0;

                print_message("%s\n", rows[i].name);
                data(&g, 0);
                (void) speak(&g);
                for (unsigned k = 0; rows[i].arrive[k] > 0; k++) {
                        data(&g, rows[i].arrive[k]);
                        if (i > 0)
                                assert_true(must_speak(&g));
                }

                h = speak(&g);
                assert_int_equal(h.acknowledgement, FIRST_NUMBER + rows[i].acknowledgement);
                while (rows[i].ranges[n].end > 0)
                        n++;
                assert_int_equal(h.n_ranges, n);
                for (unsigned k = 0; k < n; k++) {
                        assert_int_equal(h.ranges[k].begin, FIRST_NUMBER + rows[i].ranges[k].begin);
                        assert_int_equal(h.ranges[k].end, FIRST_NUMBER + rows[i].ranges[k].end);
                }
                assert_int_equal(read_all(&g), rows[i].acknowledgement);
        }
}

static void test_ranges_have_room(void **state) {
        _game_ Game g = game_new(true, true, false);
        FrctHeader h = {};

        data(&g, 0);
        for (uint32_t i = 2; i < 200; i += 2)
                data(&g, i);

        frct_receiver_speak(g.receiver, &h, 12 + 8 * 5 + 7, false, g.now);
        assert_true(h.extension & FRCT_X_ECHO);
        assert_int_equal(h.n_ranges, 5);
        assert_int_equal(h.ranges[0].begin, FIRST_NUMBER + 198);

        h = (FrctHeader) {};
        frct_receiver_speak(g.receiver, &h, 11, false, g.now);
        assert_false(h.extension & FRCT_X_ECHO);

        h = speak(&g);
        assert_int_equal(h.n_ranges, FRCT_RANGES_MAX);

        /* told already: data does without; a bare packet tells again */
        h = (FrctHeader) { .flags = FRCT_DATA };
        frct_receiver_speak(g.receiver, &h, 1000, true, g.now);
        assert_int_equal(h.n_ranges, 0);
        assert_int_equal(speak(&g).n_ranges, FRCT_RANGES_MAX);
}

static void test_extended_acknowledgements(void **state) {
        _game_ Game g = game_new(true, true, false);
        FrctHeader h;

        data(&g, 0);                                    /* first of the run */
        assert_true(must_speak(&g));
        g.now += MSEC;
        h = speak(&g);
        assert_int_equal(h.flags, FRCT_ACKNOWLEDGE | FRCT_WINDOW);
        assert_int_equal(h.extension, FRCT_X_ECHO);
        assert_int_equal(h.echo, START / NSEC_PER_USEC);
        assert_int_equal(h.hold_usec, 1000);

        /* slow: one within 5 ms, two at once */
        g.now += SEC;
        data(&g, 1);
        assert_int_equal(frct_receiver_next(g.receiver, g.now), g.now + 5 * MSEC);
        data(&g, 2);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).acknowledgement, FIRST_NUMBER + 3);

        /* fast: eight, or what came within half a millisecond */
        for (uint32_t i = 3; i < 10; i++) {
                data(&g, i);
                assert_false(must_speak(&g));
        }
        assert_int_equal(frct_receiver_next(g.receiver, g.now), g.now + 500 * NSEC_PER_USEC);
        data(&g, 10);
        assert_true(must_speak(&g));
        h = speak(&g);
        assert_int_equal(h.acknowledgement, FIRST_NUMBER + 11);
        assert_int_equal(h.extension & FRCT_X_ECHO, FRCT_X_ECHO);
        assert_int_equal(speak(&g).extension & FRCT_X_ECHO, 0);         /* nothing new to echo */
}

/* A hole is told at once, and that it is filled. What only goes on behind it is told as if there were none. */
static void test_acknowledgements_behind_a_hole(void **state) {
        _game_ Game g = game_new(true, true, false);

        data(&g, 0);
        (void) speak(&g);
        g.now += SEC;
        data(&g, 2);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).n_ranges, 1);

        for (uint32_t i = 3; i < 10; i++) {
                data(&g, i);
                assert_false(must_speak(&g));
        }
        assert_int_equal(frct_receiver_next(g.receiver, g.now), g.now + 500 * NSEC_PER_USEC);
        data(&g, 10);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).ranges[0].end, FIRST_NUMBER + 11);

        /* slow: one within 5 ms */
        g.now += SEC;
        data(&g, 11);
        assert_int_equal(frct_receiver_next(g.receiver, g.now), g.now + 5 * MSEC);

        /* another hole, part of it, and all of the first */
        data(&g, 14);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).n_ranges, 2);
        data(&g, 12);
        assert_true(must_speak(&g));
        (void) speak(&g);
        data(&g, 1);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).acknowledgement, FIRST_NUMBER + 13);
}

static void test_marks(void **state) {
        const FrctHeader header = { .flags = FRCT_DATA | FRCT_FIRST, .sequence = FIRST_NUMBER + 1 };
        _game_ Game g = game_new(true, true, false);

        data(&g, 0);
        (void) speak(&g);
        frct_receiver_heard(g.receiver, &header, (const uint8_t *) "x", 1, true, g.now);
        assert_true(must_speak(&g));
        assert_int_equal(speak(&g).marked, 1);
        assert_int_equal(stats(&g).marked, 1);
}

static void test_probe(void **state) {
        static const uint8_t padding[1480];
        FrctHeader probe = { .extension = FRCT_X_PROBE, .position = 1500 };
        _game_ Game g = game_new(true, true, false);
        FrctHeader h;

        frct_receiver_heard(g.receiver, &probe, padding, 1479, false, g.now);
        assert_int_equal(stats(&g).malformed, 1);
        assert_false(must_speak(&g));

        frct_receiver_heard(g.receiver, &probe, padding, 1480, false, g.now);
        probe.position = 1300;
        frct_receiver_heard(g.receiver, &probe, padding, 1280, false, g.now);
        assert_true(must_speak(&g));

        /* a piece has its own position, the answer waits */
        h = (FrctHeader) { .flags = FRCT_DATA, .extension = FRCT_X_PIECE, .position = 77 };
        frct_receiver_speak(g.receiver, &h, 100, true, g.now);
        assert_int_equal(h.position, 77);
        assert_int_equal(h.extension, FRCT_X_PIECE);
        frct_receiver_spoke(g.receiver, &h, g.now);

        assert_true(must_speak(&g));
        h = speak(&g);
        assert_int_equal(h.extension, FRCT_X_PROBED);
        assert_int_equal(h.position, 1500);
        assert_false(must_speak(&g));
        assert_int_equal(speak(&g).extension, 0);
}

static void test_finish(void **state) {
        static const struct {
                const char *name;
                struct {
                        uint8_t flags;
                        uint32_t sequence;
                } packets[5];
                bool finished;
                int error;
        } rows[] = {
                { "of its own", { { 0x23, 1 }, { 0x80, 2 } }, true, 0 },
                { "with the last data", { { 0xa3, 1 } }, true, 0 },
                { "before what it ends", { { 0x23, 1 }, { 0x80, 3 }, { 0x21, 2 } }, true, 0 },
                { "something is missing", { { 0x23, 1 }, { 0x80, 3 } }, false, 0 },
                { "twice", { { 0x23, 1 }, { 0x80, 2 }, { 0x80, 2 } }, true, 0 },
                { "nothing but it", { { 0x82, 1 } }, true, 0 },
                { "data behind it", { { 0x23, 1 }, { 0x80, 2 }, { 0x21, 3 } }, true, -EPROTO },
                { "data behind it came first", { { 0x23, 1 }, { 0x21, 3 }, { 0x80, 2 } }, true, -EPROTO },
                { "inside a message", { { 0x63, 1 }, { 0x80, 2 } }, true, -EPROTO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _game_ Game g = game_new(true, true, false);

                print_message("%s\n", rows[i].name);
                for (unsigned k = 0; k < ELEMENTSOF(rows[0].packets) && rows[i].packets[k].flags > 0; k++)
                        hear(&g, rows[i].packets[k].flags, rows[i].packets[k].sequence,
                             rows[i].packets[k].flags & FRCT_DATA ? "x" : "");
                assert_int_equal(frct_receiver_finished(g.receiver), rows[i].finished);
                assert_int_equal(frct_receiver_error(g.receiver), rows[i].error);
                assert_int_equal(must_speak(&g), rows[i].error == 0);
        }
}

static void test_pieces(void **state) {
        static const struct {
                const char *name;
                struct {
                        uint16_t position;
                        const char *content;
                        bool last;
                        uint8_t flags;  /* besides DATA */
                } pieces[8];
                const char *read;
                unsigned n_malformed;
        } rows[] = {
                { "two", { { 0, "abc", false, 0x20 }, { 3, "de", true, 0x20 } }, "abcde", 0 },
                { "only one", { { 0, "abc", true, 0x20 } }, "abc", 0 },
                { "backwards", { { 3, "de", true, 0x20 }, { 0, "abc", false, 0x20 } }, "abcde", 0 },
                { "three, the middle last", { { 0, "a", false, 0x20 }, { 2, "c", true, 0x20 }, { 1, "b", false, 0x20 } }, "abc", 0 },
                { "repeated", { { 0, "ab", false, 0x20 }, { 0, "ab", false, 0x20 }, { 2, "c", true, 0x20 } }, "abc", 0 },
                { "overlapping: the first ones win",
                  { { 1, "bc", false, 0x20 }, { 4, "e", false, 0x20 }, { 0, "XXXXXX", true, 0x20 } }, "XbcXeX", 0 },
                { "incomplete", { { 0, "ab", false, 0x20 }, { 3, "d", true, 0x20 } }, "", 0 },
                { "two ends", { { 3, "d", true, 0x20 }, { 4, "e", true, 0x20 } }, "", 1 },
                { "behind its end", { { 3, "d", true, 0x20 }, { 4, "e", false, 0x20 } }, "", 1 },
                { "ends before what was there", { { 3, "d", false, 0x20 }, { 0, "ab", true, 0x20 } }, "", 1 },
                { "another segment", { { 0, "ab", false, 0x20 }, { 2, "c", true, 0x60 } }, "", 1 },
                { "empty piece", { { 0, "", false, 0x20 } }, "", 1 },
                { "too large", { { 65535, "x", true, 0x20 } }, "", 1 },
                { "after a contradiction, from the beginning",
                  { { 3, "d", true, 0x20 }, { 4, "e", true, 0x20 }, { 0, "xy", false, 0x20 }, { 2, "z", true, 0x20 } }, "xyz", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _game_ Game g = game_new(true, true, false);

                print_message("%s\n", rows[i].name);
                hear(&g, FRCT_RUN_START, 9, "");
                for (unsigned k = 0; k < ELEMENTSOF(rows[0].pieces) && rows[i].pieces[k].content; k++) {
                        const char *content = rows[i].pieces[k].content;
                        const FrctHeader header = {
                                .flags = FRCT_DATA | rows[i].pieces[k].flags,
                                .sequence = 9,
                                .extension = FRCT_X_PIECE | (rows[i].pieces[k].last ? FRCT_X_LAST_PIECE : 0),
                                .position = rows[i].pieces[k].position,
                        };

                        frct_receiver_heard(g.receiver, &header, (const uint8_t *) content, strlen(content), false, g.now);
                }

                assert_int_equal(stats(&g).malformed, rows[i].n_malformed);
                if (rows[i].read[0])
                        assert_reads(&g, rows[i].read);
                assert_int_equal(read_all(&g), 0);

                /* Whole after all: then the pieces are forgotten. */
                if (!rows[i].read[0]) {
                        hear(&g, FRCT_DATA | FRCT_FIRST, 9, "whole");
                        assert_reads(&g, "whole");
                }
        }
}

static void test_too_many_pieces(void **state) {
        _game_ Game g = game_new(true, true, false);

        hear(&g, FRCT_RUN_START, 9, "");
        for (unsigned i = 0; i < 1000; i++) {
                const FrctHeader header = { .flags = FRCT_DATA | FRCT_FIRST, .sequence = 9, .extension = FRCT_X_PIECE,
                        .position = (uint16_t) (2 * i) };

                frct_receiver_heard(g.receiver, &header, (const uint8_t *) "x", 1, false, g.now);
        }
        assert_true(stats(&g).malformed > 0);
        hear(&g, FRCT_DATA | FRCT_FIRST, 9, "whole");
        assert_reads(&g, "whole");
}

/* A reader that keeps up gets a window that grows, one that does not keeps what it has; edges never move back. */
static void test_window_grows(void **state) {
        static const struct {
                const char *name;
                unsigned read_every;
                nsec_t apart;
                uint32_t at_least, at_most;
        } rows[] = {
                { "keeps up", 1, 10 * NSEC_PER_USEC, 8192, 1u << 17 },
                { "slow flow", 1, 2 * MSEC, 1000, 1024 },
                { "nobody reads", UINT32_MAX, 10 * NSEC_PER_USEC, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _game_ Game g = game_new(true, true, false);
                uint32_t edge = FIRST_NUMBER + 64, number = FIRST_NUMBER;

                print_message("%s\n", rows[i].name);
                hear(&g, FRCT_RUN_START, FIRST_NUMBER, "");
                for (unsigned k = 0; k < 40000 && number != edge; k++) {
                        hear(&g, FRCT_DATA | FRCT_FIRST, number++, "data");
                        g.now += rows[i].apart;
                        if (k % rows[i].read_every == rows[i].read_every - 1)
                                (void) read_all(&g);
                        if (must_speak(&g)) {
                                uint32_t moved = (speak(&g).window - edge) & FRCT_WINDOW_MASK;

                                assert_true(moved < 1u << 18);
                                edge += moved;
                        }
                }
                assert_true(edge - number >= rows[i].at_least && edge - number <= rows[i].at_most);
                assert_int_equal(stats(&g).out_of_window, 0);
        }
}

/* The largest message, larger than the window of packets, in small ones, and nothing of it can be read before its
 * end. */
static void test_message_larger_than_window(void **state) {
        static const uint8_t content[128];
        const size_t n_packets = FRCT_MESSAGE_MAX / sizeof(content);
        static uint8_t got[FRCT_MESSAGE_MAX + 1];
        FrctConfig config = { .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 1 };
        _game_ Game g = { .now = START };
        uint32_t edge = 64;
        bool more;

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        hear(&g, FRCT_RUN_START, 0, "");
        for (unsigned round = 0; round < 3; round++) {
                for (uint32_t i = 0; i < n_packets; i++) {
                        const FrctHeader header = {
                                .flags = FRCT_DATA | (i == 0 ? FRCT_FIRST : 0) | (i < n_packets - 1 ? FRCT_MORE : 0),
                                .sequence = (uint32_t) (round * n_packets) + i,
                        };

                        if (header.sequence == edge)
                                edge += (speak(&g).window - edge) & FRCT_WINDOW_MASK;
                        assert_int_not_equal(header.sequence, edge);
                        assert_false(frct_receiver_readable(g.receiver));
                        frct_receiver_heard(g.receiver, &header, content, sizeof(content), false, g.now);
                }
                assert_int_equal(frct_receiver_read(g.receiver, got, sizeof(got), &more, g.now), FRCT_MESSAGE_MAX);
                assert_false(more);
        }
        assert_int_equal(frct_receiver_error(g.receiver), 0);
        assert_int_equal(stats(&g).out_of_window, 0);
}

/* A layer with larger packets: fewer of them are asked for, as soon as what was told is used up. */
static void test_larger_packets(void **state) {
        FrctConfig config = { .reliable = true, .extended = true, .packet_max = 1000, .mpl = 100 * MSEC, .receive_max = 100 * 1064 };
        _game_ Game g = { .now = START };
        uint32_t told;

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        data(&g, 0);
        told = speak(&g).window;
        assert_int_equal((told - FIRST_NUMBER) & FRCT_WINDOW_MASK, 1 + 100 - 1);        /* one is unread */

        config.packet_max = 10000;
        frct_receiver_set_packet_max(g.receiver, &config);
        assert_reads(&g, "data");
        assert_int_equal(speak(&g).window, told);
        for (uint32_t i = 1; i < 110; i++) {
                data(&g, i);
                assert_reads(&g, "data");
        }
        assert_int_equal((speak(&g).window - FIRST_NUMBER) & FRCT_WINDOW_MASK, 110 + 100 * 1064 / (10000 + 64));

        config.packet_max = 1000;                       /* smaller again: it grows as it did at first */
        frct_receiver_set_packet_max(g.receiver, &config);
        for (uint32_t i = 110; i < 400; i++) {
                data(&g, i);
                assert_reads(&g, "data");
        }
        assert_int_equal((speak(&g).window - FIRST_NUMBER) & FRCT_WINDOW_MASK, 400 + 100);
        assert_int_equal(stats(&g).out_of_window, 0);
}

/* -- peers that break rules -- */

/* Crumbs of a message that never ends: memory stays bounded, and the flow ends with a clear error. */
static void test_endless_message(void **state) {
        static const struct {
                const char *name;
                size_t size;
        } rows[] = { { "crumbs", 1 }, { "full packets", 1380 }, { "larger than the layer's", 60000 } };
        static const uint8_t content[60000];

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                FrctConfig config = { .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 1 };
                _game_ Game g = { .now = START };
                uint32_t i;

                print_message("%s\n", rows[k].name);
                assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
                hear(&g, FRCT_RUN_START, 0, "");
                for (i = 0; i < 2 * FRCT_MESSAGE_MAX && frct_receiver_error(g.receiver) == 0; i++) {
                        const FrctHeader header = { .flags = FRCT_DATA | FRCT_MORE | (i == 0 ? FRCT_FIRST : 0), .sequence = i };

                        frct_receiver_heard(g.receiver, &header, content, rows[k].size, false, g.now);
                }
                assert_int_equal(frct_receiver_error(g.receiver), -EPROTO);
                assert_true(i * rows[k].size <= FRCT_MESSAGE_MAX + rows[k].size);
                assert_false(must_speak(&g));
        }
}

/* Everything but the first: what is kept is bounded, and refused packets are told so at once. */
static void test_first_never_comes(void **state) {
        static const uint8_t content[60000];
        FrctConfig config = { .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 4 << 20 };
        _game_ Game g = { .now = START };
        FrctHeader header = { .flags = FRCT_DATA | FRCT_FIRST };

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        hear(&g, FRCT_RUN_START, 0, "");
        for (header.sequence = 1; header.sequence < 1000; header.sequence++)
                frct_receiver_heard(g.receiver, &header, content, sizeof(content), false, g.now);
        assert_true(stats(&g).out_of_window >= 999 - (4 << 20) / sizeof(content));
        assert_true(must_speak(&g));

        /* It comes: everything that was kept follows it. */
        header.sequence = 0;
        frct_receiver_heard(g.receiver, &header, content, sizeof(content), false, g.now);
        assert_true(read_all(&g) > 0);
        assert_int_equal(frct_receiver_error(g.receiver), 0);
}

static void test_bad_fragments(void **state) {
        for (unsigned reliable = 0; reliable < 2; reliable++) {
                _game_ Game g = game_new(reliable, true, false);

                hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST, 1, "a");
                hear(&g, FRCT_DATA | FRCT_RUN_START, 2, "end of what?");
                hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST, 3, "b");

                assert_int_equal(frct_receiver_error(g.receiver), reliable ? -EPROTO : 0);
                assert_int_equal(stats(&g).malformed, 1);
                assert_reads(&g, "a");                  /* what had arrived stays readable */
                if (!reliable)
                        assert_reads(&g, "b");
                assert_int_equal(read_all(&g), 0);
        }
}

static void test_empty_data(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                _game_ Game g = game_new(true, extended, false);

                hear(&g, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST, 1, "");
                assert_int_equal(stats(&g).malformed, extended);
                assert_false(frct_receiver_readable(g.receiver));
                hear(&g, FRCT_DATA | FRCT_FIRST, extended ? 1 : 2, "a");
                assert_reads(&g, "a");
        }
}

static void test_stream(void **state) {
        _game_ Game g = game_new(true, true, true);
        char got[8] = "";

        hear(&g, FRCT_DATA | FRCT_RUN_START, 1, "ab");
        hear(&g, FRCT_DATA, 3, "ef");
        hear(&g, FRCT_DATA, 2, "cd");
        assert_int_equal(frct_receiver_read(g.receiver, got, 5, NULL, g.now), 5);
        assert_string_equal(got, "abcde");
        assert_reads(&g, "f");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_run),
                cmocka_unit_test(test_run_with_a_hole),
                cmocka_unit_test(test_message_across_runs),
                cmocka_unit_test(test_plain_order_and_window),
                cmocka_unit_test(test_plain_acknowledgements),
                cmocka_unit_test(test_plain_data_carries_it),
                cmocka_unit_test(test_rendezvous),
                cmocka_unit_test(test_plain_window_opens),
                cmocka_unit_test(test_lossy),
                cmocka_unit_test(test_lossy_never_starves),
                cmocka_unit_test(test_lossy_nobody_reads),
                cmocka_unit_test(test_repeats_end_with_the_run),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_ranges_have_room),
                cmocka_unit_test(test_extended_acknowledgements),
                cmocka_unit_test(test_acknowledgements_behind_a_hole),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_probe),
                cmocka_unit_test(test_finish),
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_too_many_pieces),
                cmocka_unit_test(test_window_grows),
                cmocka_unit_test(test_message_larger_than_window),
                cmocka_unit_test(test_larger_packets),
                cmocka_unit_test(test_endless_message),
                cmocka_unit_test(test_first_never_comes),
                cmocka_unit_test(test_bad_fragments),
                cmocka_unit_test(test_empty_data),
                cmocka_unit_test(test_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
