/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-path.h"

void frct_path_init(FrctPath *p, const FrctPathOptions *options, uint64_t seed, uint64_t stream) {
        *p = (FrctPath) { .options = *options };
        dice_init(&p->dice, seed, stream);
}

/* -- the air: a heap -- */

static bool earlier(const FrctPacket *a, const FrctPacket *b) {
        return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static int air_push(FrctAir *a, FrctPacket *packet) {
        size_t i = a->n;

        if (a->n == a->n_allocated) {
                size_t n = MAX(a->n_allocated * 2, 64U);
                FrctPacket **heap = reallocarray(a->heap, n, sizeof(*heap));

                if (!heap)
                        return -ENOMEM;
                a->heap = heap;
                a->n_allocated = n;
        }

        packet->serial = a->serial++;
        a->n++;
        for (; i > 0 && earlier(packet, a->heap[(i - 1) / 2]); i = (i - 1) / 2)
                a->heap[i] = a->heap[(i - 1) / 2];
        a->heap[i] = packet;
        return 0;
}

int frct_air_put_back(FrctAir *a, FrctPacket *packet, nsec_t at) {
        int r;

        packet->at = at;
        r = air_push(a, packet);
        if (r < 0)
                free(packet);

        return r;
}

int frct_air_next_to(const FrctAir *a) {
        return a->n > 0 ? (int) a->heap[0]->to : -1;
}

FrctPacket *frct_air_take(FrctAir *a) {
        FrctPacket *first, *last;
        size_t i = 0;

        if (a->n == 0)
                return NULL;

        first = a->heap[0];
        last = a->heap[--a->n];
        for (;;) {
                size_t child = i * 2 + 1;

                if (child >= a->n)
                        break;
                if (child + 1 < a->n && earlier(a->heap[child + 1], a->heap[child]))
                        child++;
                if (!earlier(a->heap[child], last))
                        break;
                a->heap[i] = a->heap[child];
                i = child;
        }
        a->heap[i] = last;
        return first;
}

nsec_t frct_air_next(const FrctAir *a) {
        return a->n > 0 ? a->heap[0]->at : NSEC_INFINITY;
}

void frct_air_done(FrctAir *a) {
        for (size_t i = 0; i < a->n; i++)
                free(a->heap[i]);
        free(a->heap);
        *a = (FrctAir) {};
}

/* -- the path -- */

/* Through the queue. Returns whether it had room. */
static bool path_queue(FrctPath *p, size_t size, nsec_t now, nsec_t *ret_leaves, bool *ret_marked) {
        const FrctPathOptions *o = &p->options;
        nsec_t begin = MAX(now, p->busy_until);
        size_t queued;

        *ret_leaves = now;
        *ret_marked = false;
        if (o->rate == 0)
                return true;

        queued = (size_t) ((begin - now) * o->rate / NSEC_PER_SEC);
        if (queued > 0 && queued + size > o->queue) {
                p->n_dropped++;
                return false;
        }

        *ret_marked = o->mark > 0 && queued > o->mark;
        p->n_marked += *ret_marked;
        p->busy_until = begin + size * NSEC_PER_SEC / o->rate;
        *ret_leaves = p->busy_until;
        return true;
}

static nsec_t path_arrival(FrctPath *p, nsec_t leaves) {
        const FrctPathOptions *o = &p->options;
        nsec_t at = leaves + o->delay;

        if (o->jitter > 0)
                at += dice_below(&p->dice, o->jitter + 1);
        if (o->reorder > 0 && dice_chance(&p->dice, o->reorder))        /* later ones overtake it */
                return at + NSEC_PER_MSEC + dice_below(&p->dice, o->delay / 2 + NSEC_PER_MSEC);

        p->arrival = MAX(p->arrival, at);
        return p->arrival;
}

static bool path_passes(FrctPath *p, size_t size, nsec_t now) {
        const FrctPathOptions *o = &p->options;
        size_t mtu = o->shrink_at > 0 && now >= o->shrink_at ? o->shrink_to : o->mtu;

        p->n_packets++;
        if (mtu > 0 && size > mtu) {
                p->n_large++;
                return false;
        }
        if ((now >= o->black_from && now < o->black_to) || (o->loss > 0 && dice_chance(&p->dice, o->loss))) {
                p->n_lost++;
                return false;
        }

        return true;
}

static int air_add(FrctAir *a, FrctPath *path, const FrctPacket *model, const uint8_t *bytes, nsec_t leaves) {
        FrctPacket *packet;
        int r;

        packet = malloc(sizeof(*packet) + model->size);
        if (!packet)
                return -ENOMEM;

        *packet = *model;
        packet->at = path_arrival(path, leaves);
        if (model->size > 0)
                memcpy(packet->bytes, bytes, model->size);
        if (path->options.corrupt > 0 && model->size > 0 && dice_chance(&path->dice, path->options.corrupt))
                for (uint64_t i = 1 + dice_below(&path->dice, 4); i > 0; i--)
                        packet->bytes[dice_below(&path->dice, model->size)] ^=
                                (uint8_t) (1U << dice_below(&path->dice, 8));

        r = air_push(a, packet);
        if (r < 0)
                free(packet);

        return r;
}

int frct_air_send(FrctAir *a, FrctPath *path, unsigned to, const uint8_t *bytes, size_t size, nsec_t now) {
        FrctPacket model = { .to = to, .size = size };
        nsec_t leaves;
        int r;

        trace_add(&a->trace, now, to, path->n_packets, bytes, size);
        if (!path_queue(path, size, now, &leaves, &model.marked) || !path_passes(path, size, now))
                return 0;

        r = air_add(a, path, &model, bytes, leaves);
        if (r >= 0 && path->options.duplicate > 0 && dice_chance(&path->dice, path->options.duplicate))
                r = air_add(a, path, &model, bytes, leaves);

        return r;
}

int frct_air_close(FrctAir *a, FrctPath *path, unsigned to, nsec_t now) {
        FrctPacket model = { .to = to, .closes = true };

        return path_passes(path, 0, now) ? air_add(a, path, &model, NULL, now) : 0;
}
