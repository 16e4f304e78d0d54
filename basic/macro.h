/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compiler attributes, cleanup attributes and the few macros that every file uses. */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _pure_ __attribute__((pure))
#define _const_ __attribute__((const))
#define _public_ __attribute__((visibility("default")))
#define _unused_ __attribute__((unused))
#define _fallthrough_ __attribute__((fallthrough))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define STRLEN(literal) (sizeof("" literal "") - 1)

#define _join_tokens(a, b) a##b
#define _join(a, b) _join_tokens(a, b)

/* Each argument is evaluated once; the numbered names let one stand inside another. */
#define MIN(a, b) _min_named(a, b, __COUNTER__)
#define _min_named(a, b, number) _min(a, b, _join(_a_, number), _join(_b_, number))
#define _min(a, b, name_a, name_b)                                                                                \
        ({                                                                                                        \
                __typeof__(a) name_a = (a);                                                                       \
                __typeof__(b) name_b = (b);                                                                       \
                name_a < name_b ? name_a : name_b;                                                                \
        })
#define MAX(a, b) _max_named(a, b, __COUNTER__)
#define _max_named(a, b, number) _max(a, b, _join(_a_, number), _join(_b_, number))
#define _max(a, b, name_a, name_b)                                                                                \
        ({                                                                                                        \
                __typeof__(a) name_a = (a);                                                                       \
                __typeof__(b) name_b = (b);                                                                       \
                name_a > name_b ? name_a : name_b;                                                                \
        })
#define CLAMP(x, low, high) MIN(MAX(x, low), high)

#define container_of(pointer, type, member)                                                                       \
        ((type *) ((char *) (uintptr_t) (pointer) - offsetof(type, member)))

/* Hand over what an owned local holds: the local keeps nothing, so its cleanup does nothing. */
#define TAKE_PTR(pointer)                                                                                         \
        ({                                                                                                        \
                __typeof__(pointer) _taken = (pointer);                                                           \
                (pointer) = NULL;                                                                                 \
                _taken;                                                                                           \
        })
#define TAKE_FD(fd)                                                                                               \
        ({                                                                                                        \
                int _taken = (fd);                                                                                \
                (fd) = -1;                                                                                        \
                _taken;                                                                                           \
        })

/* For a "Type *type_free(Type *)" that accepts NULL: makes type_freep() for _cleanup_(type_freep). */
#define DEFINE_CLEANUP(type, function)                                                                            \
        static inline void function##p(type **pointer) {                                                         \
                *pointer = function(*pointer);                                                                    \
        }                                                                                                         \
        struct _cleanup_needs_a_semicolon_

static inline void *mfree(void *memory) {
        free(memory);
        return NULL;
}

static inline void freep(void *pointer) {
        free(*(void **) pointer);
}

/* Closes, keeps errno, returns -1, so that "fd = safe_close(fd)" leaves nothing to close twice. */
static inline int safe_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }

        return -1;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool isempty(const char *s) {
        return !s || s[0] == '\0';
}

static inline const char *strempty(const char *s) {
        return s ? s : "";
}
