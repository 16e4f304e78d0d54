/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ends of a flow over a path in memory that delays, loses, doubles and reorders; time is virtual. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/list.h"
#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define EPOCH ((nsec_t) 1000 * SEC)
#define PACKET_MAX 1400U

/* -- the path -- */

typedef struct Datagram {
        ListNode by_path;
        nsec_t at;
        size_t size;
        bool marked;
        uint8_t bytes[];
} Datagram;

typedef struct Path {
        nsec_t delay;
        nsec_t jitter;
        unsigned loss;                  /* per mille */
        unsigned each;                  /* each n-th packet of both directions together is lost; 0: none */
        unsigned doubled;
        uint64_t rate;                  /* bytes per second; 0: any */
        size_t queue_max;               /* bytes that wait for the rate */
        size_t packet_max;              /* larger ones vanish; 0: none do */
        bool dark;                      /* nothing passes */
        bool silent[2];                 /* nothing of this end does */
        bool marked;                    /* all that passes is */
} Path;

typedef struct End {
        Frct *frct;
        List towards;                   /* Datagrams, in the order of their arrival */
        nsec_t free_at;                 /* the link to it has sent what it has */
        uint64_t n_sent, n_sent_bytes, n_refused;
} End;

typedef struct World {
        nsec_t now;
        Path path;
        End ends[2];
        uint64_t seed;
        uint64_t n_sent;                /* packets, both directions */
        unsigned refuse;                /* per mille of packets that the lane does not take at once */
} World;

static uint32_t world_random(void *userdata) {
        World *w = userdata;

        w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        return (uint32_t) (w->seed >> 32);
}

static bool chance(World *w, unsigned per_mille) {
        return per_mille > 0 && world_random(w) % 1000 < per_mille;
}

static void end_deliver_later(End *to, const uint8_t *bytes, size_t size, bool marked, nsec_t at) {
        Datagram *d = malloc(sizeof(*d) + size), *other;
        ListNode *where = to->towards.previous;

        assert_non_null(d);
        *d = (Datagram) { .at = at, .size = size, .marked = marked };
        memcpy(d->bytes, bytes, size);

        while (where != &to->towards) {
                other = container_of(where, Datagram, by_path);
                if (other->at <= at)
                        break;
                where = where->previous;
        }
        list_insert_after(where, &d->by_path);
}

static void path_send(World *w, unsigned from, const uint8_t *bytes, size_t size) {
        End *to = &w->ends[!from];
        nsec_t at = w->now;

        w->ends[from].n_sent++;
        w->ends[from].n_sent_bytes += size;
        if (w->path.each > 0 && ++w->n_sent % w->path.each == 0)
                return;
        if (w->path.dark || w->path.silent[from] || chance(w, w->path.loss) || (w->path.packet_max > 0 && size > w->path.packet_max))
                return;

        if (w->path.rate > 0) {
                nsec_t busy = nsec_sub(to->free_at, w->now);

                if (busy * w->path.rate / SEC > w->path.queue_max)
                        return;
                to->free_at = MAX(to->free_at, w->now) + size * SEC / w->path.rate;
                at = to->free_at;
        }

        for (unsigned n = chance(w, w->path.doubled) ? 2 : 1; n > 0; n--)
                end_deliver_later(to, bytes, size, w->path.marked,
                        at + w->path.delay + (w->path.jitter > 0 ? world_random(w) % w->path.jitter : 0));
}

static void world_setup(World *w, const FrctConfig *config, const Path *path) {
        *w = (World) { .now = EPOCH, .path = *path, .seed = 42 };

        for (unsigned i = 0; i < 2; i++) {
                FrctConfig c = *config;

                c.random = world_random;
                c.userdata = w;
                list_init(&w->ends[i].towards);
                assert_int_equal(frct_new(&c, w->now, &w->ends[i].frct), 0);
        }
}

static void world_teardown(World *w) {
        for (unsigned i = 0; i < 2; i++) {
                Datagram *d, *following;

                list_for_each_safe(d, following, &w->ends[i].towards, by_path)
                        free(d);
                frct_free(w->ends[i].frct);
        }
}

