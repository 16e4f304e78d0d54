/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The receiving half of extended FRCT: messages in pieces and larger than the window, how far that grows, and peers
 * that break rules. */

#include "tests/unit/libo7s/receiver-game.h"

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
                { "three, the middle last",
                  { { 0, "a", false, 0x20 }, { 2, "c", true, 0x20 }, { 1, "b", false, 0x20 } }, "abc", 0 },
                { "repeated",
                  { { 0, "ab", false, 0x20 }, { 0, "ab", false, 0x20 }, { 2, "c", true, 0x20 } }, "abc", 0 },
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
                  { { 3, "d", true, 0x20 }, { 4, "e", true, 0x20 },
                    { 0, "xy", false, 0x20 }, { 2, "z", true, 0x20 } }, "xyz", 1 },
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

                        frct_receiver_heard(g.receiver, &header, (const uint8_t *) content, strlen(content), false,
                                            g.now);
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
        FrctConfig config = {
                .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 1 };
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
        FrctConfig config = {
                .reliable = true, .extended = true, .packet_max = 1000, .mpl = 100 * MSEC, .receive_max = 100 * 1064 };
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
                FrctConfig config = {
                        .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 1 };
                _game_ Game g = { .now = START };
                uint32_t i;

                print_message("%s\n", rows[k].name);
                assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
                hear(&g, FRCT_RUN_START, 0, "");
                for (i = 0; i < 2 * FRCT_MESSAGE_MAX && frct_receiver_error(g.receiver) == 0; i++) {
                        const FrctHeader header = {
                                .flags = FRCT_DATA | FRCT_MORE | (i == 0 ? FRCT_FIRST : 0), .sequence = i };

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
        FrctConfig config = {
                .reliable = true, .extended = true, .packet_max = 1400, .mpl = 100 * MSEC, .receive_max = 4 << 20 };
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
