/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Segments that arrived before their turn: a ring by sequence number for finding them, and the ranges that they make
 * for telling the peer. Holds numbers from the expected one on, at most n_slots of them; the caller sees to that.
 */

#include "libo7s/frct-pieces.h"

#define FRCT_RECENT_MAX 8U

typedef struct FrctSlot {
        FrctChunk *chunk;               /* whole */
        FrctPieces *pieces;             /* or not yet */
} FrctSlot;

typedef struct FrctOrder {
        FrctSlot *slots;
        uint32_t n_slots;               /* a power of two */
        FrctRange *ranges;              /* of whole segments; ascending, apart from each other */
        unsigned n_ranges;
        unsigned n_ranges_allocated;
        uint32_t recent[FRCT_RECENT_MAX];       /* numbers that came since the peer was told, newest first */
        unsigned n_recent;
        uint32_t n_held;                /* whole segments */
        size_t cost;                    /* memory of all segments */
} FrctOrder;

/* Returns: 0; -ENOMEM. */
int frct_order_init(FrctOrder *o, uint32_t n_slots);
void frct_order_done(FrctOrder *o);
/* To the next power of two. expected: the lowest number that may be there. Returns: 0; -ENOMEM: it is as before. */
int frct_order_grow(FrctOrder *o, uint32_t expected, uint32_t n_slots);
void frct_order_clear(FrctOrder *o);

bool frct_order_is_empty(const FrctOrder *o);
/* How many would be missing below the highest number, were this one there, too. */
uint32_t frct_order_missing(const FrctOrder *o, uint32_t expected, uint32_t sequence);
bool frct_order_holds(const FrctOrder *o, uint32_t sequence);
const FrctPieces *frct_order_pieces(const FrctOrder *o, uint32_t sequence);

/* Keeps a whole segment; pieces of it are forgotten. Consumes the chunk. Returns: 0; -ENOMEM. */
int frct_order_put(FrctOrder *o, uint32_t sequence, FrctChunk *chunk);
/* Keeps a piece. Returns: 1: that was the last one missing, *ret is the segment, it is not kept; 0; -EPROTO: what
 * was there of that segment is dropped too; -ENOMEM. */
int frct_order_put_piece(FrctOrder *o, const FrctHeader *header, const uint8_t *content, size_t size, FrctChunk **ret);
/* Forgets pieces of a number that has come whole. */
void frct_order_drop_pieces(FrctOrder *o, uint32_t sequence);

/* The segment with this number, no lower one is there; NULL. */
FrctChunk *frct_order_take(FrctOrder *o, uint32_t sequence);

/* The ranges that changed last, then the highest. Returns how many. */
unsigned frct_order_ranges(const FrctOrder *o, FrctRange *ret, unsigned n_max);
/* They were told. */
void frct_order_told(FrctOrder *o);
