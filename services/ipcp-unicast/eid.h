/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Endpoint ids of flows: 64 bits, 44 random ones above a slot of 20. The whole id is what lets a packet in, so the
 * random part is fresh for every flow, and an id that is not ours is turned away in a time that says nothing about
 * how much of it was right.
 */

#include "basic/macro.h"

#define EID_SLOT_BITS 20U
#define EID_SLOTS_MAX (1U << EID_SLOT_BITS)
#define EIDS_MAX 65536U                 /* flows of a layer */

typedef struct Eids Eids;

int eids_new(Eids **ret);
Eids *eids_free(Eids *eids);
DEFINE_CLEANUP(Eids, eids_free);

/* Takes a free slot. random: 64 fresh bits. Never below EID_FLOWS. Returns: 0; -ENOSPC; -ENOMEM. */
int eids_take(Eids *eids, uint64_t random, void *owner, uint64_t *ret_eid);

/* Takes this very id, for a flow of an earlier life. Returns: 0; -EEXIST; -EINVAL; -ENOMEM. */
int eids_take_again(Eids *eids, uint64_t eid, void *owner);

/* The owner; NULL where the id is not exactly one of ours. Takes the same time whatever is wrong. */
void *eids_get(const Eids *eids, uint64_t eid);

void eids_release(Eids *eids, uint64_t eid);
size_t eids_n(const Eids *eids);
