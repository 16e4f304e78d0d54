/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What we keep for others: up to 8 addresses under a key, each until it expires. Anybody can send anything to be
 * kept, so everything has a limit: keys, values per key, values in all, and values per sender (senders share a fixed
 * number of counters, by a hash under a key of ours). A full key makes room only for what a member says of itself,
 * and only by giving up what was told by others.
 */

#include "basic/list.h"
#include "basic/map.h"
#include "basic/siphash.h"
#include "services/common/expiry.h"
#include "services/ipcp-unicast/dht-message.h"

#define DHT_STORE_KEYS_MAX 32768U
#define DHT_STORE_VALUES_MAX 65536U
#define DHT_STORE_SENDERS 256U
#define DHT_STORE_SENDER_VALUES_MAX 20480U      /* one member may have 16384 names */
#define DHT_STORE_KEY_VALUES_MAX DHT_MESSAGE_VALUES_MAX

typedef struct DhtValue {
        uint64_t address;
        usec_t expires_usec;            /* when we forget it */
        uint32_t expires;               /* the same as it was told: UNIX time in seconds; passed on unchanged */
        uint8_t sender;                 /* its counter */
        bool first_hand;                /* the sender gave this address as its own */
} DhtValue;

typedef struct DhtEntry {
        Expiry expiry;                  /* the first value's end, or replication */
        ListNode by_store;
        usec_t replicate_usec;          /* when it is due; USEC_INFINITY: others see to that */
        unsigned n_values;
        DhtValue values[DHT_STORE_KEY_VALUES_MAX];
        uint8_t key[];                  /* id_size bytes */
} DhtEntry;

typedef struct DhtStore {
        size_t id_size;
        uint8_t hash_key[SIPHASH_KEY_BYTES];
        Map *by_key;
        List entries;                   /* DhtEntry.by_store, oldest first */
        ExpiryHeap expiry;
        size_t n_values;
        uint32_t n_by_sender[DHT_STORE_SENDERS];
} DhtStore;

/* hash_key: random. Returns: 0; -ENOMEM; an error of the source of randomness. */
int dht_store_init(DhtStore *store, size_t id_size, const uint8_t hash_key[SIPHASH_KEY_BYTES]);
void dht_store_done(DhtStore *store);

/* Keeps a value, or extends its life; replication of the key is due at replicate_usec, since whoever sent this has
 * just seen to it. Returns: 1: new; 0: known; -ENOSPC: beyond a limit; -ENOMEM. */
int dht_store_put(DhtStore *store, const uint8_t *key, const DhtMessage *message, usec_t expires_usec,
                  usec_t replicate_usec);

DhtEntry *dht_store_get(const DhtStore *store, const uint8_t *key);

/* The addresses kept under the key at now, those that members gave as their own first, at most max. Returns how
 * many. */
size_t dht_store_values(const DhtStore *store, const uint8_t *key, usec_t now, size_t max, uint64_t *ret);

/* Whether this address is kept under the key. */
bool dht_store_has(const DhtStore *store, const uint8_t *key, uint64_t address);

/* Forgets one value, and the key with its last one. */
void dht_store_remove(DhtStore *store, const uint8_t *key, uint64_t address);

/* Sets when replication of the entry is due. */
void dht_store_schedule(DhtStore *store, DhtEntry *entry, usec_t replicate_usec);

/* Forgets what expired. Returns an entry whose replication is due, no longer scheduled; NULL: no more. */
DhtEntry *dht_store_pop(DhtStore *store, usec_t now);

usec_t dht_store_next(const DhtStore *store);
