/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ranges are kept as they change, so that an acknowledgement costs what it says and not what is held: a new number
 * extends a range, joins two or makes one; most are at the upper end, where that moves nothing.
 */

#include "libo7s/frct-order.h"

#define RANGES_FIRST 16U

static FrctSlot *slot_of(const FrctOrder *o, uint32_t sequence) {
        return o->slots + (sequence & (o->n_slots - 1));
}

static uint32_t round_up(uint32_t n) {
        uint32_t power = 1;

        while (power < n)
                power <<= 1;
        return power;
}

int frct_order_init(FrctOrder *o, uint32_t n_slots) {
        assert(o);
        assert(n_slots > 0 && n_slots <= UINT32_C(1) << 31);

        *o = (FrctOrder) { .n_slots = round_up(n_slots) };
        o->slots = calloc(o->n_slots, sizeof(FrctSlot));
        return o->slots ? 0 : -ENOMEM;
}

void frct_order_done(FrctOrder *o) {
        assert(o);

        if (o->slots)
                frct_order_clear(o);
        o->slots = mfree(o->slots);
        o->ranges = mfree(o->ranges);
        o->n_ranges_allocated = 0;
}

int frct_order_grow(FrctOrder *o, uint32_t expected, uint32_t n_slots) {
        uint32_t n = round_up(n_slots);
        FrctSlot *slots;

        if (n <= o->n_slots)
                return 0;

        slots = calloc(n, sizeof(FrctSlot));
        if (!slots)
                return -ENOMEM;

        for (uint32_t i = 0; i < o->n_slots; i++)
                slots[(expected + i) & (n - 1)] = *slot_of(o, expected + i);

        free(o->slots);
        o->slots = slots;
        o->n_slots = n;
        return 0;
}

static void slot_clear(FrctOrder *o, FrctSlot *slot) {
        if (slot->chunk)
                o->cost -= frct_chunk_cost(slot->chunk);
        if (slot->pieces)
                o->cost -= frct_pieces_cost(slot->pieces);

        slot->chunk = frct_chunk_free(slot->chunk);
        slot->pieces = frct_pieces_free(slot->pieces);
}

void frct_order_clear(FrctOrder *o) {
        for (uint32_t i = 0; i < o->n_slots; i++)
                slot_clear(o, o->slots + i);

        o->n_held = 0;
        o->n_ranges = 0;
        o->n_recent = 0;
}

bool frct_order_is_empty(const FrctOrder *o) {
        return o->cost == 0;
}

uint32_t frct_order_missing(const FrctOrder *o, uint32_t expected, uint32_t sequence) {
        uint32_t end = sequence + 1;

        if (o->n_ranges > 0 && frct_before(end, o->ranges[o->n_ranges - 1].end))
                end = o->ranges[o->n_ranges - 1].end;

        return end - expected - o->n_held - 1;
}

bool frct_order_holds(const FrctOrder *o, uint32_t sequence) {
        return slot_of(o, sequence)->chunk;
}

const FrctPieces *frct_order_pieces(const FrctOrder *o, uint32_t sequence) {
        return slot_of(o, sequence)->pieces;
}

/* The first range that ends behind this number, or touches it from below. */
static unsigned range_find(const FrctOrder *o, uint32_t sequence) {
        unsigned low = 0, high = o->n_ranges;

        while (low < high) {
                unsigned middle = low + (high - low) / 2;

                if (frct_before(o->ranges[middle].end, sequence))
                        low = middle + 1;
                else
                        high = middle;
        }

        return low;
}

static int ranges_reserve(FrctOrder *o) {
        FrctRange *ranges;
        unsigned n = o->n_ranges_allocated > 0 ? 2 * o->n_ranges_allocated : RANGES_FIRST;

        if (o->n_ranges < o->n_ranges_allocated)
                return 0;

        ranges = realloc(o->ranges, n * sizeof(FrctRange));
        if (!ranges)
                return -ENOMEM;

        o->ranges = ranges;
        o->n_ranges_allocated = n;
        return 0;
}

static void range_remove(FrctOrder *o, unsigned i) {
        o->n_ranges--;
        memmove(o->ranges + i, o->ranges + i + 1, (o->n_ranges - i) * sizeof(FrctRange));
}

