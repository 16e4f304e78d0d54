/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of a flow: all that is written arrives, over any path, in order and once. */

#include "tests/unit/libo7s/frct-world.h"

static const struct {
        const char *name;
        bool extended, stream;
        size_t message, total;
        Path path;
        unsigned refuse;
        nsec_t within;
} transfers[] = {
        { "12 bytes, clean",            false, false,    1000,   1000000, { .delay = 5 * MSEC }, 0, 10 * SEC },
        { "12 bytes, full packets",     false, false,    1388,   2776000, { .delay = MSEC }, 0, 10 * SEC },
        { "12 bytes, 10 % loss",        false, false,    1000,    200000,
          { .delay = 5 * MSEC, .loss = 100 }, 0, 100 * SEC },
        { "12 bytes, 30 % loss",        false, false,     100,     10000,
          { .delay = 20 * MSEC, .loss = 300 }, 0, 100 * SEC },
        { "12 bytes, jitter, doubles",  false, false,     500,    500000,
          { .delay = 5 * MSEC, .jitter = 20 * MSEC, .doubled = 100 }, 0, 60 * SEC },
        { "12 bytes, lane often full",  false, false,    1000,   1000000,
          { .delay = 5 * MSEC, .loss = 10 }, 500, 60 * SEC },
        { "small messages",             true,  false,      32,    320000, { .delay = 5 * MSEC }, 0, 10 * SEC },
        { "large messages",             true,  false, 1 << 20,  16 << 20, { .delay = 5 * MSEC }, 0, 10 * SEC },
        { "large messages, 5 % loss",   true,  false, 1 << 20,  16 << 20,
          { .delay = 5 * MSEC, .loss = 50 }, 0, 60 * SEC },
        { "30 % loss",                  true,  false,   30000,    300000,
          { .delay = 20 * MSEC, .loss = 300 }, 0, 60 * SEC },
        { "stream, 1 % loss",           true,  true,     7777,   8 << 20,
          { .delay = 10 * MSEC, .loss = 10 }, 0, 30 * SEC },
        { "stream of bytes",            true,  true,        1,     20000,
          { .delay = 10 * MSEC, .loss = 10 }, 0, 30 * SEC },
        { "jitter, doubles",            true,  false,   10000,   4 << 20,
          { .delay = 5 * MSEC, .jitter = 20 * MSEC, .doubled = 100 }, 0, 60 * SEC },
        { "lane often full",            true,  false,   10000,   4 << 20,
          { .delay = 5 * MSEC, .loss = 10 }, 500, 60 * SEC },
        { "narrow, short queue",        true,  false,   10000,   4 << 20,
          { .delay = 10 * MSEC, .rate = 1250000, .queue_max = 20000 }, 0, 30 * SEC },
        { "path takes 1300",            true,  false,   10000,   4 << 20,
          { .delay = 5 * MSEC, .packet_max = 1300 }, 0, 30 * SEC },
        { "100 Mbit/s at 100 ms",       true,  false, 1 << 20,  32 << 20,
          { .delay = 50 * MSEC, .rate = 12500000, .queue_max = 400000 }, 0, 5 * SEC },
        { "path takes 600",             true,  false,   10000,   1 << 20,
          { .delay = 5 * MSEC, .packet_max = 600 }, 0, 90 * SEC },
};

