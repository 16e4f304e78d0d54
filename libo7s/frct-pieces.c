/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One segment in the making: its chunk grows as far as the furthest piece, and a sorted list says which stretches
 * are there. */

#include "libo7s/frct-pieces.h"

/* What makes it a different segment. */
#define FLAGS_OF_SEGMENT (FRCT_FIRST | FRCT_MORE | FRCT_FINISH)

typedef struct Stretch {
        size_t begin;
        size_t end;
} Stretch;

struct FrctPieces {
        FrctChunk *chunk;               /* NULL before the first piece; .size: as far as memory goes */
        size_t total;                   /* 0: the last piece has not come */
        unsigned n_stretches;
        Stretch stretches[FRCT_PIECES_MAX + 1]; /* ascending, apart from each other */
};

FrctPieces *frct_pieces_new(void) {
        return calloc(1, sizeof(FrctPieces));
}

FrctPieces *frct_pieces_free(FrctPieces *p) {
        if (!p)
                return NULL;

        frct_chunk_free(p->chunk);
        return mfree(p);
}

size_t frct_pieces_cost(const FrctPieces *p) {
        assert(p);

        return sizeof(*p) + (p->chunk ? frct_chunk_cost(p->chunk) : 0);
}

size_t frct_pieces_cost_with(const FrctPieces *p, const FrctHeader *header, size_t size) {
        size_t end = header->position + size;

        if (!p || !p->chunk)
                return sizeof(*p) + FRCT_CHUNK_OVERHEAD + end;

        return sizeof(*p) + FRCT_CHUNK_OVERHEAD + MAX(p->chunk->size, end);
}

static int reserve(FrctPieces *p, size_t size, uint8_t flags) {
        FrctChunk *chunk;

        if (!p->chunk) {
                p->chunk = frct_chunk_new(NULL, size, flags);
                return p->chunk ? 0 : -ENOMEM;
        }
        if (size <= p->chunk->size)
                return 0;

        chunk = realloc(p->chunk, sizeof(*chunk) + size);
        if (!chunk)
                return -ENOMEM;

        list_init(&chunk->by_assembly);         /* it points at itself, and may have moved */
        chunk->size = size;
        p->chunk = chunk;
        return 0;
}

/* Copies what is not there yet, and makes one stretch of all that the piece touches. */
static void fill(FrctPieces *p, const uint8_t *content, size_t begin, size_t end) {
        unsigned first = 0, behind;
        size_t at = begin;
        Stretch merged;

        while (first < p->n_stretches && p->stretches[first].end < begin)
                first++;

        merged = (Stretch) { .begin = begin, .end = end };
        for (behind = first; behind < p->n_stretches && p->stretches[behind].begin <= end; behind++) {
                const Stretch *s = p->stretches + behind;

                if (at < s->begin)
                        memcpy(p->chunk->content + at, content + (at - begin), s->begin - at);
                at = MAX(at, s->end);
                merged.begin = MIN(merged.begin, s->begin);
                merged.end = MAX(merged.end, s->end);
        }
        if (at < end)
                memcpy(p->chunk->content + at, content + (at - begin), end - at);

        memmove(p->stretches + first + 1, p->stretches + behind, (p->n_stretches - behind) * sizeof(Stretch));
        p->n_stretches = p->n_stretches - (behind - first) + 1;
        p->stretches[first] = merged;
}

int frct_pieces_add(FrctPieces *p, const FrctHeader *header, const uint8_t *content, size_t size, FrctChunk **ret) {
        bool last = header->extension & FRCT_X_LAST_PIECE;
        size_t begin = header->position, end = begin + size;
        uint8_t flags = header->flags & FLAGS_OF_SEGMENT;
        int r;

        assert(p);
        assert(content);
        assert(ret);

        if (size == 0 || end > FRCT_SEGMENT_MAX)
                return -EPROTO;
        if (p->chunk && p->chunk->flags != flags)
                return -EPROTO;
        if (p->total > 0 ? end > p->total || (last && end != p->total) : last && p->chunk && end < p->chunk->size)
                return -EPROTO;
        if (p->n_stretches == FRCT_PIECES_MAX)
                return -EPROTO;

        r = reserve(p, end, flags);
        if (r < 0)
                return r;

        if (last)
                p->total = end;
        fill(p, content, begin, end);

        if (p->total == 0 || p->stretches[0].begin != 0 || p->stretches[0].end != p->total)
                return 0;

        *ret = TAKE_PTR(p->chunk);
        return 1;
}
