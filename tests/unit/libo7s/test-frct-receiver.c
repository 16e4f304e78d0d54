/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The receiving half: runs, windows, plain acknowledgements, and flows that lose. */

#include "tests/unit/libo7s/receiver-game.h"

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
                { "control packets keep it",
                  { { 0, 3, 7, "a" }, { 100 * SEC, 4, 0, "" }, { 100 * SEC, 1, 8, "b" } }, "ab" },
                { "starts all the time", { { 0, 3, 7, "a" }, { MSEC, 3, 8, "b" }, { MSEC, 3, 9, "c" } }, "abc" },
                { "duplicate of the start",
                  { { 0, 3, 7, "a" }, { MSEC, 1, 8, "b" }, { 20 * SEC, 3, 7, "a" }, { 0, 1, 9, "c" } }, "abc" },
                { "far start while data moves",
                  { { 0, 3, 7, "a" }, { MSEC, 3, 1u << 30, "x" }, { MSEC, 1, 8, "b" } }, "ab" },
                { "far start behind, while data moves",
                  { { 0, 3, 7, "a" }, { MSEC, 3, 3u << 30, "x" }, { MSEC, 1, 8, "b" } }, "ab" },
                { "far start, repeated in the quiet",
                  { { 0, 3, 7, "a" }, { MSEC, 3, 1u << 30, "b" }, { SEC, 3, 1u << 30, "b" } }, "ab" },
                { "far bare start in the quiet",
                  { { 0, 3, 7, "a" }, { 2 * SEC, 2, 3u << 30, "" }, { 0, 1, 3u << 30, "b" } }, "ab" },
                { "near start is never a new run",
                  { { 0, 3, 7, "a" }, { 50 * SEC, 3, 1000, "x" }, { 0, 1, 8, "b" } }, "ab" },
                { "near start, and the run is long dead",
                  { { 0, 3, 7, "a" }, { 70 * SEC, 4, 0, "" }, { 70 * SEC, 3, 3, "b" } }, "ab" },
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
                        hear(&g, rows[k / 2].packets[i].flags, rows[k / 2].packets[i].sequence,
                             rows[k / 2].packets[i].content);
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

/* A process that was stopped for so long that the run is over has nothing to repeat: not to be said, nor over and
 * over. */
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