static void test_transfers(void **state) {
        static uint8_t bytes[1 << 20], heard[1 << 20];

        for (size_t i = 0; i < ELEMENTSOF(transfers); i++) {
                FrctConfig config = {
                        .reliable = true, .extended = transfers[i].extended, .stream = transfers[i].stream,
                        .packet_max = PACKET_MAX, .mpl = 100 * MSEC,
                };
                size_t total = transfers[i].total, written = 0, read = 0;
                FrctStats stats;
                World w;

                world_setup(&w, &config, &transfers[i].path);
                w.refuse = transfers[i].refuse;

                while (read < total || !frct_is_flushed(w.ends[0].frct)) {
                        ssize_t n;
                        bool more;

                        while (written < total) {
                                size_t size = MIN(transfers[i].message, total - written);

                                if (!frct_writable(w.ends[0].frct, size)) {
                                        assert_int_equal(say(&w, 0, bytes, size), -EAGAIN);
                                        break;
                                }
                                fill(bytes, size, written);
                                n = say(&w, 0, bytes, size);
                                assert_true(transfers[i].stream ? n > 0 : (size_t) n == size);
                                written += (size_t) n;
                        }
                        world_settle(&w);

                        while ((n = frct_read(w.ends[1].frct, heard, sizeof(heard), &more, w.now)) > 0) {
                                assert_true(transfers[i].stream || (size_t) n == MIN(transfers[i].message,
                                                                                     total - read));
                                fill(bytes, (size_t) n, read);
                                assert_memory_equal(heard, bytes, (size_t) n);
                                read += (size_t) n;
                        }
                        assert_int_equal(n, -EAGAIN);

                        (void) world_step(&w, NSEC_INFINITY - 1);
                        if (w.now > EPOCH + transfers[i].within)
                                fail_msg("%s: %zu of %zu bytes, %zu read", transfers[i].name, written, total, read);
                }

                frct_stats(w.ends[0].frct, &stats);
                print_message("%-26s %6.2f s, %" PRIu64 " sent, %" PRIu64 " again\n", transfers[i].name,
                        (double) (w.now - EPOCH) / (double) SEC, stats.segments_sent, stats.retransmitted);
                assert_int_equal(stats.bytes_acknowledged, total);
                assert_int_equal(stats.bytes_unacknowledged, 0);
                assert_int_equal(stats.messages_unacknowledged, 0);
                assert_int_equal(read, total);

                /* Then silence, and no timer. */
                for (unsigned n = 0; n < 200; n++)
                        (void) world_step(&w, w.now + SEC);
                assert_true(frct_next(w.ends[0].frct, w.now) == NSEC_INFINITY);
                assert_true(frct_next(w.ends[1].frct, w.now) == NSEC_INFINITY);
                assert_true(list_is_empty(&w.ends[0].towards) && list_is_empty(&w.ends[1].towards));

                world_teardown(&w);
        }
}

/* What is lost follows a rhythm, and time-outs have one, too: a flight of so many packets and the one that answers them
 * all, for ever. It must not last. */