static bool end_pump(World *w, unsigned i) {
        uint8_t buffer[65536];
        bool moved = false;
        size_t n;

        while ((n = frct_transmit(w->ends[i].frct, buffer, PACKET_MAX, w->now)) > 0) {
                moved = true;
                assert_true(n <= PACKET_MAX);
                if (chance(w, w->refuse)) {
                        frct_untransmit(w->ends[i].frct, w->now);
                        w->ends[i].n_refused++;
                        continue;
                }
                path_send(w, i, buffer, n);
        }

        return moved;
}

/* Everything that happens at this moment. */
static void world_settle(World *w) {
        for (bool moved = true; moved;) {
                moved = false;

                for (unsigned i = 0; i < 2; i++) {
                        Datagram *d;

                        while ((d = list_first(&w->ends[i].towards, Datagram, by_path)) && d->at <= w->now) {
                                list_unlink(&d->by_path);
                                frct_receive(w->ends[i].frct, d->bytes, d->size, d->marked, w->now);
                                free(d);
                                moved = true;
                        }
                        if (frct_next(w->ends[i].frct, w->now) <= w->now)
                                frct_expire(w->ends[i].frct, w->now);
                        moved |= end_pump(w, i);
                }
        }
}

/* To the next moment at which something happens, but not beyond until. Returns false where nothing does any more. */
static bool world_step(World *w, nsec_t until) {
        nsec_t next = NSEC_INFINITY;

        for (unsigned i = 0; i < 2; i++) {
                Datagram *d = list_first(&w->ends[i].towards, Datagram, by_path);

                next = MIN(next, frct_next(w->ends[i].frct, w->now));
                if (d)
                        next = MIN(next, d->at);
        }

        w->now = MIN(MAX(next, w->now + 1), until);
        world_settle(w);
        return next != NSEC_INFINITY && next <= until;
}

static ssize_t say(World *w, unsigned from, const void *data, size_t size) {
        struct iovec part = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };

        return frct_write(w->ends[from].frct, &part, 1, w->now);
}

/* -- what must hold on any path -- */

static void fill(uint8_t *bytes, size_t size, uint64_t position) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) ((position + i) * 167 + ((position + i) >> 8));
}

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
        { "12 bytes, 10 % loss",        false, false,    1000,    200000, { .delay = 5 * MSEC, .loss = 100 }, 0, 100 * SEC },
        { "12 bytes, 30 % loss",        false, false,     100,     10000, { .delay = 20 * MSEC, .loss = 300 }, 0, 100 * SEC },
        { "12 bytes, jitter, doubles",  false, false,     500,    500000, { .delay = 5 * MSEC, .jitter = 20 * MSEC, .doubled = 100 }, 0, 60 * SEC },
        { "12 bytes, lane often full",  false, false,    1000,   1000000, { .delay = 5 * MSEC, .loss = 10 }, 500, 60 * SEC },
        { "small messages",             true,  false,      32,    320000, { .delay = 5 * MSEC }, 0, 10 * SEC },
        { "large messages",             true,  false, 1 << 20,  16 << 20, { .delay = 5 * MSEC }, 0, 10 * SEC },
        { "large messages, 5 % loss",   true,  false, 1 << 20,  16 << 20, { .delay = 5 * MSEC, .loss = 50 }, 0, 60 * SEC },
        { "30 % loss",                  true,  false,   30000,    300000, { .delay = 20 * MSEC, .loss = 300 }, 0, 60 * SEC },
        { "stream, 1 % loss",           true,  true,     7777,   8 << 20, { .delay = 10 * MSEC, .loss = 10 }, 0, 30 * SEC },
        { "stream of bytes",            true,  true,        1,     20000, { .delay = 10 * MSEC, .loss = 10 }, 0, 30 * SEC },
        { "jitter, doubles",            true,  false,   10000,   4 << 20, { .delay = 5 * MSEC, .jitter = 20 * MSEC, .doubled = 100 }, 0, 60 * SEC },
        { "lane often full",            true,  false,   10000,   4 << 20, { .delay = 5 * MSEC, .loss = 10 }, 500, 60 * SEC },
        { "narrow, short queue",        true,  false,   10000,   4 << 20, { .delay = 10 * MSEC, .rate = 1250000, .queue_max = 20000 }, 0, 30 * SEC },
        { "path takes 1300",            true,  false,   10000,   4 << 20, { .delay = 5 * MSEC, .packet_max = 1300 }, 0, 30 * SEC },
        { "100 Mbit/s at 100 ms",       true,  false, 1 << 20,  32 << 20, { .delay = 50 * MSEC, .rate = 12500000, .queue_max = 400000 }, 0, 5 * SEC },
        { "path takes 600",             true,  false,   10000,   1 << 20, { .delay = 5 * MSEC, .packet_max = 600 }, 0, 90 * SEC },
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
                                assert_true(transfers[i].stream || (size_t) n == MIN(transfers[i].message, total - read));
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

