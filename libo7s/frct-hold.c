/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long packets of a lossy flow wait. */

#include "libo7s/frct-hold.h"

#define LEAST_PART 4U                   /* of the limit: what they wait for at least */
#define SPAN (10 * NSEC_PER_SEC)        /* what was late in the last one or two of them counts */

void frct_hold_init(FrctHold *h, nsec_t limit, nsec_t now) {
        assert(h);

        *h = (FrctHold) { .limit = limit, .span_at = now };
        list_init(&h->waiting);
}

/* How late packets are at most, of late. */
static nsec_t lateness(const FrctHold *h, nsec_t now) {
        nsec_t age = nsec_sub(now, h->span_at);

        if (age >= 2 * SPAN)
                return 0;

        return age >= SPAN ? h->late[0] : MAX(h->late[0], h->late[1]);
}

static nsec_t patience(const FrctHold *h, nsec_t now) {
        nsec_t late = lateness(h, now);

        return MIN(MAX(late + late / 4, h->limit / LEAST_PART), h->limit);
}

static void learn(FrctHold *h, nsec_t late, nsec_t now) {
        nsec_t age = nsec_sub(now, h->span_at);

        /* For such a one nobody would have waited, and nobody should: it may as well be an old duplicate. */
        if (late > h->limit)
                return;

        if (age >= SPAN) {
                h->late[1] = age >= 2 * SPAN ? 0 : h->late[0];
                h->late[0] = 0;
                h->span_at = now;
        }
        h->late[0] = MAX(h->late[0], late);
}

void frct_hold_wait(FrctHold *h, FrctChunk *chunk, uint32_t sequence, nsec_t now) {
        assert(h);
        assert(chunk);

        chunk->sequence = sequence;
        chunk->arrived_at = now;
        list_append(&h->waiting, &chunk->by_assembly);
}

nsec_t frct_hold_due(const FrctHold *h, nsec_t now) {
        const FrctChunk *first;

        assert(h);

        first = list_first(&h->waiting, const FrctChunk, by_assembly);
        return first ? nsec_add(first->arrived_at, patience(h, now)) : NSEC_INFINITY;
}

void frct_hold_give_up(FrctHold *h, uint32_t begin, uint32_t end) {
        const FrctChunk *first;

        assert(h);

        first = list_first(&h->waiting, const FrctChunk, by_assembly);
        if (!first)
                return;

        h->given_up[h->n_given_up++ % FRCT_HOLD_GAPS] =
                (FrctGap) { .begin = begin, .end = end, .opened_at = first->arrived_at };
}

void frct_hold_filled(FrctHold *h, uint32_t sequence, nsec_t now) {
        const FrctChunk *chunk;

        assert(h);

        list_for_each(chunk, &h->waiting, by_assembly) {
                if (frct_before(chunk->sequence, sequence))
                        continue;

                learn(h, nsec_sub(now, chunk->arrived_at), now);
                return;
        }
}

void frct_hold_missed(FrctHold *h, uint32_t sequence, nsec_t now) {
        assert(h);

        for (unsigned i = 0; i < FRCT_HOLD_GAPS; i++) {
                const FrctGap *gap = &h->given_up[i];

                if (sequence - gap->begin < gap->end - gap->begin) {
                        learn(h, nsec_sub(now, gap->opened_at), now);
                        return;
                }
        }
}
