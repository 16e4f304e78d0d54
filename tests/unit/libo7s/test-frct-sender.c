/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sending half alone: what it sends and when, told by headers that a peer, or an enemy, might send. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/frct-sender.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define EPOCH ((nsec_t) 1000 * SEC)
#define FIRST UINT32_C(0xfffffff0)      /* of the run: numbers wrap soon */
#define ROOM 1388U

typedef struct Fixture {
        FrctSender *s;
        nsec_t now;
        uint32_t numbers;               /* what "random" yields next */
} Fixture;

static uint32_t fixture_random(void *userdata) {
        Fixture *f = userdata;

        return f->numbers++;
}

static void fixture_setup(Fixture *f, bool reliable, bool extended) {
        FrctConfig config = {
                .reliable = reliable, .extended = extended, .packet_max = 1400, .mpl = 100 * MSEC,
                .random = fixture_random, .userdata = f,
        };

        *f = (Fixture) { .now = EPOCH, .numbers = FIRST };
        assert_int_equal(frct_sender_new(&config, f->now, &f->s), 0);
}

static ssize_t put(Fixture *f, size_t size) {
        static uint8_t bytes[FRCT_MESSAGE_MAX + 1];
        struct iovec parts[] = { { bytes, size / 2 }, { bytes, 0 }, { bytes + size / 2, size - size / 2 } };

        return frct_sender_write(f->s, parts, ELEMENTSOF(parts), f->now);
}

/* The next packet, which leaves at once. Returns whether there was one; size: of its content. */
static bool get(Fixture *f, FrctHeader *ret, size_t *ret_size) {
        const uint8_t *content;
        FrctHeader header = {};
        size_t size = 0;

        frct_sender_expire(f->s, f->now);
        if (frct_sender_next_packet(f->s, &header, ROOM, &content, &size, f->now) == 0)
                return false;

        frct_sender_sent(f->s, size + 20, f->now);
        *ret = header;
        *ret_size = size;
        return true;
}

static unsigned get_all(Fixture *f, uint32_t *ret_last) {
        unsigned n = 0;
        FrctHeader h;
        size_t size;

        while (get(f, &h, &size)) {
                if (h.extension & FRCT_X_PROBE)
                        continue;
                *ret_last = h.sequence;
                n++;
        }

        return n;
}

static FrctStats stats_of(const Fixture *f) {
        FrctStats stats = {};

        frct_sender_stats(f->s, &stats);
        return stats;
}

static void hear(Fixture *f, uint8_t flags, uint32_t acknowledgement, uint32_t window) {
        FrctHeader h = { .flags = flags, .acknowledgement = acknowledgement, .window = window & FRCT_WINDOW_MASK };

        frct_sender_heard(f->s, &h, f->now);
}

static void test_run(void **state) {
        FrctHeader h;
        uint32_t number;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, false);

        /* Bare packets before the run show the number that it will begin with. */
        assert_true(frct_sender_run_to_come(f.s, &number, f.now));
        assert_int_equal(number, FIRST);
        assert_true(frct_sender_next(f.s, f.now) == NSEC_INFINITY);

        assert_int_equal(put(&f, 10), 10);
        assert_int_equal(put(&f, 20), 20);
        assert_true(frct_sender_next(f.s, f.now) <= f.now);
        assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START);
        assert_int_equal(h.sequence, FIRST);
        assert_int_equal(size, 10);
        assert_false(frct_sender_run_to_come(f.s, &number, f.now));

        assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_DATA);
        assert_int_equal(h.sequence, FIRST + 1);
        assert_int_equal(size, 20);
        assert_false(get(&f, &h, &size));
        assert_false(frct_sender_is_flushed(f.s));

        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 2, 0);
        assert_true(frct_sender_is_flushed(f.s));
        assert_true(frct_sender_next(f.s, f.now) == NSEC_INFINITY);
        assert_int_equal(stats_of(&f).bytes_acknowledged, 30);

        /* The peer still knows the run: it goes on, and says that nothing is outstanding. */
        f.now += 131 * SEC;
        assert_int_equal(put(&f, 1), 1);
        assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START);
        assert_int_equal(h.sequence, FIRST + 2);
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 3, 0);

        /* A bare packet keeps it alive. */
        f.now += 100 * SEC;
        frct_sender_spoke(f.s, f.now);
        f.now += 100 * SEC;
        assert_false(frct_sender_run_to_come(f.s, &number, f.now));

        /* Silence does not: another number, the same for bare packets and data. */
        f.now += 40 * SEC;
        assert_true(frct_sender_run_to_come(f.s, &number, f.now));
        assert_int_equal(number, FIRST + 1);
        assert_int_equal(put(&f, 1), 1);
        assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START);
        assert_int_equal(h.sequence, FIRST + 1);

        frct_sender_free(f.s);
}