/* -- what was seen on the wire of 0.23.0 -- */

static uint32_t client_random(void *userdata) {
        return 0xc89ce289;
}

static uint32_t server_random(void *userdata) {
        return 0x220aa87d;
}

static void expect_packet(Frct *f, nsec_t now, const char *expected, size_t size) {
        uint8_t buffer[PACKET_MAX];
        size_t n;

        n = frct_transmit(f, buffer, sizeof(buffer), now);
        assert_int_equal(n, size);
        assert_memory_equal(buffer, expected, size);
}

#define EXPECT(f, now, bytes) expect_packet(f, now, bytes, STRLEN(bytes))
#define HEAR(f, now, bytes) frct_receive(f, (const uint8_t *) (bytes), STRLEN(bytes), false, now)

static void expect_message(Frct *f, nsec_t now, const char *expected) {
        char heard[64];
        bool more;

        assert_int_equal(frct_read(f, heard, sizeof(heard), &more, now), strlen(expected));
        assert_memory_equal(heard, expected, strlen(expected));
        assert_false(more);
}

static void write_text(Frct *f, nsec_t now, const char *text) {
        struct iovec part = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };

        assert_int_equal(frct_write(f, &part, 1, now), strlen(text));
}

static void plain_ends(Frct **client, Frct **server) {
        FrctConfig config = { .reliable = true, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };

        config.random = client_random;
        assert_int_equal(frct_new(&config, EPOCH, client), 0);
        config.random = server_random;
        assert_int_equal(frct_new(&config, EPOCH, server), 0);
}

#define REQUEST "\x03\x00\x00\x00\xc8\x9c\xe2\x89\x00\x00\x00\x00" "request"
#define REPLY "\x0f\x9c\xe3\x8a\x22\x0a\xa8\x7d\xc8\x9c\xe2\x8a" "reply"
#define BYE "\x0f\x0a\xa9\x7e\xc8\x9c\xe2\x8a\x22\x0a\xa8\x7e" "bye"

static void test_captured(void **state) {
        Frct *client, *server;
        uint8_t buffer[PACKET_MAX];
        nsec_t now = EPOCH;

        plain_ends(&client, &server);

        write_text(client, now, "request");
        EXPECT(client, now, REQUEST);
        HEAR(server, now, REQUEST);
        expect_message(server, now, "request");
        write_text(server, now, "reply");
        EXPECT(server, now, REPLY);
        HEAR(client, now, REPLY);
        expect_message(client, now, "reply");
        write_text(client, now, "bye");
        EXPECT(client, now, BYE);
        HEAR(server, now, BYE);
        expect_message(server, now, "bye");

        /* Nothing more to say: the acknowledgement follows within 10 ms. */
        assert_int_equal(frct_transmit(server, buffer, sizeof(buffer), now), 0);
        assert_true(frct_next(server, now) <= now + 10 * MSEC);
        now = frct_next(server, now);
        frct_expire(server, now);
        EXPECT(server, now, "\x0c\x9c\xe3\x8b\x00\x00\x00\x00\xc8\x9c\xe2\x8b");
        HEAR(client, now, "\x0c\x9c\xe3\x8b\x00\x00\x00\x00\xc8\x9c\xe2\x8b");
        assert_true(frct_is_flushed(client));
        assert_true(frct_is_flushed(server));

        frct_free(client);
        frct_free(server);
}

