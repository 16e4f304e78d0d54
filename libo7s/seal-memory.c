/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keys in pages of their own.
 *
 *      | no access |  object ..., to whole pages  | no access |
 *
 * What can be locked at all is limited (RLIMIT_MEMLOCK, 8 MiB as systemd sets it), and a program may have thousands
 * of flows: where the limit is reached the pages are not locked, and can be swapped out. That is worse than locked,
 * and better than no flow. The same holds for kernels that do not know a piece of advice.
 */

#include <sys/mman.h>

#include "libo7s/seal-memory.h"

static size_t page_bytes(void) {
        long size = sysconf(_SC_PAGESIZE);

        return size > 0 ? (size_t) size : 4096;
}

static size_t round_to_pages(size_t size, size_t page) {
        return (size + page - 1) / page * page;
}

int seal_memory_new(size_t size, void **ret) {
        size_t page = page_bytes(), inner;
        uint8_t *outer, *memory;

        assert(size > 0);
        assert(ret);

        if (size > SIZE_MAX / 2)
                return -ENOMEM;

        inner = round_to_pages(size, page);
        outer = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (outer == MAP_FAILED)
                return -ENOMEM;

        memory = outer + page;
        if (mprotect(memory, inner, PROT_READ | PROT_WRITE) < 0) {
                (void) munmap(outer, inner + 2 * page);
                return -ENOMEM;
        }

        (void) madvise(memory, inner, MADV_DONTDUMP);
        (void) madvise(memory, inner, MADV_WIPEONFORK);
        (void) mlock(memory, inner);

        *ret = memory;
        return 0;
}

void *seal_memory_free(void *memory, size_t size) {
        size_t page = page_bytes(), inner = round_to_pages(size, page);

        if (!memory)
                return NULL;

        explicit_bzero(memory, inner);
        (void) munmap((uint8_t *) memory - page, inner + 2 * page);
        return NULL;
}
