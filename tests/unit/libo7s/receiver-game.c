/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See receiver-game.h. */

#include "tests/unit/libo7s/receiver-game.h"

Game game_new(bool reliable, bool extended, bool stream) {
        const FrctConfig config = {
                .reliable = reliable, .extended = extended, .stream = stream, .packet_max = 1400, .mpl = 100 * MSEC };
        Game g = { .now = START };

        assert_int_equal(frct_receiver_new(&config, g.now, &g.receiver), 0);
        return g;
}

void game_done(Game *g) {
        frct_receiver_free(g->receiver);
}

void hear(Game *g, uint8_t flags, uint32_t sequence, const char *content) {
        const FrctHeader header = {
                .flags = flags, .sequence = sequence, .stamp = (uint32_t) (g->now / NSEC_PER_USEC) };

        frct_receiver_heard(g->receiver, &header, (const uint8_t *) content, strlen(content), false, g->now);
}

void data(Game *g, uint32_t i) {
        hear(g, FRCT_DATA | FRCT_FIRST | (i == 0 ? FRCT_RUN_START : 0), FIRST_NUMBER + i, "data");
}

FrctHeader speak(Game *g) {
        FrctHeader header = {};

        frct_receiver_speak(g->receiver, &header, 1000, false, g->now);
        frct_receiver_spoke(g->receiver, &header, g->now);
        return header;
}

bool must_speak(Game *g) {
        bool must = frct_receiver_must_speak(g->receiver, g->now);

        assert_int_equal(must, frct_receiver_next(g->receiver, g->now) <= g->now);
        return must;
}

void assert_reads(Game *g, const char *expected) {
        char got[64] = "";
        bool more = true;

        assert_int_equal(frct_receiver_read(g->receiver, got, sizeof(got), &more, g->now), strlen(expected));
        assert_string_equal(got, expected);
        assert_false(more);
}

unsigned read_all(Game *g) {
        char got[4096];
        unsigned n = 0;

        while (frct_receiver_read(g->receiver, got, sizeof(got), NULL, g->now) > 0)
                n++;
        return n;
}

FrctStats stats(Game *g) {
        FrctStats s = {};

        frct_receiver_stats(g->receiver, &s);
        return s;
}
