/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records that outlive the process: a memfd that the service manager keeps for a daemon (daemon_store_fd()), so that
 * one that was killed goes on where it was. Several kinds of records, each of one size, in numbered slots; the file is
 * sparse and only used slots cost memory.
 *
 *      0  header: magic, version of the owner's records, size and number of the slots of each kind, which must all
 *         agree
 *   4096  per kind: the first copy of all its slots, then the second copy of all of them
 *         a copy: { generation:u64, checksum:u64, record }; generation 0: nothing is in it
 *
 * A change goes into the copy of the slot that is not the current one, and counts from the moment when its generation
 * is written, as the last word; the valid copy with the higher generation is what is in the slot. So whoever is killed
 * in the middle leaves the old record or the new one, never a mixture. Second copies cost memory where a slot was
 * ever changed.
 *
 * Same machine, same program: records are plain structs, and another version starts anew. What is read back passed the
 * checksum, and that is all: the owner checks it as if a stranger had written it.
 */

#include "basic/macro.h"

#define STATE_STORE_NO_SLOT UINT32_MAX
#define STATE_STORE_KINDS_MAX 8U
#define STATE_STORE_HEADER_BYTES 4096U
#define STATE_STORE_COPY_BYTES 16U      /* of a copy, in front of the record */

typedef struct StateStoreKind {
        uint32_t record_bytes;
        uint32_t capacity;              /* slots */
} StateStoreKind;

typedef struct StateStoreFormat {
        const char *name;               /* of the memfd, for people; not owned */
        uint32_t version;               /* of the records */
        uint32_t n_kinds;
        StateStoreKind kinds[STATE_STORE_KINDS_MAX];
} StateStoreFormat;

typedef struct StateStore StateStore;

int state_store_new(const StateStoreFormat *format, StateStore **ret);

/* Takes fd, also on failure. Returns: 0; -EBADMSG: not a store of this format; -ENOMEM and errors of mmap(). */
int state_store_open(const StateStoreFormat *format, int fd, StateStore **ret);

StateStore *state_store_free(StateStore *store);
DEFINE_CLEANUP(StateStore, state_store_free);

/* Stays the store's. */
int state_store_fd(const StateStore *store);

/* Writing to a store that is NULL does nothing. Returns: the slot; STATE_STORE_NO_SLOT: this kind is full, the record
 * will not survive. */
uint32_t state_store_put(StateStore *store, uint32_t kind, const void *record);
void state_store_update(StateStore *store, uint32_t kind, uint32_t slot, const void *record);
void state_store_remove(StateStore *store, uint32_t kind, uint32_t slot);

/* A copy of the record in a slot. Returns: 1; 0: there is none. */
int state_store_get(const StateStore *store, uint32_t kind, uint32_t slot, void *ret_record);