static void range_add(FrctOrder *o, uint32_t sequence) {
        unsigned i = range_find(o, sequence);
        FrctRange *range = o->ranges + i;

        if (i < o->n_ranges && range->end == sequence) {
                range->end++;
                if (i + 1 < o->n_ranges && range[1].begin == range->end) {
                        range->end = range[1].end;
                        range_remove(o, i + 1);
                }
                return;
        }
        if (i < o->n_ranges && range->begin == sequence + 1) {
                range->begin--;
                return;
        }

        memmove(range + 1, range, (o->n_ranges - i) * sizeof(FrctRange));
        *range = (FrctRange) { .begin = sequence, .end = sequence + 1 };
        o->n_ranges++;
}

int frct_order_put(FrctOrder *o, uint32_t sequence, FrctChunk *chunk) {
        _cleanup_(frct_chunk_freep) FrctChunk *owned = chunk;
        FrctSlot *slot = slot_of(o, sequence);
        int r;

        assert(!slot->chunk);

        r = ranges_reserve(o);
        if (r < 0)
                return r;

        slot_clear(o, slot);
        slot->chunk = TAKE_PTR(owned);
        o->cost += frct_chunk_cost(slot->chunk);
        o->n_held++;
        range_add(o, sequence);

        memmove(o->recent + 1, o->recent, sizeof(o->recent) - sizeof(o->recent[0]));
        o->recent[0] = sequence;
        o->n_recent = MIN(o->n_recent + 1, FRCT_RECENT_MAX);
        return 0;
}

int frct_order_put_piece(FrctOrder *o, const FrctHeader *header, const uint8_t *content, size_t size, FrctChunk **ret) {
        FrctSlot *slot = slot_of(o, header->sequence);
        int r;

        assert(!slot->chunk);

        if (!slot->pieces) {
                slot->pieces = frct_pieces_new();
                if (!slot->pieces)
                        return -ENOMEM;
        } else
                o->cost -= frct_pieces_cost(slot->pieces);

        r = frct_pieces_add(slot->pieces, header, content, size, ret);
        if (r == 1 || r == -EPROTO)
                slot->pieces = frct_pieces_free(slot->pieces);
        else
                o->cost += frct_pieces_cost(slot->pieces);

        return r;
}

void frct_order_drop_pieces(FrctOrder *o, uint32_t sequence) {
        FrctSlot *slot = slot_of(o, sequence);

        if (slot->pieces)
                slot_clear(o, slot);
}

FrctChunk *frct_order_take(FrctOrder *o, uint32_t sequence) {
        FrctSlot *slot = slot_of(o, sequence);

        if (!slot->chunk)
                return NULL;

        assert(o->n_ranges > 0 && o->ranges[0].begin == sequence);

        o->cost -= frct_chunk_cost(slot->chunk);
        o->n_held--;
        o->ranges[0].begin++;
        if (o->ranges[0].begin == o->ranges[0].end)
                range_remove(o, 0);

        return TAKE_PTR(slot->chunk);
}

unsigned frct_order_ranges(const FrctOrder *o, FrctRange *ret, unsigned n_max) {
        unsigned n = 0, seen;

        for (unsigned i = 0; i < o->n_recent && n < n_max; i++) {
                unsigned at = range_find(o, o->recent[i]);

                /* It may be in order by now, and not here any more. */
                if (at == o->n_ranges || frct_before(o->recent[i], o->ranges[at].begin) ||
                    o->ranges[at].end == o->recent[i])
                        continue;
                for (seen = 0; seen < n && ret[seen].begin != o->ranges[at].begin; seen++)
                        ;
                if (seen == n)
                        ret[n++] = o->ranges[at];
        }

        for (unsigned i = o->n_ranges, n_changed = n; i > 0 && n < n_max; i--) {
                for (seen = 0; seen < n_changed && ret[seen].begin != o->ranges[i - 1].begin; seen++)
                        ;
                if (seen == n_changed)
                        ret[n++] = o->ranges[i - 1];
        }

        return n;
}

void frct_order_told(FrctOrder *o) {
        o->n_recent = 0;
}
