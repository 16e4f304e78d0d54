/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The receiving half of extended FRCT: what it tells its peer of holes, marks and probes, when, and of the end. */

#include "tests/unit/libo7s/receiver-game.h"

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

/* Fast: eight are told together, or what came within half a millisecond. */
static void hear_eight(Game *g, uint32_t first) {
        for (uint32_t i = first; i < first + 7; i++) {
                data(g, i);
                assert_false(must_speak(g));
        }
        assert_int_equal(frct_receiver_next(g->receiver, g->now), g->now + 500 * NSEC_PER_USEC);
        data(g, first + 7);
        assert_true(must_speak(g));
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

        hear_eight(&g, 3);
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

        hear_eight(&g, 3);
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_ranges_have_room),
                cmocka_unit_test(test_extended_acknowledgements),
                cmocka_unit_test(test_acknowledgements_behind_a_hole),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_probe),
                cmocka_unit_test(test_finish),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
