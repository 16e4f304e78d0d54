/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pace of lossy flows: what is written at once leaves evenly, and what is not leaves at once. In virtual time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "libo7s/frct.h"

#define USEC NSEC_PER_USEC
#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define TOGETHER (250 * USEC)           /* what one wake-up may bring forward, or put off */

#define VOICE_SPREAD (6250 * USEC)      /* of 50 ms */
#define VOICE_RATE 12500U
#define VIDEO_SPREAD (10 * MSEC)

typedef struct Game {
        Frct *frct;
        nsec_t now;
} Game;

static uint32_t first_number(void *userdata) {
        return 7;
}

static Game game_new(bool extended, nsec_t spread, uint64_t rate) {
        const FrctConfig config = { .extended = extended,
                                    .packet_max = 1400,
                                    .mpl = 100 * MSEC,
                                    .spread = spread,
                                    .rate = rate,
                                    .random = first_number };
        Game g = { .now = 100 * SEC };

        assert_int_equal(frct_new(&config, g.now, &g.frct), 0);
        return g;
}

static void game_done(Game *g) {
        frct_free(g->frct);
}

#define _game_ _cleanup_(game_done)

static void put(Game *g, size_t size) {
        static uint8_t content[FRCT_MESSAGE_MAX];
        const struct iovec part = { .iov_base = content, .iov_len = size };

        assert_int_equal(frct_write(g->frct, &part, 1, g->now), size);
}

/* Packets with content; the path's MTU is tried, too. */
static unsigned send_all(Game *g) {
        uint8_t packet[1400];
        unsigned n = 0;

        while (frct_transmit(g->frct, packet, sizeof(packet), g->now) > 0)
                n += packet[0] & 1;
        return n;
}

/* To the next moment at which something is due. Returns false where nothing is. */
static bool step(Game *g) {
        nsec_t next = frct_next(g->frct, g->now);

        if (next == NSEC_INFINITY)
                return false;
        assert_true(next > g->now);
        g->now = next;
        frct_expire(g->frct, g->now);
        return true;
}

/* -- what is written at once -- */

static void test_bursts(void **state) {
        static const struct {
                const char *name;
                bool extended;
                nsec_t spread;
                uint64_t rate;
                unsigned n;
                size_t size;
                nsec_t least, most;     /* until the last has left */
        } rows[] = {
                { "no pace",               true, 0, 0, 200, 1000, 0, 0 },
                { "no pace, but a rate",   true, 0, 12500, 200, 1000, 0, 0 },
                { "towards 0.23.0",        false, VIDEO_SPREAD, 0, 200, 1000, 0, 0 },
                { "one",                   true, VOICE_SPREAD, VOICE_RATE, 1, 160, 0, 0 },
                { "eight",                 true, VOICE_SPREAD, VOICE_RATE, 8, 160, 0, 0 },
                { "nine",                  true, VOICE_SPREAD, VOICE_RATE, 9, 160, 500 * USEC, MSEC },
                { "forty of voice",        true, VOICE_SPREAD, VOICE_RATE, 40, 160, 4 * MSEC, VOICE_SPREAD },
                { "a picture",             true, VIDEO_SPREAD, 0, 80, 1000, 8 * MSEC, VIDEO_SPREAD },
                { "a large one",           true, VIDEO_SPREAD, 0, 400, 1000, 9 * MSEC, VIDEO_SPREAD },
                { "more was asked for",    true, VIDEO_SPREAD, 20000000, 80, 1000, 3 * MSEC, 4 * MSEC },
                { "all there is",          true, VIDEO_SPREAD, UINT64_MAX, 80, 1000, 0, 0 },
                { "tiny",                  true, VIDEO_SPREAD, 1, 100, 1, 8 * MSEC, VIDEO_SPREAD },
                { "in no time",            true, 1, 0, 80, 1000, 0, TOGETHER },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(rows[k].extended, rows[k].spread, rows[k].rate);
                nsec_t begin = g.now;
                unsigned n, at_once, most = 0;

                print_message("%s\n", rows[k].name);
                for (unsigned i = 0; i < rows[k].n; i++)
                        put(&g, rows[k].size);
                at_once = n = send_all(&g);
                assert_true(at_once >= MIN(rows[k].n, 8U));
                while (n < rows[k].n) {
                        unsigned more;

                        assert_false(frct_is_flushed(g.frct));
                        assert_true(step(&g));
                        more = send_all(&g);
                        most = MAX(most, more);
                        n += more;
                }
                assert_int_equal(n, rows[k].n);
                assert_true(frct_is_flushed(g.frct));
                assert_in_range(g.now - begin, rows[k].least, rows[k].most + TOGETHER);

                /* evenly: nothing like a burst is left of it */
                if (rows[k].least > 0)
                        assert_true(most <= 1 + rows[k].n * TOGETHER / rows[k].least);
        }
}

