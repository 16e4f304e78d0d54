/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What lookups found a moment ago, so that the flow request that follows a query costs no second lookup, and what we
 * have reason to doubt: an address that met no answer is tried after all others for a while, and does not count as an
 * answer to the next lookup. Small, and as small as it can be while there is nothing in it.
 */

#include "basic/time.h"
#include "services/ipcp-unicast/dht-message.h"

#define DHT_CACHE_RESULTS_MAX 256U
#define DHT_CACHE_DOUBTS_MAX 64U
#define DHT_CACHE_FOUND_USEC (5 * USEC_PER_SEC)
#define DHT_CACHE_MISSING_USEC (500 * USEC_PER_MSEC)    /* a name may be registered at any moment */
#define DHT_CACHE_DOUBT_USEC (30 * USEC_PER_SEC)

typedef struct DhtResult {
        uint8_t key[HASH_BYTES_MAX];
        usec_t until;
        size_t n_addresses;             /* 0: nobody serves it */
        uint64_t addresses[DHT_MESSAGE_VALUES_MAX];
} DhtResult;

typedef struct DhtDoubt {
        uint8_t key[HASH_BYTES_MAX];
        uint64_t address;
        usec_t until;
} DhtDoubt;

typedef struct DhtCache {
        size_t id_size;
        DhtResult *results;
        size_t n_results;
        DhtDoubt *doubts;
        size_t n_doubts;
} DhtCache;

void dht_cache_init(DhtCache *cache, size_t id_size);
void dht_cache_done(DhtCache *cache);

/* The result for the key as long as it counts, or NULL. */
const DhtResult *dht_cache_get(const DhtCache *cache, const uint8_t *key, usec_t now);

/* Without memory for it, it is not remembered. */
void dht_cache_put(DhtCache *cache, const uint8_t *key, const uint64_t *addresses, size_t n_addresses, usec_t now);
void dht_cache_forget(DhtCache *cache, const uint8_t *key);

void dht_cache_doubt(DhtCache *cache, const uint8_t *key, uint64_t address, usec_t now);

/* Puts the doubtful ones last. Returns how many others there are. */
size_t dht_cache_order(const DhtCache *cache, const uint8_t *key, uint64_t *addresses, size_t n, usec_t now);
