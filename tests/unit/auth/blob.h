/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes of DER, written one by one, right and wrong ones. What fails here is a mistake of the tests: it aborts. */

#include "basic/macro.h"

typedef struct Blob {
        uint8_t *data;
        size_t size;
} Blob;

void maker_require(bool condition, const char *what);

void blob_done(Blob *blob);
void blob_add(Blob *blob, const void *data, size_t size);
void blob_wrap(Blob *blob, uint8_t tag);        /* all of it becomes the content of one element */

/* One more element behind what is there. */
void blob_add_element(Blob *to, uint8_t tag, const void *data, size_t size);
void blob_add_blob(Blob *to, uint8_t tag, Blob *content);       /* which is empty then */
void blob_add_object(Blob *to, const char *object);             /* "1.2.3.4" */
void blob_add_integer(Blob *to, uint32_t value);