/* -- what is not -- */

/* Each is sent when it is written. */
static void test_never_delayed(void **state) {
        static const struct {
                const char *name;
                nsec_t spread;
                uint64_t rate;
                nsec_t gap;
                unsigned together;
                size_t size;
        } rows[] = {
                { "voice",                      VOICE_SPREAD, VOICE_RATE, 20 * MSEC, 1, 160 },
                { "voice, twice what it asked", VOICE_SPREAD, VOICE_RATE, 10 * MSEC, 1, 250 },
                { "voice, no rate",             VOICE_SPREAD, 0, 20 * MSEC, 1, 160 },
                { "voice of large packets",     VOICE_SPREAD, VOICE_RATE, 20 * MSEC, 1, 1100 },
                { "pairs",                      VOICE_SPREAD, VOICE_RATE, 20 * MSEC, 2, 160 },
                { "small pictures",             VIDEO_SPREAD, 0, 40 * MSEC, 4, 1000 },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _game_ Game g = game_new(true, rows[k].spread, rows[k].rate);

                print_message("%s\n", rows[k].name);
                for (unsigned i = 0; i < 1000; i++) {
                        for (unsigned j = 0; j < rows[k].together; j++)
                                put(&g, rows[k].size);
                        assert_int_equal(send_all(&g), rows[k].together);
                        assert_true(frct_is_flushed(g.frct));
                        g.now += rows[k].gap;
                }
        }
}

/* A flow of many packets, evenly: little at first, until its own rate is known, then nothing. */
static void test_steady(void **state) {
        static const nsec_t gaps[] = { 2 * MSEC, MSEC, 200 * USEC, 50 * USEC };

        for (size_t k = 0; k < ELEMENTSOF(gaps); k++) {
                _game_ Game g = game_new(true, VOICE_SPREAD, VOICE_RATE);
                nsec_t begin = g.now, written[SEC / (50 * USEC) + 1];
                unsigned n_written = 0, n_sent = 0;

                print_message("every %u us\n", (unsigned) (gaps[k] / USEC));
                while (g.now < begin + SEC) {
                        nsec_t next = begin + n_written * gaps[k];

                        g.now = MIN(next, MAX(frct_next(g.frct, g.now), g.now));
                        if (g.now == next) {
                                written[n_written++] = g.now;
                                put(&g, 160);
                        }
                        frct_expire(g.frct, g.now);
                        for (unsigned n = send_all(&g); n > 0; n--, n_sent++) {
                                nsec_t delay = g.now - written[n_sent];

                                assert_true(delay <= 2 * VOICE_SPREAD + TOGETHER);
                                if (g.now > begin + 300 * MSEC)
                                        assert_true(delay == 0);
                        }
                }
                assert_true(n_written - n_sent <= 1);
        }
}

/* Who closes does not wait for the pace. */
static void test_finish(void **state) {
        _game_ Game g = game_new(true, VIDEO_SPREAD, 0);
        unsigned n;

        for (unsigned i = 0; i < 100; i++)
                put(&g, 1000);
        n = send_all(&g);
        assert_in_range(n, 8, 20);
        frct_finish(g.frct, g.now);
        assert_int_equal(n + send_all(&g), 100);
        assert_true(frct_is_flushed(g.frct));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bursts),
                cmocka_unit_test(test_never_delayed),
                cmocka_unit_test(test_steady),
                cmocka_unit_test(test_finish),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