static void test_window(void **state) {
        FrctHeader h;
        uint32_t last;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, false);
        for (unsigned n = 0; n < 100; n++)
                assert_int_equal(put(&f, 100), 100);

        assert_int_equal(get_all(&f, &last), 64);
        assert_int_equal(last, FIRST + 63);
        assert_int_equal(stats_of(&f).window, 0);
        hear(&f, FRCT_ACKNOWLEDGE | FRCT_WINDOW, FIRST + 64, FIRST + 64);
        assert_int_equal(get_all(&f, &last), 0);

        /* It asks every 100 ms. The peer answers: nothing but its window, for much longer than R. */
        for (unsigned n = 0; n < 2000; n++) {
                assert_int_equal(frct_sender_next(f.s, f.now), f.now + 100 * MSEC);
                f.now += 100 * MSEC;
                assert_true(get(&f, &h, &size));
                assert_int_equal(h.flags, FRCT_RENDEZVOUS);
                assert_int_equal(h.sequence, 0);
                assert_int_equal(size, 0);
                assert_false(get(&f, &h, &size));
                hear(&f, FRCT_WINDOW, 0, FIRST + 64);
        }
        assert_int_equal(frct_sender_error(f.s), 0);

        hear(&f, FRCT_WINDOW, 0, FIRST + 74);
        assert_int_equal(get_all(&f, &last), 10);
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 74, 0);

        /* No answer is the end. */
        for (unsigned n = 0; n <= 1200 && frct_sender_error(f.s) == 0; n++) {
                f.now += 100 * MSEC;
                (void) get(&f, &h, &size);
        }
        assert_int_equal(frct_sender_error(f.s), -ETIMEDOUT);
        assert_false(get(&f, &h, &size));
        assert_true(frct_sender_next(f.s, f.now) == NSEC_INFINITY);
        frct_sender_free(f.s);
}

/* Ten segments are out, FIRST .. FIRST + 9, and the window ends at FIRST + 64. */
static const struct {
        const char *name;
        uint8_t flags;
        uint32_t acknowledgement, window;       /* from FIRST on */
        FrctRange range;
        bool extended;
        uint64_t acknowledged;
        uint32_t right;
        uint64_t malformed;
} hostile[] = {
        { "all",                          FRCT_ACKNOWLEDGE, 10, 0, {}, false, 10, 64, 0 },
        { "some",                         FRCT_ACKNOWLEDGE, 3, 0, {}, false, 3, 64, 0 },
        { "nothing new",                  FRCT_ACKNOWLEDGE, 0, 0, {}, false, 0, 64, 0 },
        { "of before the run",            FRCT_ACKNOWLEDGE, UINT32_MAX, 0, {}, false, 0, 64, 0 },
        { "of what was never sent",       FRCT_ACKNOWLEDGE, 11, 0, {}, false, 0, 64, 1 },
        { "far beyond",                   FRCT_ACKNOWLEDGE, 0x7fffffff, 0, {}, false, 0, 64, 1 },
        { "zeroes of a broken peer",      FRCT_ACKNOWLEDGE | FRCT_WINDOW, -FIRST, -FIRST, {}, false, 0, 64, 1 },
        { "without the flag",             0, 10, 100, {}, false, 0, 64, 0 },
        { "a larger window",              FRCT_WINDOW, 0, 266, {}, false, 0, 266, 0 },
        { "one that jumps back",          FRCT_WINDOW, 0, 63, {}, false, 0, 64, 0 },
        { "one that nobody has",          FRCT_WINDOW, 0, 267, {}, false, 0, 64, 1 },
        { "an absurd one",                FRCT_WINDOW, 0, 0x7fffff, {}, false, 0, 64, 1 },
        { "extended: a large window",     FRCT_WINDOW, 0, 100000, {}, true, 0, 100000, 0 },
        { "extended: an absurd one",      FRCT_WINDOW, 0, 0x200000, {}, true, 0, 64, 1 },
        { "a range",                      FRCT_ACKNOWLEDGE, 2, 0, { 4, 7 }, true, 5, 64, 0 },
        { "a range to the end",           FRCT_ACKNOWLEDGE, 2, 0, { 9, 10 }, true, 3, 64, 0 },
        { "a range beyond",               FRCT_ACKNOWLEDGE, 2, 0, { 9, 11 }, true, 2, 64, 1 },
        { "a range of nearly all",        FRCT_ACKNOWLEDGE, 0, 0, { 1, 0x7fffffff }, true, 0, 64, 1 },
        { "ranges to old dialects",       FRCT_ACKNOWLEDGE, 2, 0, { 4, 7 }, false, 2, 64, 0 },
};

