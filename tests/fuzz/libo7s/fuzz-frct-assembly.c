/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fragments as the input has them, beside a model that keeps each message in an array of its own: what is read is
 * what was pushed, whole, in order, once; accounts agree with what is there; an unfinished message is never above the
 * limit.
 */

#include "basic/cursor.h"
#include "libo7s/frct-assembly.h"
#include "libo7s/frct.h"

#define OPERATIONS_MAX 2048U
#define MESSAGES_MAX OPERATIONS_MAX

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Operation {
        PUSH,                   /* u8 flags (bit 7: gap), u8 size */
        PUSH_LARGE,             /* u8 flags (bit 7: gap), u8 size in 4 KiB */
        READ,                   /* u8 room */
        READ_ALL,
        SKIP,
        PEEK,
        ABANDON,
        _OPERATION_MAX,
} Operation;

typedef struct Message {
        uint8_t *bytes;
        size_t size;
        size_t read;
} Message;

typedef struct Game {
        FrctAssembly assembly;
        Message messages[MESSAGES_MAX];         /* the one at n_whole is unfinished */
        unsigned n_whole, n_gone;
        bool open, skipping;
        uint8_t next_byte;
        uint8_t *buffer;
} Game;

static void model_abandon(Game *g) {
        free(g->messages[g->n_whole].bytes);
        g->messages[g->n_whole] = (Message) {};
        g->open = false;
}

static int model_push(Game *g, const uint8_t *content, size_t size, uint8_t flags, bool gap) {
        Message *m = g->messages + g->n_whole;
        bool first = flags & FRCT_FIRST, more = flags & FRCT_MORE;

        if (g->assembly.stream)
                first = true, more = false;
        else if (gap) {
                model_abandon(g);
                g->skipping = true;
        }
        if (g->skipping && !first) {
                g->skipping = more;
                return 0;
        }
        g->skipping = false;
        if (!g->assembly.stream && (first == g->open || m->size + size > FRCT_MESSAGE_MAX)) {
                model_abandon(g);
                g->skipping = more;
                return -EPROTO;
        }

        m->bytes = realloc(m->bytes, m->size + size);
        if (!m->bytes)
                abort();
        memcpy(m->bytes + m->size, content, size);
        m->size += size;
        g->open = more;
        g->n_whole += !more;
        return 0;
}

/* Of a stream, several of the model's messages may go at once. */
static void model_read(Game *g, const uint8_t *got, size_t n, bool more) {
        while (n > 0) {
                Message *m = g->messages + g->n_gone;
                size_t part = MIN(n, m->size - m->read);

                if (g->n_gone == g->n_whole || memcmp(got, m->bytes + m->read, part) != 0)
                        abort();
                m->read += part;
                got += part;
                n -= part;
                if (m->read == m->size)
                        g->n_gone++;
                if (n > 0 && !g->assembly.stream)
                        abort();
        }

        if (more != (!g->assembly.stream && g->n_gone < g->n_whole && g->messages[g->n_gone].read > 0))
                abort();
}

static void push(Game *g, Cursor *c, size_t unit) {
        uint8_t flags = cursor_u8(c);
        size_t size = (cursor_u8(c) + (size_t) 1) * unit;

        if (g->n_whole == MESSAGES_MAX - 1)
                return;

        memset(g->buffer, g->next_byte++, size);
        if (frct_assembly_push(&g->assembly, frct_chunk_new(g->buffer, size, flags & (FRCT_FIRST | FRCT_MORE)),
                               flags & 0x80) != model_push(g, g->buffer, size, flags, flags & 0x80))
                abort();
}

static void read_some(Game *g, size_t room) {
        bool more = false;
        ssize_t n;

        if (room == 0)
                return;

        n = frct_assembly_read(&g->assembly, g->buffer, room, &more);
        if (n == -EAGAIN ? g->n_gone != g->n_whole : n <= 0 || (size_t) n > room)
                abort();
        if (n > 0)
                model_read(g, g->buffer, (size_t) n, more);
}

static void play(Game *g, Operation operation, Cursor *c) {
        const Message *m = g->messages + g->n_gone;
        const uint8_t *p;
        bool whole;
        size_t n;

        switch (operation) {
        case PUSH:
                push(g, c, 1);
                break;
        case PUSH_LARGE:
                push(g, c, 4096);
                break;
        case READ:
                read_some(g, cursor_u8(c));
                break;
        case READ_ALL:
                read_some(g, FRCT_MESSAGE_MAX);
                break;
        case SKIP:
                frct_assembly_skip(&g->assembly);
                g->n_gone += g->n_gone < g->n_whole;
                break;
        case PEEK:
                if (frct_assembly_peek(&g->assembly, &p, &n, &whole) < 0)
                        break;
                if (n == 0 || n > m->size - m->read || memcmp(p, m->bytes + m->read, n) != 0 ||
                    whole != (n == m->size - m->read))
                        abort();
                break;
        case ABANDON:
                frct_assembly_abandon(&g->assembly);
                model_abandon(g);
                break;
        case _OPERATION_MAX:
                break;
        }
}

static void check(const Game *g) {
        const FrctAssembly *a = &g->assembly;
        size_t n_bytes = g->messages[g->n_whole].size;

        for (unsigned i = g->n_gone; i < g->n_whole; i++)
                n_bytes += g->messages[i].size - g->messages[i].read;

        if (a->n_bytes != n_bytes || a->n_open_bytes != g->messages[g->n_whole].size ||
            a->n_open_bytes > FRCT_MESSAGE_MAX)
                abort();
        if (a->n_messages != g->n_whole - g->n_gone || a->open != g->open || a->n_open_chunks > a->n_chunks)
                abort();
        if (a->cost < a->n_bytes + a->n_chunks * FRCT_CHUNK_OVERHEAD || (a->n_chunks == 0 && a->cost != 0))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Game *g = calloc(1, sizeof(*g));

        if (!g)
                return 0;
        g->buffer = malloc(FRCT_MESSAGE_MAX);
        if (!g->buffer)
                abort();

        frct_assembly_init(&g->assembly, cursor_u8(&c) & 1);
        for (unsigned i = 0; i < OPERATIONS_MAX && c.left > 0; i++) {
                play(g, cursor_u8(&c) % _OPERATION_MAX, &c);
                check(g);
        }

        frct_assembly_done(&g->assembly);
        for (unsigned i = 0; i <= g->n_whole; i++)
                free(g->messages[i].bytes);
        free(g->buffer);
        free(g);
        return 0;
}
