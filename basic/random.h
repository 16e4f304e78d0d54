/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/macro.h"

/* Bytes from the kernel. Returns: 0; a negative errno, which fails whatever needed them. */
int random_bytes(void *ret, size_t size);
