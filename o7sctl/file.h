/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files that o7sctl reads and writes as its caller. A file that is written appears complete or not at all: under
 * another name in the same directory, synced, with its owner and mode, and only then by its own.
 */

#include <sys/types.h>

#include "basic/macro.h"

#define FILE_BYTES_MAX (1024U * 1024U)

typedef struct FileTerms {
        mode_t mode;
        uid_t owner;            /* (uid_t) -1: whoever writes */
        gid_t group;
        bool keep;              /* one that is there is not replaced: -EEXIST */
} FileTerms;

#define FILE_TERMS(mode_) ((FileTerms) { .mode = (mode_), .owner = (uid_t) -1, .group = (gid_t) -1 })

/* The whole of a regular file, with a NUL behind it that does not count. Returns: 0; -EFBIG: more than max; -EINVAL:
 * not a regular file; errors of open() and read(). */
int file_read(const char *path, size_t max, char **ret, size_t *ret_size);

/* Returns: 0; -EEXIST; errors of files. */
int file_write(const char *path, const char *text, const FileTerms *terms);

/* path and what is missing above it, 0755, whatever the umask. Returns: 0; errors of mkdir(). */
int directory_make(const char *path);

/* For text that nobody else may see: a private key. */
static inline void secret_freep(char **secret) {
        if (*secret)
                explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
}

#define _cleanup_secret_ _cleanup_(secret_freep)
