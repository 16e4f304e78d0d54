/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Endpoint ids that a shim gives out: a table of owners by slot. An id is drawn at random among the free slots, so that
 * who does not see our packets cannot guess it and a number just freed is unlikely to come back at once. Above the slot
 * there may be further random bits (UDP), which must match in full.
 */

#include "basic/macro.h"

typedef struct ShimEndpoints ShimEndpoints;

/* Slots first..last; tag_bits random bits above a slot of 16 bits, 0 for none. Returns: 0; -ENOMEM. */
int shim_endpoints_new(uint32_t first, uint32_t last, unsigned tag_bits, ShimEndpoints **ret);
ShimEndpoints *shim_endpoints_free(ShimEndpoints *endpoints);
DEFINE_CLEANUP(ShimEndpoints, shim_endpoints_free);

/* Takes a free slot: the first one from a random place on. random comes from the caller: 64 fresh bits.
 * Returns: 0; -ENOSPC: all are taken. */
int shim_endpoints_take(ShimEndpoints *endpoints, uint64_t random, void *owner, uint32_t *ret_id);

/* Takes this very id, which was ours before a restart. Returns: 0; -EEXIST: its slot is taken; -EINVAL: there is no
 * such id. */
int shim_endpoints_take_again(ShimEndpoints *endpoints, uint32_t id, void *owner);

/* The owner of this id; NULL where it is out of range, free, or has another tag. */
void *shim_endpoints_get(const ShimEndpoints *endpoints, uint32_t id);

void shim_endpoints_release(ShimEndpoints *endpoints, uint32_t id);

uint32_t shim_endpoints_n_free(const ShimEndpoints *endpoints);
