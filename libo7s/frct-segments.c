/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Segments by number. */

#include "libo7s/frct-header.h"
#include "libo7s/frct-segments.h"

#define SLOTS_MIN 64U

FrctSegment *frct_segment_new(size_t capacity) {
        FrctSegment *segment = malloc(sizeof(*segment) + capacity);

        if (!segment)
                return NULL;

        *segment = (FrctSegment) { .capacity = (uint32_t) capacity };
        list_init(&segment->by_stage);
        return segment;
}

static FrctSegmentSlot *slot_of(const FrctSegments *s, uint32_t number) {
        return &s->slots[number & (s->n_slots - 1)];
}

void frct_segments_init(FrctSegments *s, uint32_t number) {
        *s = (FrctSegments) { .left = number, .next = number };
}

void frct_segments_done(FrctSegments *s) {
        for (uint32_t number = s->left; number != s->next; number++)
                free(slot_of(s, number)->segment);

        s->slots = mfree(s->slots);
        s->n_slots = 0;
}

int frct_segments_reserve(FrctSegments *s) {
        uint32_t n_slots = s->n_slots > 0 ? s->n_slots * 2 : SLOTS_MIN;
        FrctSegmentSlot *slots;

        if (frct_segments_count(s) < s->n_slots)
                return 0;
        if (n_slots < s->n_slots)
                return -ENOMEM;

        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;

        for (uint32_t number = s->left; number != s->next; number++)
                slots[number & (n_slots - 1)] = *slot_of(s, number);

        free(s->slots);
        s->slots = slots;
        s->n_slots = n_slots;
        return 0;
}

void frct_segments_push(FrctSegments *s, FrctSegment *segment) {
        assert(frct_segments_count(s) < s->n_slots);

        segment->number = s->next++;
        *slot_of(s, segment->number) = (FrctSegmentSlot) { .segment = segment };
}

FrctSegment *frct_segments_find(FrctSegments *s, uint32_t *number, uint32_t end) {
        uint32_t n = *number;

        while (frct_before(n, end)) {
                FrctSegmentSlot *slot = slot_of(s, n);
                FrctSegmentSlot *after;

                if (slot->segment) {
                        *number = n;
                        return slot->segment;
                }

                /* Skips lead to live numbers or to the next one, never beyond. Halves the way for who comes next. */
                if (frct_before(n + slot->skip, s->next)) {
                        after = slot_of(s, n + slot->skip);
                        if (!after->segment)
                                slot->skip += after->skip;
                }
                n += slot->skip;
        }

        return NULL;
}

void frct_segments_take(FrctSegments *s, FrctSegment *segment) {
        assert(slot_of(s, segment->number)->segment == segment);

        *slot_of(s, segment->number) = (FrctSegmentSlot) { .skip = 1 };
}

void frct_segments_advance(FrctSegments *s, uint32_t left) {
        s->left = left;
}
