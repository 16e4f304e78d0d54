/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An entry waits in the heap for what comes first, the end of one of its values or its replication. */

#include "services/ipcp-unicast/dht-store.h"

int dht_store_init(DhtStore *store, size_t id_size, const uint8_t hash_key[SIPHASH_KEY_BYTES]) {
        *store = (DhtStore) { .id_size = id_size };
        memcpy(store->hash_key, hash_key, SIPHASH_KEY_BYTES);
        list_init(&store->entries);

        return map_new(&store->by_key);
}

static void value_remove(DhtStore *store, DhtEntry *entry, unsigned i) {
        store->n_by_sender[entry->values[i].sender]--;
        store->n_values--;
        entry->values[i] = entry->values[--entry->n_values];
}

static void entry_free(DhtStore *store, DhtEntry *entry) {
        while (entry->n_values > 0)
                value_remove(store, entry, 0);

        (void) map_remove(store->by_key, entry->key, store->id_size);
        expiry_remove(&store->expiry, &entry->expiry);
        list_unlink(&entry->by_store);
        free(entry);
}

void dht_store_done(DhtStore *store) {
        DhtEntry *entry, *following;

        if (!store->by_key)
                return;

        list_for_each_safe(entry, following, &store->entries, by_store)
                entry_free(store, entry);

        expiry_done(&store->expiry);
        store->by_key = map_free(store->by_key);
}

DhtEntry *dht_store_get(const DhtStore *store, const uint8_t *key) {
        return map_get(store->by_key, key, store->id_size);
}

static DhtValue *entry_value(DhtEntry *entry, uint64_t address) {
        for (unsigned i = 0; i < entry->n_values; i++)
                if (entry->values[i].address == address)
                        return &entry->values[i];

        return NULL;
}

bool dht_store_has(const DhtStore *store, const uint8_t *key, uint64_t address) {
        DhtEntry *entry = dht_store_get(store, key);

        return entry && entry_value(entry, address);
}

static size_t collect(const DhtEntry *entry, bool first_hand, usec_t now, size_t max, uint64_t *ret) {
        size_t n = 0;

        for (unsigned i = 0; i < entry->n_values && n < max; i++)
                if (entry->values[i].first_hand == first_hand && entry->values[i].expires_usec > now)
                        ret[n++] = entry->values[i].address;

        return n;
}

size_t dht_store_values(const DhtStore *store, const uint8_t *key, usec_t now, size_t max, uint64_t *ret) {
        const DhtEntry *entry = dht_store_get(store, key);
        size_t n;

        if (!entry)
                return 0;

        n = collect(entry, true, now, max, ret);
        return n + collect(entry, false, now, max - n, ret + n);
}

static int entry_arm(DhtStore *store, DhtEntry *entry) {
        usec_t when = entry->replicate_usec;

        for (unsigned i = 0; i < entry->n_values; i++)
                when = MIN(when, entry->values[i].expires_usec);

        return expiry_set(&store->expiry, &entry->expiry, when);
}

void dht_store_schedule(DhtStore *store, DhtEntry *entry, usec_t replicate_usec) {
        entry->replicate_usec = replicate_usec;

        /* Out of memory for its time it could stay for ever. */
        if (entry_arm(store, entry) < 0)
                entry_free(store, entry);
}

static int entry_new(DhtStore *store, const uint8_t *key, DhtEntry **ret) {
        _cleanup_free_ DhtEntry *entry = NULL;
        int r;

        if (map_size(store->by_key) >= DHT_STORE_KEYS_MAX)
                return -ENOSPC;

        entry = malloc(sizeof(*entry) + store->id_size);
        if (!entry)
                return -ENOMEM;

        *entry = (DhtEntry) { .replicate_usec = USEC_INFINITY };
        memcpy(entry->key, key, store->id_size);

        r = map_put(store->by_key, entry->key, store->id_size, entry);
        if (r < 0)
                return r;

        list_append(&store->entries, &entry->by_store);
        *ret = TAKE_PTR(entry);
        return 0;
}

/* A place under a full key: what a member says of itself goes before what others say. */
static bool make_room(DhtStore *store, DhtEntry *entry, bool first_hand) {
        if (entry->n_values < DHT_STORE_KEY_VALUES_MAX)
                return true;

        for (unsigned i = 0; i < entry->n_values && first_hand; i++)
                if (!entry->values[i].first_hand) {
                        value_remove(store, entry, i);
                        return true;
                }

        return false;
}

static int value_add(DhtStore *store, DhtEntry *entry, const DhtMessage *message, usec_t expires_usec) {
        uint8_t sender =
                (uint8_t) (siphash24(store->hash_key, &message->source.address, sizeof(message->source.address)) %
                           DHT_STORE_SENDERS);
        bool first_hand = message->value == message->source.address;

        if (store->n_by_sender[sender] >= DHT_STORE_SENDER_VALUES_MAX || store->n_values >= DHT_STORE_VALUES_MAX ||
            !make_room(store, entry, first_hand))
                return -ENOSPC;

        store->n_by_sender[sender]++;
        store->n_values++;
        entry->values[entry->n_values++] = (DhtValue) {
                .address = message->value,
                .expires = message->expires,
                .expires_usec = expires_usec,
                .sender = sender,
                .first_hand = first_hand,
        };
        return 1;
}

int dht_store_put(DhtStore *store, const uint8_t *key, const DhtMessage *message, usec_t expires_usec,
                  usec_t replicate_usec) {
        DhtEntry *entry;
        DhtValue *value;
        int r = 0, q;

        entry = dht_store_get(store, key);
        if (!entry) {
                r = entry_new(store, key, &entry);
                if (r < 0)
                        return r;
        }

        value = entry_value(entry, message->value);
        if (!value)
                r = value_add(store, entry, message, expires_usec);
        else {
                /* Later extends; nobody can shorten, since nobody shows who he is. */
                if (expires_usec > value->expires_usec) {
                        value->expires_usec = expires_usec;
                        value->expires = message->expires;
                }
                value->first_hand = value->first_hand || message->value == message->source.address;
        }

        if (entry->n_values == 0) {
                entry_free(store, entry);
                return r;
        }

        entry->replicate_usec = replicate_usec;
        q = entry_arm(store, entry);
        if (q < 0) {
                entry_free(store, entry);
                return q;
        }

        return r;
}

void dht_store_remove(DhtStore *store, const uint8_t *key, uint64_t address) {
        DhtEntry *entry = dht_store_get(store, key);

        if (!entry)
                return;

        for (unsigned i = 0; i < entry->n_values; i++)
                if (entry->values[i].address == address) {
                        value_remove(store, entry, i);
                        break;
                }

        if (entry->n_values == 0)
                entry_free(store, entry);
}

DhtEntry *dht_store_pop(DhtStore *store, usec_t now) {
        Expiry *expiry;

        while ((expiry = expiry_pop(&store->expiry, now))) {
                DhtEntry *entry = container_of(expiry, DhtEntry, expiry);
                bool due = entry->replicate_usec <= now;

                for (unsigned i = 0; i < entry->n_values;)
                        if (entry->values[i].expires_usec <= now)
                                value_remove(store, entry, i);
                        else
                                i++;

                if (entry->n_values == 0) {
                        entry_free(store, entry);
                        continue;
                }

                dht_store_schedule(store, entry, due ? USEC_INFINITY : entry->replicate_usec);
                if (due)
                        return entry;
        }

        return NULL;
}

usec_t dht_store_next(const DhtStore *store) {
        return expiry_next(&store->expiry);
}