static void test_hostile(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                FrctHeader h = {
                        .flags = hostile[i].flags,
                        .acknowledgement = FIRST + hostile[i].acknowledgement,
                        .window = (FIRST + hostile[i].window) & FRCT_WINDOW_MASK,
                        .n_ranges = hostile[i].range.end > 0,
                        .ranges = { { FIRST + hostile[i].range.begin, FIRST + hostile[i].range.end } },
                };
                FrctStats stats;
                uint32_t last;
                Fixture f;

                print_message("%s\n", hostile[i].name);
                fixture_setup(&f, true, hostile[i].extended);
                for (unsigned n = 0; n < 10; n++)
                        assert_int_equal(put(&f, 100), 100);
                assert_int_equal(get_all(&f, &last), 10);

                /* Twice the same changes nothing but the counter. */
                for (unsigned n = 1; n <= 2; n++) {
                        f.now += MSEC;
                        frct_sender_heard(f.s, &h, f.now);
                        stats = stats_of(&f);
                        assert_int_equal(stats.bytes_acknowledged, 100 * hostile[i].acknowledged);
                        assert_int_equal(stats.bytes_unacknowledged, 1000 - 100 * hostile[i].acknowledged);
                        assert_int_equal(stats.messages_unacknowledged, 10 - hostile[i].acknowledged);
                        assert_int_equal(stats.window, hostile[i].right - 10);
                        assert_int_equal(stats.malformed, n * hostile[i].malformed);
                }

                /* And an honest one still ends it. */
                hear(&f, FRCT_ACKNOWLEDGE, FIRST + 10, 0);
                assert_true(frct_sender_is_flushed(f.s));
                frct_sender_free(f.s);
        }
}

/* A peer that is gone: the same segment, later and later, until R is over. */
static void test_silence(void **state) {
        const nsec_t at[] = { 1, 3, 7, 12, 17, 22, 27 };
        FrctHeader h;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, false);
        assert_int_equal(put(&f, 100), 100);
        assert_true(get(&f, &h, &size));

        for (size_t i = 0; i < ELEMENTSOF(at); i++) {
                assert_int_equal(frct_sender_next(f.s, f.now), EPOCH + at[i] * SEC);
                f.now = EPOCH + at[i] * SEC - 1;
                assert_false(get(&f, &h, &size));
                f.now++;
                assert_true(get(&f, &h, &size));
                assert_int_equal(h.sequence, FIRST);
                assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START);
                assert_int_equal(size, 100);
        }

        f.now = EPOCH + FRCT_RETRANSMIT_MAX - 1;
        frct_sender_expire(f.s, f.now);
        assert_int_equal(frct_sender_error(f.s), 0);
        f.now++;
        frct_sender_expire(f.s, f.now);
        assert_int_equal(frct_sender_error(f.s), -ETIMEDOUT);
        frct_sender_free(f.s);
}

/* The link was down for a while and is back: nobody waits for a time-out that has grown to seconds. */
static void test_path_is_back(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                uint32_t last = 0;
                Fixture f;

                fixture_setup(&f, true, extended);
                assert_int_equal(put(&f, 100), 100);
                (void) get_all(&f, &last);
                for (unsigned i = 0; i < 8; i++) {
                        f.now = frct_sender_next(f.s, f.now);
                        (void) get_all(&f, &last);
                }
                assert_true(frct_sender_next(f.s, f.now) >= f.now + 3 * SEC);

                f.now += 2 * SEC;
                assert_int_equal(get_all(&f, &last), 0);
                frct_sender_path_is_back(f.s);
                assert_true(frct_sender_next(f.s, f.now) <= f.now);
                assert_int_equal(get_all(&f, &last), 1);
                assert_int_equal(last, FIRST);
                f.s = frct_sender_free(f.s);
        }
}

/* Karn: what was sent twice says nothing about the round trip. */
static void test_measurement(void **state) {
        FrctHeader h;
        uint32_t last;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, false);
        assert_int_equal(put(&f, 100), 100);
        assert_true(get(&f, &h, &size));
        f.now += SEC;
        assert_true(get(&f, &h, &size));
        f.now += 10 * MSEC;
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 1, 0);
        assert_int_equal(stats_of(&f).rtt, 0);

        for (unsigned n = 0; n < 3; n++)
                assert_int_equal(put(&f, 100), 100);
        assert_int_equal(get_all(&f, &last), 3);
        f.now += 30 * MSEC;
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 3, 0);
        assert_int_equal(stats_of(&f).rtt, 30 * MSEC);
        f.now += 30 * MSEC;
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 4, 0);
        assert_int_equal(stats_of(&f).rtt, 30 * MSEC);
        assert_int_equal(stats_of(&f).rto, 90 * MSEC);
        frct_sender_free(f.s);
}

