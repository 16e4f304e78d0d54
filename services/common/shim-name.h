/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who serves a name: a cache from the name's hash to the address of a station, and the schedule of asking for it: three
 * queries within 600 ms, then "unknown". Answers count only while a query runs, so nobody fills the cache unasked. Who
 * was stopped himself when that time was over, as happens on a busy host, may have the answer in his socket, not yet
 * read: he waits once more.
 *
 * An entry expires SHIM_NAME_KEEP_USEC after it was last confirmed (an answer, a flow that came up). A host that
 * moved is followed: shim_name_doubt() after a request without an answer makes the next look-up ask again.
 */

#include "basic/list.h"
#include "basic/map.h"
#include "services/common/expiry.h"

#define SHIM_NAMES_MAX 4096U
#define SHIM_NAME_HASH_BYTES_MAX 64U
#define SHIM_NAME_ADDRESS_BYTES_MAX 28U         /* a socket address of IPv6 */
#define SHIM_NAME_QUERIES 3U
#define SHIM_NAME_INTERVAL_USEC (200 * USEC_PER_MSEC)
#define SHIM_NAME_STOPPED_USEC (50 * USEC_PER_MSEC)      /* so late only comes who was stopped */
#define SHIM_NAME_KEEP_USEC (60 * USEC_PER_SEC)

typedef enum ShimNameState {
        SHIM_NAME_ASKING,
        SHIM_NAME_KNOWN,
        SHIM_NAME_UNKNOWN,      /* nobody answered; the next look-up asks again */
} ShimNameState;

typedef struct ShimName {
        Expiry expiry;      /* the next query, or the end of the entry */
        ListNode by_use;        /* ShimNames.by_use, least recently looked up first */
        ShimNameState state;
        unsigned n_queries;     /* sent in this round */
        bool was_stopped;       /* we were, in this round, at its end */
        usec_t asked;           /* when the round began */
        size_t hash_size;
        uint8_t hash[SHIM_NAME_HASH_BYTES_MAX];
        size_t address_size;
        uint8_t address[SHIM_NAME_ADDRESS_BYTES_MAX];
} ShimName;

typedef enum ShimNameEvent {
        SHIM_NAME_NOTHING,      /* nothing more is due */
        SHIM_NAME_SEND,         /* send a query for this name */
        SHIM_NAME_GAVE_UP,      /* nobody answered; the entry lives until the next call */
} ShimNameEvent;

typedef struct ShimNames {
        Map *by_hash;
        List by_use;
        ExpiryHeap expiries;
} ShimNames;

int shim_names_init(ShimNames *names);
void shim_names_done(ShimNames *names);

/* Looks a name up and starts asking where that is needed; the first query is then due at once (shim_names_expire()).
 * Returns: 1: known, *ret is the entry; 0: being asked for; -ENOSPC: too many names are being asked for; -ENOMEM. */
int shim_name_look_up(ShimNames *names, const uint8_t *hash, size_t hash_size, usec_t now, const ShimName **ret);

/* An answer. Returns: 1: it ends a query, *ret is the entry; 0: confirms what we knew; -ENOENT: nobody asked;
 * -EEXIST: another address than the one we know, and nobody asked: ignored. */
int shim_name_answer(ShimNames *names, const uint8_t *hash, size_t hash_size, const void *address, size_t address_size,
                     usec_t now, const ShimName **ret);

/* A flow to this name came up at this address: the entry, if it says the same, lives on. */
void shim_name_confirm(ShimNames *names, const uint8_t *hash, size_t hash_size, const void *address,
                       size_t address_size, usec_t now);

/* A request to the address that we know was not answered: forget it, so that the next look-up asks again. */
void shim_name_doubt(ShimNames *names, const uint8_t *hash, size_t hash_size);

/* The network went away or changed: everything known is forgotten, queries under way go on. */
void shim_names_forget(ShimNames *names);

/* The next thing that is due, to be called until it says SHIM_NAME_NOTHING. */
ShimNameEvent shim_names_expire(ShimNames *names, usec_t now, const ShimName **ret);

usec_t shim_names_next(const ShimNames *names);
