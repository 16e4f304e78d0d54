/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What happens to memory of a process that holds private keys. A key is not only where we put it: libraries parse it
 * into trees, numbers and scratch space of their own, on the heap and on the stack, and not all of them clean up. So
 * it is done here, for all of them:
 *
 *   all pages are locked, no core is written, and no other process of this user may look (services/common/vault.c)
 *   whatever is given back to the heap is wiped: free() and realloc() below stand in front of the C library's
 *   after each use of a key the stack below is wiped
 *
 * What GnuTLS made of a key lies in the heap, beside everything else, and so cannot be emptied in a forked child
 * (MADV_WIPEONFORK), as our own buffers are. What holds instead: nothing here forks, and no question makes it. Only a
 * token's library may, to start a helper; such a child has no core either, cannot be looked into until it runs that
 * other program, and the unit has no swap (MemorySwapMax=0) that its pages, which are not locked, could go to.
 *
 * A sanitizer has a heap of its own: there, the C library's free() is not replaced.
 */

#include <malloc.h>

#include "services/keyd/key.h"

#define STACK_BYTES (128U * 1024U)      /* more than any computation with a key uses */

__attribute__((noinline)) void key_memory_wipe_stack(void) {
        uint8_t waste[STACK_BYTES];

        explicit_bzero(waste, sizeof(waste));
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)

/* The C library's own, which it exports for those who stand in front of it. */
void __libc_free(void *memory);

_public_ void free(void *memory);
_public_ void *realloc(void *memory, size_t size);

_public_ void free(void *memory) {
        int saved = errno;              /* free() never changes it */

        if (!memory)
                return;

        explicit_bzero(memory, malloc_usable_size(memory));
        __libc_free(memory);
        errno = saved;
}

/* Always to a new place: the C library's would give the old one back as it is. */
_public_ void *realloc(void *memory, size_t size) {
        void *larger;

        if (!memory)
                return malloc(size);
        if (size == 0) {
                free(memory);
                return NULL;
        }
        if (size <= malloc_usable_size(memory))
                return memory;

        larger = malloc(size);
        if (!larger)
                return NULL;

        memcpy(larger, memory, malloc_usable_size(memory));
        free(memory);
        return larger;
}

#endif