static void test_lossy(void **state) {
        FrctHeader h;
        size_t size;
        Fixture f;

        fixture_setup(&f, false, false);
        for (unsigned n = 0; n < 300; n++) {
                assert_int_equal(put(&f, 1000), 1000);
                assert_true(get(&f, &h, &size));
                assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START);
                assert_int_equal(h.sequence, FIRST + n);
                assert_true(frct_sender_is_flushed(f.s));
                assert_true(frct_sender_next(f.s, f.now) == NSEC_INFINITY);
        }
        assert_int_equal(stats_of(&f).bytes_unacknowledged, 0);
        frct_sender_free(f.s);
}

/* What was not sent is due again, the same and counted once. */
static void test_unsent(void **state) {
        const uint8_t *content;
        FrctHeader h;
        size_t size;
        Fixture f;

        for (unsigned extended = 0; extended < 2; extended++) {
                fixture_setup(&f, true, extended);
                assert_int_equal(put(&f, 100), 100);

                for (unsigned n = 0; n < 5; n++) {
                        h = (FrctHeader) {};
                        assert_int_equal(frct_sender_next_packet(f.s, &h, ROOM, &content, &size, f.now), 1);
                        assert_int_equal(h.sequence, FIRST);
                        assert_int_equal(size, 100);
                        assert_true(frct_sender_next(f.s, f.now) <= f.now);
                }
                assert_int_equal(stats_of(&f).segments_sent, 0);

                /* It cannot be acknowledged either. */
                hear(&f, FRCT_ACKNOWLEDGE, FIRST + 1, 0);
                assert_int_equal(stats_of(&f).malformed, 1);
                assert_int_equal(stats_of(&f).bytes_unacknowledged, 100);

                /* Nor does R end for it: it is not the peer that is slow. */
                f.now += 2 * FRCT_RETRANSMIT_MAX;
                assert_true(get(&f, &h, &size));
                assert_int_equal(frct_sender_error(f.s), 0);
                assert_int_equal(stats_of(&f).segments_sent, 1);
                frct_sender_free(f.s);
        }
}

static void test_buffer(void **state) {
        FrctHeader h;
        size_t size, total = 0;
        Fixture f;

        fixture_setup(&f, true, true);
        assert_int_equal(put(&f, 0), -EINVAL);
        assert_int_equal(put(&f, FRCT_MESSAGE_MAX + 1), -EMSGSIZE);

        /* One message of any size is always taken, more only as far as there is room. */
        assert_true(frct_sender_writable(f.s, FRCT_MESSAGE_MAX));
        assert_int_equal(put(&f, FRCT_MESSAGE_MAX), FRCT_MESSAGE_MAX);
        assert_false(frct_sender_writable(f.s, 1));
        assert_int_equal(put(&f, 1), -EAGAIN);
        frct_sender_free(f.s);

        fixture_setup(&f, true, true);
        while (put(&f, 1000) == 1000)
                total += 1000;
        assert_in_range(total, 150000, 1000000);
        assert_false(frct_sender_writable(f.s, 1000));
        while (get(&f, &h, &size))
                ;
        assert_int_equal(put(&f, 1000), -EAGAIN);               /* sent is not acknowledged */
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 5, 0);
        assert_int_equal(put(&f, 1000), 1000);

        frct_sender_finish(f.s, f.now);
        assert_int_equal(put(&f, 1), -EPIPE);
        frct_sender_free(f.s);

        fixture_setup(&f, true, false);
        assert_int_equal(put(&f, 1388), 1388);
        assert_int_equal(put(&f, 1389), -EMSGSIZE);
        frct_sender_free(f.s);
}

static void hear_ranges(Fixture *f, uint32_t acknowledgement, uint32_t begin, uint32_t end, nsec_t sent_at) {
        FrctHeader h = {
                .flags = FRCT_ACKNOWLEDGE,
                .acknowledgement = FIRST + acknowledgement,
                .extension = FRCT_X_ECHO,
                .echo = (uint32_t) (sent_at / NSEC_PER_USEC),
                .n_ranges = end > begin,
                .ranges = { { FIRST + begin, FIRST + end } },
        };

        frct_sender_heard(f->s, &h, f->now);
}

