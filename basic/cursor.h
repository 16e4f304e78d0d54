/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bounds-checked reading and writing of packets. A short read or write poisons the cursor: "bad" stays
 * set, every later read yields zero and every later write does nothing, so that a parser is a straight
 * list of fields with one check at its end. One field per statement: C leaves the order of evaluation
 * inside an initialiser open.
 */

#include "basic/macro.h"

typedef struct Cursor {
        const uint8_t *p;
        size_t left;
        bool bad;
} Cursor;

typedef struct Writer {
        uint8_t *p;
        size_t left;
        size_t written;
        bool bad;
} Writer;

static inline Cursor cursor_from(const void *data, size_t size) {
        return (Cursor) { .p = data, .left = size };
}

/* The next n bytes, still in the buffer, or NULL. n may be 0: then the result is not NULL but must not be read. */
static inline const uint8_t *cursor_bytes(Cursor *c, size_t n) {
        const uint8_t *p = c->p;

        if (c->bad || n > c->left) {
                c->bad = true;
                return NULL;
        }

        if (n > 0) {
                c->p += n;
                c->left -= n;
        }

        return p ? p : (const uint8_t *) "";
}

/* Copies n bytes out; zeroes where there are not as many. */
static inline void cursor_copy(Cursor *c, void *to, size_t n) {
        const uint8_t *p = cursor_bytes(c, n);

        if (n == 0)
                return;
        if (p)
                memcpy(to, p, n);
        else
                memset(to, 0, n);
}

static inline uint64_t cursor_be(Cursor *c, size_t n_bytes) {
        const uint8_t *p = cursor_bytes(c, n_bytes);
        uint64_t value = 0;

        for (size_t i = 0; p && i < n_bytes; i++)
                value = value << 8 | p[i];

        return value;
}

static inline uint64_t cursor_le(Cursor *c, size_t n_bytes) {
        const uint8_t *p = cursor_bytes(c, n_bytes);
        uint64_t value = 0;

        for (size_t i = n_bytes; p && i > 0; i--)
                value = value << 8 | p[i - 1];

        return value;
}

static inline uint8_t cursor_u8(Cursor *c) {
        return (uint8_t) cursor_be(c, 1);
}

static inline uint16_t cursor_be16(Cursor *c) {
        return (uint16_t) cursor_be(c, 2);
}

static inline uint32_t cursor_be32(Cursor *c) {
        return (uint32_t) cursor_be(c, 4);
}

static inline uint64_t cursor_be64(Cursor *c) {
        return cursor_be(c, 8);
}

static inline Writer writer_to(void *buffer, size_t size) {
        return (Writer) { .p = buffer, .left = size };
}

static inline void writer_bytes(Writer *w, const void *data, size_t n) {
        if (w->bad || n > w->left) {
                w->bad = true;
                return;
        }
        if (n == 0)
                return;

        memcpy(w->p, data, n);
        w->p += n;
        w->left -= n;
        w->written += n;
}

static inline void writer_zero(Writer *w, size_t n) {
        if (w->bad || n > w->left) {
                w->bad = true;
                return;
        }
        if (n == 0)
                return;

        memset(w->p, 0, n);
        w->p += n;
        w->left -= n;
        w->written += n;
}

static inline void writer_be(Writer *w, uint64_t value, size_t n_bytes) {
        uint8_t bytes[sizeof(value)];

        for (size_t i = n_bytes; i > 0; i--) {
                bytes[i - 1] = (uint8_t) value;
                value >>= 8;
        }

        writer_bytes(w, bytes, n_bytes);
}

static inline void writer_u8(Writer *w, uint8_t value) {
        writer_be(w, value, 1);
}

static inline void writer_be16(Writer *w, uint16_t value) {
        writer_be(w, value, 2);
}

static inline void writer_be32(Writer *w, uint32_t value) {
        writer_be(w, value, 4);
}

static inline void writer_be64(Writer *w, uint64_t value) {
        writer_be(w, value, 8);
}
