/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory that is wiped before it goes: for what parses messages with keys in them, also one that turns out to be bad.
 * The two functions have the form of an allocator's with a userdata, which they do not use.
 */

#include "basic/macro.h"

#define WIPED_BYTES_MAX (1024U * 1024U) /* of one block: more than the parts of any message of ours come to */

/* NULL: no memory, or too much. */
void *wiped_alloc(void *userdata, size_t size);

/* NULL is fine. */
void wiped_free(void *userdata, void *content);