/* Ranges show what is missing: it is sent again a little later than a round trip, and nothing else is. */
static void test_ranges(void **state) {
        FrctHeader h;
        uint32_t last;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, true);
        for (unsigned n = 0; n < 10; n++)
                assert_int_equal(put(&f, 100), 100);
        assert_int_equal(get_all(&f, &last), 10);

        f.now += 40 * MSEC;
        hear_ranges(&f, 2, 0, 0, EPOCH);
        assert_int_equal(stats_of(&f).rtt, 40 * MSEC);
        for (unsigned n = 0; n < 2; n++)
                assert_int_equal(put(&f, 100), 100);
        assert_int_equal(get_all(&f, &last), 2);
        assert_int_equal(last, FIRST + 11);

        f.now += 40 * MSEC;
        hear_ranges(&f, 4, 6, 12, EPOCH + 40 * MSEC);
        assert_int_equal(get_all(&f, &last), 2);
        assert_int_equal(last, FIRST + 5);
        assert_int_equal(stats_of(&f).retransmitted, 2);
        assert_int_equal(stats_of(&f).lost, 2);

        f.now += 40 * MSEC;
        hear_ranges(&f, 12, 0, 0, EPOCH + 80 * MSEC);
        assert_true(frct_sender_is_flushed(f.s));
        assert_false(get(&f, &h, &size));
        assert_true(frct_sender_next(f.s, f.now) == NSEC_INFINITY);
        frct_sender_free(f.s);
}

static void test_finish(void **state) {
        FrctHeader h;
        size_t size;
        Fixture f;

        fixture_setup(&f, true, true);
        assert_int_equal(put(&f, 100), 100);
        frct_sender_finish(f.s, f.now);
        assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_DATA | FRCT_RUN_START | FRCT_FIRST);

        do
                assert_true(get(&f, &h, &size));
        while (h.extension & FRCT_X_PROBE);
        assert_int_equal(h.flags, FRCT_FINISH);
        assert_int_equal(h.sequence, FIRST + 1);
        assert_int_equal(size, 0);

        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 1, 0);
        assert_false(frct_sender_is_flushed(f.s));
        f.now += 3 * SEC;
        assert_true(get(&f, &h, &size));
        while (h.extension & FRCT_X_PROBE)
                assert_true(get(&f, &h, &size));
        assert_int_equal(h.flags, FRCT_FINISH);
        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 2, 0);
        assert_true(frct_sender_is_flushed(f.s));
        frct_sender_free(f.s);

        /* Peers of 0.23.0 know no end. */
        fixture_setup(&f, true, false);
        frct_sender_finish(f.s, f.now);
        assert_false(get(&f, &h, &size));
        assert_true(frct_sender_is_flushed(f.s));
        frct_sender_free(f.s);
}

/* A message of three segments is out; then the path takes less, and they are lost. */
static void test_pieces(void **state) {
        size_t size, total = 0;
        unsigned n_last = 0;
        FrctHeader h;
        uint32_t last;
        Fixture f;

        fixture_setup(&f, true, true);
        assert_int_equal(put(&f, 3 * 1168), 3 * 1168);
        assert_int_equal(get_all(&f, &last), 3);

        frct_sender_set_packet_max(f.s, 500, f.now);
        assert_int_equal(stats_of(&f).packet_max, 500);
        for (unsigned n = 0; n < 4; n++) {
                f.now += SEC;
                while (get(&f, &h, &size)) {
                        assert_true(size <= 500 - 32);
                        assert_true(h.extension & FRCT_X_PIECE);
                        assert_true(h.position + size <= 1168);
                        total += size;
                        n_last += h.extension & FRCT_X_LAST_PIECE ? 1 : 0;
                        assert_int_equal((bool) (h.flags & FRCT_FIRST), h.sequence == FIRST);
                        assert_int_equal((bool) (h.flags & FRCT_MORE), h.sequence != FIRST + 2);
                }
        }
        assert_true(n_last >= 3);
        assert_true(total >= 3 * 1168);

        hear(&f, FRCT_ACKNOWLEDGE, FIRST + 3, 0);
        assert_true(frct_sender_is_flushed(f.s));
        assert_int_equal(stats_of(&f).bytes_acknowledged, 3 * 1168);
        frct_sender_free(f.s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_run),
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_path_is_back),
                cmocka_unit_test(test_measurement),
                cmocka_unit_test(test_lossy),
                cmocka_unit_test(test_unsent),
                cmocka_unit_test(test_buffer),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_finish),
                cmocka_unit_test(test_pieces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
