/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contents of packets, in order, made into messages: fragments FIRST | MORE ... last. What contradicts itself (a
 * middle without a first, a first inside a message, a message above FRCT_MESSAGE_MAX) drops that message on lossy
 * flows and ends reliable ones. A chunk is one content.
 */

#include <sys/types.h>

#include "basic/list.h"
#include "basic/time.h"
#include "libo7s/frct-header.h"

/* What a chunk costs beside its content, roughly, the allocator's share included: tiny ones must not be free. */
#define FRCT_CHUNK_OVERHEAD ((size_t) 64)

typedef struct FrctChunk {
        ListNode by_assembly;
        size_t size;
        size_t offset;                  /* bytes read already */
        nsec_t arrived_at;              /* these two only of what waits in an FrctHold, which by_assembly is for then */
        uint32_t sequence;
        uint8_t flags;                  /* FIRST, MORE; while it waits for its turn: FINISH */
        uint8_t content[];
} FrctChunk;

typedef struct FrctAssembly {
        List chunks;                    /* whole messages, in order, then the fragments of the one to come */
        size_t n_bytes;                 /* of all, but for what was read */
        size_t n_open_bytes;            /* of the unfinished message */
        size_t cost;                    /* memory of all */
        unsigned n_messages;            /* whole; of a stream: chunks */
        unsigned n_chunks;
        unsigned n_open_chunks;
        bool stream;
        bool open;                      /* fragments are being collected */
        bool skipping;                  /* fragments of a message that cannot become whole */
} FrctAssembly;

void frct_assembly_init(FrctAssembly *a, bool stream);
void frct_assembly_done(FrctAssembly *a);

/* A content for a caller to fill: content may be NULL. Returns NULL without memory. */
FrctChunk *frct_chunk_new(const uint8_t *content, size_t size, uint8_t flags);
FrctChunk *frct_chunk_free(FrctChunk *chunk);
DEFINE_CLEANUP(FrctChunk, frct_chunk_free);

static inline size_t frct_chunk_cost(const FrctChunk *chunk) {
        return chunk->size + FRCT_CHUNK_OVERHEAD;
}

/* Takes the chunk. gap: something is missing before it (lossy flows). Returns: 0; -EPROTO: contradicts what came
 * before, the chunk is dropped, and so is the message that it would have continued. */
int frct_assembly_push(FrctAssembly *a, FrctChunk *chunk, bool gap);
/* The unfinished message will never be whole. */
void frct_assembly_abandon(FrctAssembly *a);

/* Copies out (part of) the first message; of a stream as much as there is. *ret_more: the message goes on.
 * Returns: bytes; -EAGAIN. */
ssize_t frct_assembly_read(FrctAssembly *a, void *data, size_t size, bool *ret_more);
/* Drops what is left of the first message; of a stream: of its first chunk. */
void frct_assembly_skip(FrctAssembly *a);
/* What of the first message lies in one piece. Returns: 0; -EAGAIN. */
int frct_assembly_peek(FrctAssembly *a, const uint8_t **ret, size_t *ret_size, bool *ret_whole);
bool frct_assembly_readable(const FrctAssembly *a);
