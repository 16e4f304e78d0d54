/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The directory: from the hash of a name to the addresses of the members that serve it, kept by all members together
 * in a Kademlia table. Pure: told messages and the time, it answers with messages and results.
 *
 *   dht-message.c   the wire (protobuf, docs/WIRE.md)
 *   dht-contact.c   who is there: buckets by distance, bounded, the dead evicted, the oldest asked before it gives way
 *   dht-store.c     what we keep for others: bounded per key and per sender, expiring
 *   dht-request.c   what was asked of whom: cookies, time-outs, limits
 *   dht-lookup.c    iterative search: the closest first, several in parallel, until nobody closer is left
 *   dht-cache.c     what was found a moment ago, and which of it met no answer
 *   directory.c     the object; directory-*.c (directory-internal.h) do what it does by itself: publication,
 *                   replication, refresh, the way in
 */

#include "basic/time.h"
#include "services/common/hash.h"
#include "services/common/histogram.h"

#define DIRECTORY_MESSAGE_BYTES_MAX 8192U       /* 20 contacts of 64-byte ids, 8 values */
#define DIRECTORY_ADDRESSES_MAX 8U              /* per name */
#define DIRECTORY_NAMES_MAX 16384U              /* own */
#define DIRECTORY_LOOKUPS_MAX 1024U             /* at once, the layer's own included */

typedef struct DirectoryConfig {
        uint64_t address;                       /* ours */
        unsigned address_bytes;                 /* addresses that need more are no members; 0: any */
        HashAlgorithm hash;
        uint8_t id[HASH_BYTES_MAX];             /* ours, random, as long as the hash */
        uint32_t alpha;                         /* asked in parallel */
        uint32_t k;                             /* contacts per bucket, copies per value */
        usec_t expire_usec;                     /* life of what we publish */
        usec_t refresh_usec;
        usec_t replicate_usec;
} DirectoryConfig;

typedef struct DirectoryEvents {
        /* A message to a member. Best effort. */
        void (*send)(void *userdata, uint64_t address, const uint8_t *message, size_t size);

        /* The end of a lookup: addresses in the order in which to try them, our own never among them. n_addresses 0:
         * nobody serves the name (error -ENOENT), or it could not be found out (-ENETUNREACH: nobody answered;
         * -EBUSY: too many lookups). */
        void (*found)(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses);

        /* 64 fresh random bits, for cookies. Returns: 0; < 0. */
        int (*random)(void *userdata, uint64_t *ret);

        /* UNIX time in seconds at now: expiry on the wire is absolute. */
        uint64_t (*unix_time)(void *userdata, usec_t now);
} DirectoryEvents;

typedef struct DirectoryStatistics {
        uint64_t received;
        uint64_t malformed;
        uint64_t unsolicited;                   /* answers to nothing that we asked */
        uint64_t refused;                       /* beyond a bound or a rate */
        uint64_t sent;
        uint64_t lookups;
        uint64_t lookups_failed;
        uint64_t lookup_rounds;                 /* of all lookups together: hops */
        Durations lookup_usec;                  /* of those that were answered, one way or the other */
        uint64_t stored;
        uint64_t evicted;                       /* contacts */
        size_t n_contacts;
        size_t n_entries;                       /* values that we keep for others */
        size_t n_names;                         /* own */
} DirectoryStatistics;

typedef struct DirectoryContact {
        uint8_t id[HASH_BYTES_MAX];
        uint64_t address;
        usec_t seen_usec;                       /* ago */
        unsigned n_failures;
        bool spare;                             /* waits for a place in its bucket */
} DirectoryContact;

typedef struct DirectoryEntry {
        uint8_t hash[HASH_BYTES_MAX];
        uint64_t addresses[DIRECTORY_ADDRESSES_MAX];
        size_t n_addresses;
        uint64_t expires;                       /* UNIX time in seconds, of the last */
        bool own;
} DirectoryEntry;

typedef struct Directory Directory;

int directory_new(const DirectoryConfig *config, const DirectoryEvents *events, void *userdata, usec_t now,
                  Directory **ret);
Directory *directory_free(Directory *d);
DEFINE_CLEANUP(Directory, directory_free);

/* A member that we know by other means, such as the one that enrolled us or a neighbour: a way in. Tried until it
 * answers, and again whenever there are no contacts. Address 0 is ignored. */
void directory_add_peer(Directory *d, uint64_t address, usec_t now);

/* Publishes a name of ours, now and for as long as it is registered. Returns: 0, also again; -EINVAL: not a hash of
 * this layer; -ENOSPC; -ENOMEM. */
int directory_register(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now);
void directory_unregister(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now);
bool directory_is_registered(const Directory *d, const uint8_t *hash, size_t hash_size);

/* Finds who serves a name; lookup is the caller's number. The answer is the event found, possibly from within, within
 * 800 ms even where members that are asked do not answer: an unfinished search then reports what it has, and goes on
 * for the next who asks. Recent results are remembered for a while, results that turned out bad are not
 * (directory_doubt()). */
void directory_lookup(Directory *d, uint64_t lookup, const uint8_t *hash, size_t hash_size, usec_t now);
void directory_cancel(Directory *d, uint64_t lookup);

/* A request to this address, found for this name, met no answer. */
void directory_doubt(Directory *d, const uint8_t *hash, size_t hash_size, uint64_t address, usec_t now);

/* A packet for EID_DIRECTORY. */
void directory_receive(Directory *d, const uint8_t *message, size_t size, usec_t now);

void directory_expire(Directory *d, usec_t now);
usec_t directory_next(const Directory *d);

/* -- to be looked at -- */

const DirectoryStatistics *directory_statistics(Directory *d);
void directory_reset_statistics(Directory *d);
bool directory_contact(const Directory *d, size_t i, usec_t now, DirectoryContact *ret);
bool directory_entry(const Directory *d, size_t i, usec_t now, DirectoryEntry *ret);

/* Looks everybody in need of it up again at once. */
void directory_refresh(Directory *d, usec_t now);
