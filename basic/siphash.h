/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SipHash-2-4: a short keyed hash. Who does not know the key cannot choose inputs that collide. */

#include "basic/macro.h"

#define SIPHASH_KEY_BYTES 16U

uint64_t siphash24(const uint8_t key[SIPHASH_KEY_BYTES], const void *data, size_t size);
