/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Blocks that know their size. */

#include "basic/wiped.h"

typedef struct WipedBlock {
        size_t size;
        uint8_t content[] __attribute__((aligned(16)));
} WipedBlock;

void *wiped_alloc(void *userdata, size_t size) {
        WipedBlock *block;

        if (size > WIPED_BYTES_MAX)
                return NULL;

        block = malloc(sizeof(*block) + size);
        if (!block)
                return NULL;

        block->size = size;
        return block->content;
}

void wiped_free(void *userdata, void *content) {
        WipedBlock *block;

        if (!content)
                return;

        block = container_of(content, WipedBlock, content);
        explicit_bzero(block->content, block->size);
        free(block);
}
