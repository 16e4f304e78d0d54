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
        uint8_t bytes[];
} Datagram;

typedef struct Path {
        nsec_t delay;
        nsec_t jitter;
        unsigned loss;                  /* per mille */
        unsigned doubled;
        uint64_t rate;                  /* bytes per second; 0: any */
        size_t queue_max;               /* bytes that wait for the rate */
        size_t packet_max;              /* larger ones vanish; 0: none do */
        bool dark;                      /* nothing passes */
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

static void end_deliver_later(World *w, End *to, const uint8_t *bytes, size_t size, nsec_t at) {
        Datagram *d = malloc(sizeof(*d) + size), *other;
        ListNode *where = to->towards.previous;

        assert_non_null(d);
        *d = (Datagram) { .at = at, .size = size };
        memcpy(d->bytes, bytes, size);

        while (where != &to->towards) {
                other = container_of(where, Datagram, by_path);
                if (other->at <= at)
                        break;
                where = where->previous;
        }
        list_insert_after(where, &d->by_path);
        (void) w;
}

static void path_send(World *w, unsigned from, const uint8_t *bytes, size_t size) {
        End *to = &w->ends[!from];
        nsec_t at = w->now;

        w->ends[from].n_sent++;
        w->ends[from].n_sent_bytes += size;
        if (w->path.dark || chance(w, w->path.loss) || (w->path.packet_max > 0 && size > w->path.packet_max))
                return;

        if (w->path.rate > 0) {
                nsec_t busy = nsec_sub(to->free_at, w->now);

                if (busy * w->path.rate / SEC > w->path.queue_max)
                        return;
                to->free_at = MAX(to->free_at, w->now) + size * SEC / w->path.rate;
                at = to->free_at;
        }

        for (unsigned n = chance(w, w->path.doubled) ? 2 : 1; n > 0; n--)
                end_deliver_later(w, to, bytes, size,
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
                                frct_receive(w->ends[i].frct, d->bytes, d->size, false, w->now);
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

                                fill(bytes, size, written);
                                n = say(&w, 0, bytes, size);
                                if (n < 0) {
                                        assert_int_equal(n, -EAGAIN);
                                        break;
                                }
                                assert_true(transfers[i].stream || (size_t) n == size);
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_transfers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
