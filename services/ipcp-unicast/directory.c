/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The object: life, time, and what can be looked at. directory-internal.h says which file does the rest. */

#include "services/ipcp-unicast/directory-internal.h"

/* -- what all files use -- */

void directory_send(Directory *d, uint64_t address, const DhtMessage *message) {
        uint8_t bytes[DHT_MESSAGE_SEND_BYTES_MAX];
        ssize_t size;

        size = dht_message_pack(message, d->id_size, bytes, sizeof(bytes));
        if (size < 0)
                return;

        d->statistics.sent++;
        d->events->send(d->userdata, address, bytes, (size_t) size);
}

int directory_random(Directory *d, uint64_t *ret) {
        return d->events->random(d->userdata, ret);
}

usec_t directory_jitter(Directory *d, usec_t usec) {
        uint64_t random;

        if (usec < 4 || directory_random(d, &random) < 0)
                return usec;

        return usec - random % (usec / 4);
}

bool directory_address_is_valid(const Directory *d, uint64_t address) {
        unsigned bytes = d->config.address_bytes;

        return address != 0 && address != d->own.address && (bytes == 0 || bytes >= 8 || address >> 8 * bytes == 0);
}

bool directory_key_is_valid(const Directory *d, const uint8_t *hash, size_t hash_size) {
        return hash && hash_size == d->id_size;
}

/* -- life -- */

static int directory_init(Directory *d) {
        uint8_t key[SIPHASH_KEY_BYTES];
        int r;

        for (size_t i = 0; i < sizeof(key); i += sizeof(uint64_t)) {
                uint64_t random;

                r = directory_random(d, &random);
                if (r < 0)
                        return r;
                memcpy(key + i, &random, sizeof(random));
        }

        limit_init(&d->limit, key, DIRECTORY_SENDER_RATE, DIRECTORY_SENDER_BURST, DIRECTORY_TOTAL_RATE,
                   DIRECTORY_TOTAL_BURST);
        dht_contacts_init(&d->contacts, &d->own, d->id_size, d->config.k);
        dht_cache_init(&d->cache, d->id_size);

        r = dht_requests_init(&d->requests, d->id_size);
        if (r < 0)
                return r;
        r = dht_store_init(&d->store, d->id_size, key);
        if (r < 0)
                return r;
        r = map_new(&d->resolving);
        if (r < 0)
                return r;

        return map_new(&d->names);
}

int directory_new(const DirectoryConfig *config, const DirectoryEvents *events, void *userdata, usec_t now,
                  Directory **ret) {
        _cleanup_(directory_freep) Directory *d = NULL;
        size_t id_size = hash_size(config->hash);
        int r;

        if (config->address == 0 || id_size == 0 || id_size > HASH_BYTES_MAX || config->expire_usec == 0 ||
            config->refresh_usec == 0 || config->replicate_usec == 0)
                return -EINVAL;

        d = malloc(sizeof(*d));
        if (!d)
                return -ENOMEM;

        *d = (Directory) {
                .config = *config,
                .id_size = id_size,
                .own.address = config->address,
                .events = events,
                .userdata = userdata,
                .bootstrap_usec = USEC_INFINITY,
                .tick_usec = USEC_INFINITY,
                .self_usec = USEC_INFINITY,
                .ping_usec = now,
        };
        memcpy(d->own.id, config->id, id_size);
        d->config.alpha = CLAMP(config->alpha, 1U, 10U);
        d->config.k = CLAMP(config->k, 1U, DHT_K_MAX);
        list_init(&d->lookups);
        list_init(&d->waiters);
        list_init(&d->name_list);

        r = directory_init(d);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

Directory *directory_free(Directory *d) {
        if (!d)
                return NULL;

        directory_lookups_done(d);
        directory_names_done(d);
        dht_requests_done(&d->requests);
        dht_store_done(&d->store);
        dht_cache_done(&d->cache);
        dht_contacts_done(&d->contacts);
        return mfree(d);
}

/* -- time -- */

void directory_expire(Directory *d, usec_t now) {
        directory_lookups_expire(d, now);
        directory_publish_expire(d, now);
        directory_maintain(d, now);
}

usec_t directory_next(const Directory *d) {
        usec_t next = MIN(d->bootstrap_usec, d->tick_usec);

        next = MIN(next, dht_requests_next(&d->requests));
        next = MIN(next, dht_store_next(&d->store));
        next = MIN(next, expiry_next(&d->lookup_expiry));
        next = MIN(next, expiry_next(&d->waiter_expiry));
        return MIN(next, expiry_next(&d->name_expiry));
}

/* -- to be looked at -- */

const DirectoryStatistics *directory_statistics(Directory *d) {
        d->statistics.evicted = d->contacts.n_evicted;
        d->statistics.n_contacts = d->contacts.n;
        d->statistics.n_entries = d->store.n_values;
        d->statistics.n_names = map_size(d->names);
        return &d->statistics;
}

void directory_reset_statistics(Directory *d) {
        d->statistics = (DirectoryStatistics) {};
        d->contacts.n_evicted = 0;
}

bool directory_contact(const Directory *d, size_t i, usec_t now, DirectoryContact *ret) {
        const DhtContact *c;

        if (i >= d->contacts.n)
                return false;

        c = &d->contacts.contacts[i];
        *ret = (DirectoryContact) {
                .address = c->peer.address,
                .seen_usec = usec_sub(now, c->seen_usec),
                .n_failures = c->n_failures,
                .spare = c->spare,
        };
        memcpy(ret->id, c->peer.id, sizeof(ret->id));
        return true;
}

static void describe_name(const Directory *d, const DirectoryName *name, usec_t now, DirectoryEntry *ret) {
        *ret = (DirectoryEntry) {
                .addresses = { d->own.address },
                .n_addresses = 1,
                .expires = d->events->unix_time(d->userdata, now) + d->config.expire_usec / USEC_PER_SEC,
                .own = true,
        };
        memcpy(ret->hash, name->hash, d->id_size);
}

static void describe_entry(const Directory *d, const DhtEntry *entry, DirectoryEntry *ret) {
        *ret = (DirectoryEntry) {};
        for (unsigned i = 0; i < entry->n_values && i < DIRECTORY_ADDRESSES_MAX; i++) {
                ret->addresses[ret->n_addresses++] = entry->values[i].address;
                ret->expires = MAX(ret->expires, (uint64_t) entry->values[i].expires);
        }
        memcpy(ret->hash, entry->key, d->id_size);
}

/* Own names come first. A walk over the list for each: a person looks, or a page of a list is filled. */
bool directory_entry(const Directory *d, size_t i, usec_t now, DirectoryEntry *ret) {
        const DirectoryName *name;
        const DhtEntry *entry;

        if (i < map_size(d->names)) {
                list_for_each(name, &d->name_list, by_directory)
                        if (i-- == 0) {
                                describe_name(d, name, now, ret);
                                return true;
                        }
                return false;
        }

        i -= map_size(d->names);
        if (i >= map_size(d->store.by_key))
                return false;

        list_for_each(entry, &d->store.entries, by_store)
                if (i-- == 0) {
                        describe_entry(d, entry, ret);
                        return true;
                }

        return false;
}
