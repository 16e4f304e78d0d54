/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See frct-world.h. */

#include "tests/unit/libo7s/frct-world.h"

typedef struct Datagram {
        ListNode by_path;
        nsec_t at;
        size_t size;
        bool marked;
        uint8_t bytes[];
} Datagram;

uint32_t world_random(void *userdata) {
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
        if (w->path.dark || w->path.silent[from] || chance(w, w->path.loss) ||
            (w->path.packet_max > 0 && size > w->path.packet_max))
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

void world_setup(World *w, const FrctConfig *config, const Path *path) {
        *w = (World) { .now = EPOCH, .path = *path, .seed = 42 };

        for (unsigned i = 0; i < 2; i++) {
                FrctConfig c = *config;

                c.random = world_random;
                c.userdata = w;
                list_init(&w->ends[i].towards);
                assert_int_equal(frct_new(&c, w->now, &w->ends[i].frct), 0);
        }
}

void world_teardown(World *w) {
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

void world_settle(World *w) {
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

bool world_step(World *w, nsec_t until) {
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

ssize_t say(World *w, unsigned from, const void *data, size_t size) {
        struct iovec part = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };

        return frct_write(w->ends[from].frct, &part, 1, w->now);
}

void fill(uint8_t *bytes, size_t size, uint64_t position) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) ((position + i) * 167 + ((position + i) >> 8));
}
