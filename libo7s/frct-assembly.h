/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Contents of packets, in order, made into messages: fragments FIRST | MORE ... last. What contradicts itself (a middle without a
 * first, a first inside a message, a message above FRCT_MESSAGE_MAX) drops that message on lossy flows and ends reliable ones. A
 * chunk is one content; the first FRCT_HEADER_ROOM of its memory are free for whoever made it.
 */

#include "basic/list.h"
#include "libo7s/frct-header.h"

typedef struct FrctChunk {
        ListNode by_assembly;
        size_t size;
        size_t offset;                  /* bytes read already */
        uint8_t flags;                  /* FIRST, MORE */
        uint8_t content[];
} FrctChunk;

typedef struct FrctAssembly {
        List chunks;                    /* whole messages, in order, then the fragments of the one to come */
        size_t n_bytes;                 /* of all */
        size_t n_open_bytes;            /* of the unfinished message */
        unsigned n_messages;            /* whole; of a stream: chunks */
        bool stream;
        bool open;                      /* fragments are being collected */
} FrctAssembly;

void frct_assembly_init(FrctAssembly *a, bool stream);
void frct_assembly_done(FrctAssembly *a);

/* A content for a caller to fill. Returns NULL without memory. */
FrctChunk *frct_chunk_new(const uint8_t *content, size_t size, uint8_t flags);

/* Takes the chunk. gap: something is missing before it (lossy flows). Returns: 0; -EPROTO: contradicts what came before, the chunk is
 * dropped. */
int frct_assembly_push(FrctAssembly *a, FrctChunk *chunk, bool gap);

ssize_t frct_assembly_read(FrctAssembly *a, void *data, size_t size, bool *ret_more);
void frct_assembly_skip(FrctAssembly *a);
int frct_assembly_peek(FrctAssembly *a, const uint8_t **ret, size_t *ret_size, bool *ret_whole);
bool frct_assembly_readable(const FrctAssembly *a);