static void test_rhythm(void **state) {
        const FrctConfig config = { .reliable = true, .extended = true, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
        static uint8_t message[2 * PACKET_MAX];

        for (unsigned each = 4; each <= 16; each++)
                for (unsigned begin = 0; begin < each * 40; begin++) {
                        Path path = { .delay = 100 * NSEC_PER_USEC, .each = each };
                        World w;

                        world_setup(&w, &config, &path);
                        w.n_sent = begin;
                        for (unsigned n = 0; n < 2 + begin / each; n++)
                                assert_true(say(&w, 0, message, 1 + (n * 997 + begin) % sizeof(message)) > 0);
                        assert_true(say(&w, 1, message, 10 + begin) > 0);
                        frct_finish(w.ends[0].frct, w.now);

                        while (!frct_is_flushed(w.ends[0].frct) || !frct_is_flushed(w.ends[1].frct))
                                if (!world_step(&w, EPOCH + 10 * SEC))
                                        fail_msg("each %u from %u: ten seconds were not enough", each, begin);
                        world_teardown(&w);
                }
}

/* One end sends as much as it may, until then. Returns how much the other has got meanwhile. */
static uint64_t send_until(World *w, nsec_t until) {
        static uint8_t message[1300];
        uint64_t size = 0;

        while (w->now < until) {
                ssize_t n;
                bool more;

                while (say(w, 0, message, sizeof(message)) > 0)
                        ;
                world_settle(w);
                while ((n = frct_read(w->ends[1].frct, message, sizeof(message), &more, w->now)) > 0)
                        size += (uint64_t) n;
                (void) world_step(w, until);
        }

        return size;
}

/* What the layer marks slows the sender down, by way of the other end's acknowledgements, and without a loss; that ends
 * with the marks. */
static void test_marks(void **state) {
        FrctConfig config = { .reliable = true, .extended = true, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
        Path path = { .delay = 10 * MSEC, .rate = 1250000, .queue_max = 1250000 };
        uint64_t before, marked, after;
        FrctStats sender, receiver;
        World w;

        world_setup(&w, &config, &path);
        (void) send_until(&w, EPOCH + 5 * SEC);
        before = send_until(&w, EPOCH + 10 * SEC);

        w.path.marked = true;
        (void) send_until(&w, EPOCH + 12 * SEC);
        marked = send_until(&w, EPOCH + 17 * SEC);

        w.path.marked = false;
        (void) send_until(&w, EPOCH + 25 * SEC);
        after = send_until(&w, EPOCH + 30 * SEC);

        frct_stats(w.ends[0].frct, &sender);
        frct_stats(w.ends[1].frct, &receiver);
        print_message("%" PRIu64 " bytes, marked %" PRIu64 ", then %" PRIu64 "\n", before, marked, after);
        assert_true(receiver.marked > 0);
        assert_int_equal(sender.lost, 0);
        assert_true(before * 10 > path.rate * 5 * 9);
        assert_in_range(marked, before / 100, before / 2);      /* slow, and it goes on */
        assert_true(after * 10 > before * 9);
        world_teardown(&w);
}

/* A queue that takes far longer than the path itself: whoever believes that what waits in it is lost, fills it with
 * copies. Towards 0.23.0, too, which has no model of the path. */
static void test_long_queue(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                FrctConfig config = {
                        .reliable = true, .extended = extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
                Path path = { .delay = 10 * MSEC, .rate = 1250000, .queue_max = 1250000 };
                FrctStats sender;
                uint64_t n;
                World w;

                world_setup(&w, &config, &path);
                (void) send_until(&w, EPOCH + 5 * SEC);
                n = send_until(&w, EPOCH + 10 * SEC);
                frct_stats(w.ends[0].frct, &sender);
                print_message("%s: %" PRIu64 " bytes in 5 s, %" PRIu64 " packets believed lost\n",
                              extended ? "extended" : "12 bytes", n, (uint64_t) sender.lost);
                assert_true(n * 10 > path.rate * 5 * 9);
                assert_in_range(sender.lost, 0, 2000);
                world_teardown(&w);
        }
}

/* A reader that sleeps for an hour: nothing breaks, nothing piles up, and all is there when it wakes. */
static void test_slow_reader(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                FrctConfig config = {
                        .reliable = true, .extended = extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
                Path path = { .delay = 10 * MSEC, .loss = 50 };
                size_t written = 0, read = 0;
                uint8_t message[1000];
                FrctStats stats;
                ssize_t n;
                bool more;
                World w;

                config.receive_max = 1 << 20;
                world_setup(&w, &config, &path);
                while (w.now < EPOCH + 3600 * SEC) {
                        fill(message, sizeof(message), written);
                        n = say(&w, 0, message, sizeof(message));
                        if (n > 0)
                                written += (size_t) n;
                        else
                                (void) world_step(&w, w.now + SEC);
                }
                assert_int_equal(frct_ended(w.ends[0].frct), 0);
                frct_stats(w.ends[1].frct, &stats);
                assert_true(stats.bytes_readable <= 1 << 20);

                while (read < written) {
                        uint8_t expected[1000];

                        n = frct_read(w.ends[1].frct, message, sizeof(message), &more, w.now);
                        if (n == -EAGAIN) {
                                assert_true(world_step(&w, EPOCH + 3700 * SEC));
                                continue;
                        }
                        assert_int_equal(n, sizeof(message));
                        fill(expected, sizeof(expected), read);
                        assert_memory_equal(message, expected, sizeof(expected));
                        read += sizeof(message);
                }
                world_teardown(&w);
        }
}

/* Lossy flows: in order, each at most once, nothing kept for long. */
static void test_lossy(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                FrctConfig config = { .extended = extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
                Path path = { .delay = 10 * MSEC, .jitter = 5 * MSEC, .loss = 100, .doubled = 100 };
                unsigned n_read = 0;
                uint32_t next = 0;
                World w;

                world_setup(&w, &config, &path);
                for (uint32_t number = 0; number < 5000; number++) {
                        uint32_t heard;
                        bool more;

                        assert_int_equal(say(&w, 0, &number, sizeof(number)), sizeof(number));
                        world_settle(&w);
                        assert_true(frct_is_flushed(w.ends[0].frct));
                        (void) world_step(&w, w.now + 2 * MSEC);

                        while (frct_read(w.ends[1].frct, &heard, sizeof(heard), &more, w.now) == sizeof(heard)) {
                                assert_true(heard >= next);
                                next = heard + 1;
                                n_read++;
                        }
                }
                print_message("%s: %u of 5000\n", extended ? "extended" : "12 bytes", n_read);
                assert_in_range(n_read, 1000, 4800);
                assert_int_equal(frct_ended(w.ends[0].frct), 0);
                world_teardown(&w);
        }
}

static uint32_t any_random(void *userdata) {
        return 0xc89ce289;
}

static void test_config(void **state) {
        const struct {
                const char *name;
                FrctConfig config;
                int r;
        } configs[] = {
                { "good",                      { .packet_max = 1400, .random = any_random }, 0 },
                { "no random numbers",         { .packet_max = 1400 }, -EINVAL },
                { "no room for a header",      { .packet_max = 20, .random = any_random }, -EINVAL },
                { "a stream of packets",
                  { .packet_max = 1400, .random = any_random, .reliable = true, .stream = true }, -EINVAL },
                { "a stream with gaps",
                  { .packet_max = 1400, .random = any_random, .extended = true, .stream = true }, -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(configs); i++) {
                Frct *f = NULL;

                print_message("%s\n", configs[i].name);
                assert_int_equal(frct_new(&configs[i].config, EPOCH, &f), configs[i].r);
                frct_free(f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_config),
                cmocka_unit_test(test_transfers),
                cmocka_unit_test(test_rhythm),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_long_queue),
                cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_lossy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
