/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A segment that became too large for the path arrives in pieces, in any order, again and again. Where pieces overlap
 * the bytes that came first stay; pieces that disagree about where the segment ends, or what it is, take the whole
 * segment with them: its sender will repeat it.
 */

#include "libo7s/frct-assembly.h"

#define FRCT_SEGMENT_MAX ((size_t) UINT16_MAX)
#define FRCT_PIECES_MAX 64U             /* stretches apart from each other */

typedef struct FrctPieces FrctPieces;

FrctPieces *frct_pieces_new(void);
FrctPieces *frct_pieces_free(FrctPieces *p);
DEFINE_CLEANUP(FrctPieces, frct_pieces_free);

/* Memory in use. */
size_t frct_pieces_cost(const FrctPieces *p);
/* The same, were this piece added. */
size_t frct_pieces_cost_with(const FrctPieces *p, const FrctHeader *header, size_t size);

/* Returns: 1: complete, *ret is the segment; 0: something is missing; -EPROTO: contradiction, or too
 * many holes; -ENOMEM. */
int frct_pieces_add(FrctPieces *p, const FrctHeader *header, const uint8_t *content, size_t size, FrctChunk **ret);
