/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A binary heap of expiry times, embedded in the objects that expire. Entries whose time moves later on every packet
 * (liveness) are left where they are and looked at again when their old time comes: the packet's walk never touches
 * the heap.
 */

#include "basic/time.h"

typedef struct Expiry {
        usec_t when;
        size_t index;                   /* in the heap, from 1; 0: not in it */
} Expiry;

typedef struct ExpiryHeap {
        Expiry **entries;           /* entries[0] is unused */
        size_t n;
        size_t n_allocated;
} ExpiryHeap;

void expiry_done(ExpiryHeap *heap);

/* Sets or moves an entry's time; USEC_INFINITY takes it out. Returns: 0; -ENOMEM: it was not in and is not now. */
int expiry_set(ExpiryHeap *heap, Expiry *entry, usec_t when);

/* Takes an entry out; one that is not in is fine. Call it before the entry's memory goes. */
void expiry_remove(ExpiryHeap *heap, Expiry *entry);

/* The entry that is due at now, taken out; NULL where none is. */
Expiry *expiry_pop(ExpiryHeap *heap, usec_t now);

/* When the next is due; USEC_INFINITY where there is none. */
usec_t expiry_next(const ExpiryHeap *heap);
