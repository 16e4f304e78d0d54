/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One list holds everything: chunks of whole messages at its front, those of the unfinished one at its end. A message
 * becomes readable when its last fragment is pushed; nothing is copied to put it together, reading walks the chunks.
 */

#include "libo7s/frct-assembly.h"
#include "libo7s/frct.h"

FrctChunk *frct_chunk_new(const uint8_t *content, size_t size, uint8_t flags) {
        FrctChunk *chunk;

        chunk = malloc(sizeof(*chunk) + size);
        if (!chunk)
                return NULL;

        *chunk = (FrctChunk) { .size = size, .flags = flags };
        list_init(&chunk->by_assembly);
        if (content && size > 0)
                memcpy(chunk->content, content, size);

        return chunk;
}

FrctChunk *frct_chunk_free(FrctChunk *chunk) {
        if (!chunk)
                return NULL;

        list_unlink(&chunk->by_assembly);
        return mfree(chunk);
}

void frct_assembly_init(FrctAssembly *a, bool stream) {
        assert(a);

        *a = (FrctAssembly) { .stream = stream };
        list_init(&a->chunks);
}

void frct_assembly_done(FrctAssembly *a) {
        FrctChunk *chunk, *following;

        assert(a);

        list_for_each_safe(chunk, following, &a->chunks, by_assembly)
                frct_chunk_free(chunk);
        frct_assembly_init(a, a->stream);
}

static void drop(FrctAssembly *a, FrctChunk *chunk) {
        a->n_bytes -= chunk->size - chunk->offset;
        a->cost -= frct_chunk_cost(chunk);
        a->n_chunks--;
        frct_chunk_free(chunk);
}

static void append(FrctAssembly *a, FrctChunk *chunk) {
        list_append(&a->chunks, &chunk->by_assembly);
        a->n_bytes += chunk->size;
        a->cost += frct_chunk_cost(chunk);
        a->n_chunks++;
}

void frct_assembly_abandon(FrctAssembly *a) {
        assert(a);

        while (a->n_open_chunks > 0) {
                drop(a, container_of(a->chunks.previous, FrctChunk, by_assembly));
                a->n_open_chunks--;
        }

        a->n_open_bytes = 0;
        a->open = false;
}

static int contradicted(FrctAssembly *a, const FrctChunk *chunk) {
        frct_assembly_abandon(a);
        a->skipping = chunk->flags & FRCT_MORE;
        return -EPROTO;
}

int frct_assembly_push(FrctAssembly *a, FrctChunk *chunk, bool gap) {
        _cleanup_(frct_chunk_freep) FrctChunk *owned = chunk;
        bool first = chunk->flags & FRCT_FIRST, more = chunk->flags & FRCT_MORE;

        assert(a);

        if (a->stream) {
                append(a, TAKE_PTR(owned));
                a->n_messages++;
                return 0;
        }

        /* What was lost may have been the end of one message and the beginning of another. */
        if (gap) {
                frct_assembly_abandon(a);
                a->skipping = true;
        }

        if (a->skipping && !first) {
                a->skipping = more;
                return 0;
        }
        a->skipping = false;

        if (first == a->open || chunk->size > FRCT_MESSAGE_MAX - a->n_open_bytes)
                return contradicted(a, chunk);

        append(a, TAKE_PTR(owned));
        a->n_open_chunks++;
        a->n_open_bytes += chunk->size;
        a->open = more;
        if (!more) {
                a->n_open_chunks = 0;
                a->n_open_bytes = 0;
                a->n_messages++;
        }

        return 0;
}

/* The first chunk was read, or is not wanted. Returns whether its message goes on. */
static bool drop_first(FrctAssembly *a) {
        FrctChunk *chunk = list_first(&a->chunks, FrctChunk, by_assembly);
        bool more = !a->stream && chunk->flags & FRCT_MORE;

        drop(a, chunk);
        if (!more)
                a->n_messages--;

        return more;
}

ssize_t frct_assembly_read(FrctAssembly *a, void *data, size_t size, bool *ret_more) {
        size_t done = 0;
        bool more = true;

        assert(a);
        assert(data || size == 0);

        if (a->n_messages == 0)
                return -EAGAIN;

        while (done < size && more) {
                FrctChunk *chunk = list_first(&a->chunks, FrctChunk, by_assembly);
                size_t n = MIN(chunk->size - chunk->offset, size - done);

                memcpy((uint8_t *) data + done, chunk->content + chunk->offset, n);
                chunk->offset += n;
                a->n_bytes -= n;
                done += n;

                /* A stream goes on in the next chunk, if there is one. */
                if (chunk->offset == chunk->size)
                        more = drop_first(a) || (a->stream && a->n_messages > 0);
        }

        if (ret_more)
                *ret_more = !a->stream && more;
        return (ssize_t) done;
}

void frct_assembly_skip(FrctAssembly *a) {
        assert(a);

        if (a->n_messages == 0)
                return;

        while (drop_first(a))
                ;
}

int frct_assembly_peek(FrctAssembly *a, const uint8_t **ret, size_t *ret_size, bool *ret_whole) {
        const FrctChunk *chunk;

        assert(a);
        assert(ret);
        assert(ret_size);

        if (a->n_messages == 0)
                return -EAGAIN;

        chunk = list_first(&a->chunks, FrctChunk, by_assembly);
        *ret = chunk->content + chunk->offset;
        *ret_size = chunk->size - chunk->offset;
        if (ret_whole)
                *ret_whole = a->stream || !(chunk->flags & FRCT_MORE);

        return 0;
}

bool frct_assembly_readable(const FrctAssembly *a) {
        assert(a);

        return a->n_messages > 0;
}