/* The answer comes later than the acknowledgement, which therefore begins the run. */
static void test_first_acknowledgement(void **state) {
        Frct *client, *server;
        nsec_t now = EPOCH;

        plain_ends(&client, &server);
        HEAR(server, now, REQUEST);
        expect_message(server, now, "request");
        now = frct_next(server, now);
        frct_expire(server, now);
        EXPECT(server, now, "\x0e\x9c\xe3\x8a\x22\x0a\xa8\x7d\xc8\x9c\xe2\x8a");

        now += 700 * MSEC;
        write_text(server, now, "reply");
        EXPECT(server, now, REPLY);

        /* A broken peer's acknowledgement of nothing, and one from before the run, are not taken for something. */
        HEAR(server, now, "\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        HEAR(server, now, "\x04\x00\x00\x00\x00\x00\x00\x00\x22\x0a\xa8\x7c");
        assert_false(frct_is_flushed(server));
        HEAR(server, now, "\x04\x00\x00\x00\x00\x00\x00\x00\x22\x0a\xa8\x7e");
        assert_true(frct_is_flushed(server));

        frct_free(client);
        frct_free(server);
}

/* -- ends -- */

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
                FrctConfig config = { .reliable = true, .extended = blackouts[i].extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
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
                        assert_int_equal(frct_read(w.ends[0].frct, message, sizeof(message), &more, w.now), blackouts[i].end);
                        assert_true(frct_next(w.ends[0].frct, w.now) == NSEC_INFINITY);
                } else {
                        while (!frct_is_flushed(w.ends[0].frct))
                                assert_true(world_step(&w, dark_at + blackouts[i].dark_for + 10 * SEC));
                        for (unsigned n = 0; n < 100; n++)
                                assert_int_equal(frct_read(w.ends[1].frct, message, sizeof(message), &more, w.now), sizeof(message));
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
                FrctConfig config = { .reliable = true, .extended = i % 2, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
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
                        assert_int_equal(frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now), sizeof(message));
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
                        assert_in_range(ended_at[k] - (EPOCH + SEC), FRCT_RETRANSMIT_MAX, FRCT_RETRANSMIT_MAX + 5 * SEC);
                        assert_int_equal(say(&w, k, message, sizeof(message)), -EPIPE);
                        while (frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now) > 0)
                                ;
                        assert_int_equal(frct_read(w.ends[k].frct, message, sizeof(message), &more, w.now), -ETIMEDOUT);
                }
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
                FrctConfig config = { .reliable = true, .extended = extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
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

/* A reader that sleeps for an hour: nothing breaks, nothing piles up, and all is there when it wakes. */
static void test_slow_reader(void **state) {
        for (unsigned extended = 0; extended < 2; extended++) {
                FrctConfig config = { .reliable = true, .extended = extended, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };
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

static void test_config(void **state) {
        const struct {
                const char *name;
                FrctConfig config;
                int r;
        } configs[] = {
                { "good",                      { .packet_max = 1400, .random = client_random }, 0 },
                { "no random numbers",         { .packet_max = 1400 }, -EINVAL },
                { "no room for a header",      { .packet_max = 20, .random = client_random }, -EINVAL },
                { "a stream of packets",       { .packet_max = 1400, .random = client_random, .reliable = true, .stream = true }, -EINVAL },
                { "a stream with gaps",        { .packet_max = 1400, .random = client_random, .extended = true, .stream = true }, -EINVAL },
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
                cmocka_unit_test(test_captured),
                cmocka_unit_test(test_first_acknowledgement),
                cmocka_unit_test(test_transfers),
                cmocka_unit_test(test_rhythm),
                cmocka_unit_test(test_blackouts),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_long_queue),
                cmocka_unit_test(test_finish),
                cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_lossy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
