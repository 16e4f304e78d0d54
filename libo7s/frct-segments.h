/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Segments by number, from the left edge (the first that is not acknowledged) to the next number: a ring that grows.
 * Those acknowledged out of order are gone from it; each such gap knows where it ends, so that nobody walks through it
 * twice:
 *
 *      left              next          n: a number that a range covered skips to the first behind it that may be there
 *       ▼                 ▼               still, and walking shortens the way (union-find): ranges repeated by
 *       7  .  .  .  11 12                 every acknowledgement cost next to nothing.
 *          └────────►
 */

#include "basic/list.h"
#include "libo7s/frct-congestion.h"

/* Also what was written and not cut yet (frct-backlog.h), so that a message that fits one packet is copied once. */
typedef struct FrctSegment {
        ListNode by_stage;              /* the backlog, due, or in flight: one at a time */
        uint32_t number;
        uint32_t size;
        uint32_t capacity;
        uint32_t position;              /* cut, or sent in pieces, up to here */
        uint32_t wire_size;             /* of it in flight, headers included */
        uint32_t sent_size;             /* on the wire, when it was last sent */
        uint32_t n_sent;
        uint8_t flags;                  /* FrctFlags that it carries whenever it is sent */
        bool pieces;                    /* is being sent in pieces: position counts */
        nsec_t first_sent_at;
        nsec_t sent_at;
        FrctFlight flight;
        uint8_t content[];
} FrctSegment;

/* What a segment costs besides its content, as far as limits of memory are concerned. */
#define FRCT_SEGMENT_OVERHEAD (sizeof(FrctSegment) + 32)

typedef struct FrctSegmentSlot {
        FrctSegment *segment;           /* NULL: acknowledged */
        uint32_t skip;                  /* then: numbers to go on by, at least 1 */
} FrctSegmentSlot;

typedef struct FrctSegments {
        FrctSegmentSlot *slots;
        uint32_t n_slots;               /* a power of two, or 0 */
        uint32_t left;
        uint32_t next;
} FrctSegments;

/* Returns: the segment, on no list; NULL without memory. */
FrctSegment *frct_segment_new(size_t capacity);

void frct_segments_init(FrctSegments *s, uint32_t number);
/* Frees all segments; they must be on no list that is used afterwards. */
void frct_segments_done(FrctSegments *s);

/* Makes room for one more. Returns: 0; -ENOMEM. */
int frct_segments_reserve(FrctSegments *s);
/* Gives it the next number; room must have been reserved. */
void frct_segments_push(FrctSegments *s, FrctSegment *segment);

/* The first segment with a number of *number or later, and before end: *number becomes its own. Returns NULL where
 * there is none. */
FrctSegment *frct_segments_find(FrctSegments *s, uint32_t *number, uint32_t end);

/* Takes it out; the caller owns it then. The left edge stays. */
void frct_segments_take(FrctSegments *s, FrctSegment *segment);

/* Everything before this number has been taken out: the left edge moves there. */
void frct_segments_advance(FrctSegments *s, uint32_t left);

static inline uint32_t frct_segments_count(const FrctSegments *s) {
        return s->next - s->left;
}
