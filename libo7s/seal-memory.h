/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory for keys: pages of their own between two that nobody may touch, kept out of swap and core dumps, empty in a
 * forked child, wiped before they go back. Each object has its own, so that none lies beside another's, and nothing
 * is shared.
 */

#include "basic/macro.h"

/* Zeros. size: what seal_memory_free() is told too. Returns: 0; -ENOMEM. */
int seal_memory_new(size_t size, void **ret);

/* Wipes. NULL is fine. Returns NULL. */
void *seal_memory_free(void *memory, size_t size);
