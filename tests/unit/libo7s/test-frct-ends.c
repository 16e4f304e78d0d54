/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a flow ends for both of its ends: on time, where nothing gets through any more, and in order. */

#include "tests/unit/libo7s/frct-world.h"

static const struct {
        const char *name;
        bool extended;
        nsec_t dark_for;
        int end;                        /* of the side that writes */
} blackouts[] = {
        { "12 bytes, a second",   false, SEC,       0 },
        { "12 bytes, 110 s",      false, 110 * SEC, 0 },
        { "12 bytes, for ever",   false, 900 * SEC, -ETIMEDOUT },
        { "a second",             true,  SEC,       0 },
        { "110 s",                true,  110 * SEC, 0 },
        { "for ever",             true,  900 * SEC, -ETIMEDOUT },
};

static void test_blackouts(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(blackouts); i++) {
                FrctConfig config = {
                        .reliable = true, .extended = blackouts[i].extended, .packet_max = PACKET_MAX,
                        .mpl = 100 * MSEC };
                Path path = { .delay = 10 * MSEC };
                uint8_t message[1000];
                nsec_t dark_at;
                bool more;
                World w;

                print_message("%s\n", blackouts[i].name);
                fill(message, sizeof(message), 0);
                world_setup(&w, &config, &path);
                for (unsigned n = 0; n < 100; n++)
                        assert_int_equal(say(&w, 0, message, sizeof(message)), sizeof(message));
                world_settle(&w);
                (void) world_step(&w, EPOCH + 15 * MSEC);

                w.path.dark = true;
                dark_at = w.now;
                while (w.now < dark_at + blackouts[i].dark_for && frct_ended(w.ends[0].frct) == 0)
                        (void) world_step(&w, dark_at + blackouts[i].dark_for);
                w.path.dark = false;
                assert_int_equal(frct_ended(w.ends[0].frct), blackouts[i].end);

                if (blackouts[i].end < 0) {
                        assert_in_range(w.now - dark_at, 119 * SEC, 125 * SEC);
                        assert_int_equal(say(&w, 0, message, sizeof(message)), -EPIPE);
                        assert_int_equal(frct_read(w.ends[0].frct, message, sizeof(message), &more, w.now),
                                         blackouts[i].end);
                        assert_true(frct_next(w.ends[0].frct, w.now) == NSEC_INFINITY);
                } else {
                        while (!frct_is_flushed(w.ends[0].frct))
                                assert_true(world_step(&w, dark_at + blackouts[i].dark_for + 10 * SEC));
                        for (unsigned n = 0; n < 100; n++)
                                assert_int_equal(frct_read(w.ends[1].frct, message, sizeof(message), &more, w.now),
                                                 sizeof(message));
                        assert_int_equal(frct_read(w.ends[1].frct, message, sizeof(message), &more, w.now), -EAGAIN);
                }

                world_teardown(&w);
        }
}

/* Who gets no answer, whatever the reason, knows that nothing of what was written last is certain, at R and no later:
 * also who goes on writing, and whose peer goes on. */
static void test_silence(void **state) {
        static const struct {
                const char *name;
                bool dark, silent;      /* the whole path; or only what end 1 says */
                bool writes[2];
                bool go_on;             /* a message a second */
        } rows[] = {
                { "nothing passes, one writes",            true,  false, { true,  false }, false },
                { "nothing passes, both write",            true,  false, { true,  true  }, false },
                { "nothing passes, both write on",         true,  false, { true,  true  }, true  },
                { "the peer is silent, one writes",        false, true,  { true,  false }, false },
                { "the peer is silent, one writes on",     false, true,  { true,  false }, true  },
                { "the peer is not heard, and writes",     false, true,  { false, true  }, false },
                { "the peer is not heard, both write on",  false, true,  { true,  true  }, true  },
        };

        for (size_t i = 0; i < 2 * ELEMENTSOF(rows); i++) {
                FrctConfig config = {
                        .reliable = true, .extended = i % 2, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
                Path path = { .delay = 10 * MSEC };
                uint8_t message[1000] = {};
                nsec_t ended_at[2] = {};
                bool more;
                World w;

                print_message("%s, %s\n", rows[i / 2].name, config.extended ? "extended" : "12 bytes");
                world_setup(&w, &config, &path);

                /* They know each other. */
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(say(&w, k, message, sizeof(message)), sizeof(message));
                world_settle(&w);
                while (world_step(&w, EPOCH + SEC))
                        ;
                for (unsigned k = 0; k < 2; k++) {
                        assert_true(frct_is_flushed(w.ends[k].frct));
                        assert_int_equal(frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now),
                                         sizeof(message));
                }

                w.now = EPOCH + SEC;
                w.path.dark = rows[i / 2].dark;
                w.path.silent[1] = rows[i / 2].silent;
                for (nsec_t second = 0; second <= 140; second++) {
                        for (unsigned k = 0; k < 2; k++)
                                if (rows[i / 2].writes[k] && (second == 0 || rows[i / 2].go_on))
                                        (void) say(&w, k, message, sizeof(message));
                        world_settle(&w);
                        while (w.now < EPOCH + (second + 2) * SEC) {
                                (void) world_step(&w, EPOCH + (second + 2) * SEC);
                                for (unsigned k = 0; k < 2; k++)
                                        if (ended_at[k] == 0 && frct_ended(w.ends[k].frct) < 0)
                                                ended_at[k] = w.now;
                        }
                }

                for (unsigned k = 0; k < 2; k++) {
                        if (!rows[i / 2].writes[k]) {           /* nothing of its own is in doubt: the layer tells it */
                                assert_int_equal(frct_ended(w.ends[k].frct), 0);
                                continue;
                        }
                        assert_int_equal(frct_ended(w.ends[k].frct), -ETIMEDOUT);
                        assert_in_range(ended_at[k] - (EPOCH + SEC), FRCT_RETRANSMIT_MAX,
                                        FRCT_RETRANSMIT_MAX + 5 * SEC);
                        assert_int_equal(say(&w, k, message, sizeof(message)), -EPIPE);
                        while (frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now) > 0)
                                ;
                        assert_int_equal(frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now), -ETIMEDOUT);
                }
                world_teardown(&w);
        }
}

static void test_finish(void **state) {
        FrctConfig config = { .reliable = true, .extended = true, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
        Path path = { .delay = 10 * MSEC, .loss = 200 };
        uint8_t message[5000] = { 1 };
        bool more;
        World w;

        world_setup(&w, &config, &path);
        assert_int_equal(say(&w, 0, message, sizeof(message)), sizeof(message));
        frct_finish(w.ends[0].frct, w.now);
        assert_int_equal(say(&w, 0, message, 1), -EPIPE);
        world_settle(&w);
        while (!frct_is_flushed(w.ends[0].frct))
                assert_true(world_step(&w, EPOCH + 60 * SEC));

        /* First what arrived, then the end. */
        assert_int_equal(frct_ended(w.ends[0].frct), 0);
        assert_int_equal(frct_read(w.ends[1].frct, message, 4000, &more, w.now), 4000);
        assert_true(more);
        assert_int_equal(frct_read(w.ends[1].frct, message, 4000, &more, w.now), 1000);
        assert_false(more);
        assert_int_equal(frct_read(w.ends[1].frct, message, 4000, &more, w.now), -ENOTCONN);
        assert_int_equal(frct_ended(w.ends[1].frct), -ENOTCONN);
        world_teardown(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_blackouts),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_finish),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
