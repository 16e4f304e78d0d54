/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading DER where a whole parser would be too much, or would do too much to what it reads: one element after the
 * other, each with its tag and content. Only what DER allows: tags of one byte, definite lengths in the fewest bytes.
 * Anything else poisons the cursor.
 */

#include "basic/cursor.h"

#define DER_BOOLEAN 0x01U
#define DER_INTEGER 0x02U
#define DER_BIT_STRING 0x03U
#define DER_OCTET_STRING 0x04U
#define DER_OBJECT 0x06U
#define DER_UTF8_STRING 0x0cU
#define DER_PRINTABLE_STRING 0x13U
#define DER_IA5_STRING 0x16U
#define DER_SEQUENCE 0x30U
#define DER_SET 0x31U
#define DER_CONTEXT(number) (0x80U | (number))                  /* implicit, of a simple type */
#define DER_CONTEXT_CONSTRUCTED(number) (0xa0U | (number))

typedef struct DerElement {
        uint8_t tag;
        Cursor content;
        const uint8_t *whole;           /* tag and length included */
        size_t whole_size;
} DerElement;

static inline size_t der_length(Cursor *c) {
        uint8_t first = cursor_u8(c);
        size_t n = first & 0x7fU, length;

        if (first < 0x80)
                return first;
        if (n == 0 || n > 4) {          /* of unknown length, or longer than anything here */
                c->bad = true;
                return 0;
        }

        length = (size_t) cursor_be(c, n);
        if (length < 0x80 || length >> (8 * (n - 1)) == 0)
                c->bad = true;
        return length;
}

/* The next element. Where there is none, or it is malformed: tag 0 and no content, and the cursor is bad. */
static inline DerElement der_next(Cursor *c) {
        DerElement element = { .whole = c->p };
        const uint8_t *content;
        size_t length;

        element.tag = cursor_u8(c);
        if ((element.tag & 0x1fU) == 0x1fU)
                c->bad = true;
        length = der_length(c);
        content = cursor_bytes(c, length);
        if (c->bad)
                return (DerElement) { .content = { .bad = true } };

        element.content = cursor_from(content, length);
        element.whole_size = (size_t) (c->p - element.whole);
        return element;
}

/* The next element, which must have this tag. */
static inline Cursor der_enter(Cursor *c, uint8_t tag) {
        DerElement element = der_next(c);

        if (element.tag == tag)
                return element.content;

        c->bad = true;
        return (Cursor) { .bad = true };
}

/* Whether these bytes are one element of this tag and nothing else. */
static inline bool der_is_one(const void *data, size_t size, uint8_t tag) {
        Cursor c = cursor_from(data, size);
        DerElement element = der_next(&c);

        return !c.bad && c.left == 0 && element.tag == tag;
}
