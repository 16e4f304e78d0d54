/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the conf-*.c files share: the inside of a ConfFile. */

#include "basic/conf.h"

/* A header, kept so that an unknown section is seen even when it is empty. */
typedef struct ConfHeader {
        const char *section;
        ConfPlace place;
} ConfHeader;

struct ConfFile {
        ConfStrings names;              /* every path that a place points at, once */
        const char **paths;             /* the files read, in order; into names */
        size_t n_paths;
        char **texts;                   /* one buffer for each conf_add_text(); all words point into them */
        size_t n_texts;
        ConfHeader *headers;
        size_t n_headers;
        ConfAssignment *assignments;
        size_t n_assignments;
        ConfMessage *messages;
        size_t n_messages;
        unsigned n_errors;              /* also of messages that were not kept */
        bool truncated;                 /* messages were left out */
};

/* Makes room for item n of an array that has grown one by one: the room doubles whenever n is a power of two. */
static inline int conf_array_reserve(void *array, size_t n, size_t item_size) {
        void **items = array, *larger;

        if ((n & (n - 1)) != 0)
                return 0;

        larger = reallocarray(*items, n > 0 ? 2 * n : 1, item_size);
        if (!larger)
                return -ENOMEM;

        *items = larger;
        return 0;
}

/* The file's own copy of a path, or NULL without memory. */
const char *conf_intern_path(ConfFile *file, const char *path);
