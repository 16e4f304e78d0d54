/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See blob.h. */

#include <stdio.h>
#include <stdlib.h>

#include "services/common/der.h"
#include "tests/unit/auth/blob.h"

void maker_require(bool condition, const char *what) {
        if (condition)
                return;

        fprintf(stderr, "certificate-maker: %s\n", what);
        abort();
}

void blob_done(Blob *blob) {
        blob->data = mfree(blob->data);
        blob->size = 0;
}

void blob_add(Blob *blob, const void *data, size_t size) {
        blob->data = realloc(blob->data, blob->size + size + 1);
        maker_require(blob->data, "no memory");
        if (size > 0)
                memcpy(blob->data + blob->size, data, size);
        blob->size += size;
}

void blob_wrap(Blob *blob, uint8_t tag) {
        uint8_t head[6] = { tag };
        size_t n = 1, length = blob->size;
        Blob whole = {};

        if (length < 0x80)
                head[n++] = (uint8_t) length;
        else {
                unsigned bytes = length > 0xffff ? 3 : length > 0xff ? 2 : 1;

                head[n++] = (uint8_t) (0x80 | bytes);
                for (unsigned i = bytes; i > 0; i--)
                        head[n++] = (uint8_t) (length >> (8 * (i - 1)));
        }

        blob_add(&whole, head, n);
        blob_add(&whole, blob->data, blob->size);
        blob_done(blob);
        *blob = whole;
}

void blob_add_element(Blob *to, uint8_t tag, const void *data, size_t size) {
        _cleanup_(blob_done) Blob element = {};

        blob_add(&element, data, size);
        blob_wrap(&element, tag);
        blob_add(to, element.data, element.size);
}

void blob_add_blob(Blob *to, uint8_t tag, Blob *content) {
        blob_wrap(content, tag);
        blob_add(to, content->data, content->size);
        blob_done(content);
}

void blob_add_object(Blob *to, const char *object) {
        unsigned long numbers[16];
        _cleanup_(blob_done) Blob content = {};
        unsigned n = 0;
        char *end;

        for (const char *p = object; n < ELEMENTSOF(numbers); p = end + 1) {
                numbers[n++] = strtoul(p, &end, 10);
                if (*end != '.')
                        break;
        }
        maker_require(n >= 2, "no object identifier");

        numbers[1] += numbers[0] * 40;
        for (unsigned i = 1; i < n; i++)
                for (int shift = 28; shift >= 0; shift -= 7) {
                        uint8_t byte = (uint8_t) (numbers[i] >> shift & 0x7f);

                        if (shift > 0 && numbers[i] >> shift == 0)
                                continue;
                        byte |= shift > 0 ? 0x80 : 0;
                        blob_add(&content, &byte, 1);
                }

        blob_add_blob(to, DER_OBJECT, &content);
}

void blob_add_integer(Blob *to, uint32_t value) {
        uint8_t bytes[5] = { 0, (uint8_t) (value >> 24), (uint8_t) (value >> 16), (uint8_t) (value >> 8),
                             (uint8_t) value };
        unsigned skip = 0;

        while (skip < 4 && bytes[skip] == 0 && bytes[skip + 1] < 0x80)
                skip++;
        blob_add_element(to, DER_INTEGER, bytes + skip, sizeof(bytes) - skip);
}
