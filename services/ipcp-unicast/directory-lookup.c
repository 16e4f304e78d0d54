/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs searches (dht-lookup.c) for others and for ourselves. Those who ask for a name wait for the search of its key,
 * of which there is one at a time. The first answer with an address that there is no reason to doubt ends it; without
 * one, the k closest members having answered does.
 */

#include "services/ipcp-unicast/directory-internal.h"

/* -- asking -- */

int directory_ask(Directory *d, DhtRequestKind kind, DhtCode code, uint64_t address, const uint8_t *key,
                  DhtLookup *lookup, usec_t now) {
        DhtMessage m = { .code = code, .source = d->own };
        DhtRequest *request;
        int r;

        r = directory_random(d, &m.cookie);
        if (r < 0)
                return r;

        r = dht_request_new(&d->requests, kind, m.cookie, address, key, now, &request);
        if (r < 0)
                return r;

        if (lookup)
                dht_request_set_lookup(&d->requests, request, lookup, &lookup->requests);

        memcpy(m.key, key, d->id_size);
        directory_send(d, address, &m);
        return 0;
}

/* -- those who wait -- */

static void waiter_free(Directory *d, DhtWaiter *waiter) {
        expiry_remove(&d->waiter_expiry, &waiter->expiry);
        list_unlink(&waiter->by_lookup);
        list_unlink(&waiter->by_directory);
        d->n_waiters--;
        free(waiter);
}

static int waiter_new(Directory *d, DhtLookup *lookup, uint64_t number, usec_t now) {
        DhtWaiter *waiter;
        int r;

        if (d->n_waiters >= DIRECTORY_WAITERS_MAX)
                return -EBUSY;

        waiter = malloc(sizeof(*waiter));
        if (!waiter)
                return -ENOMEM;

        *waiter = (DhtWaiter) { .lookup = lookup, .number = number, .since = now };
        list_append(&lookup->waiters, &waiter->by_lookup);
        list_append(&d->waiters, &waiter->by_directory);
        d->n_waiters++;

        r = expiry_set(&d->waiter_expiry, &waiter->expiry, usec_add(now, DIRECTORY_ANSWER_USEC));
        if (r < 0)
                waiter_free(d, waiter);

        return r;
}

static void report(Directory *d, uint64_t number, int error, const uint64_t *addresses, size_t n_addresses,
                   usec_t took_usec) {
        durations_add(&d->statistics.lookup_usec, took_usec);
        if (error < 0)
                d->statistics.lookups_failed++;

        d->events->found(d->userdata, number, error, addresses, n_addresses);
}

/* The best of what the lookup found. Returns how many. */
static size_t best_values(Directory *d, DhtLookup *lookup, usec_t now) {
        (void) dht_cache_order(&d->cache, lookup->key, lookup->values, lookup->n_values, now);

        return MIN(lookup->n_values, (size_t) DIRECTORY_ADDRESSES_MAX);
}

/* Tells one who waits what the lookup knows by now. */
static void waiter_report(Directory *d, DhtWaiter *waiter, usec_t now) {
        DhtLookup *lookup = waiter->lookup;
        size_t n = best_values(d, lookup, now);
        usec_t took_usec = usec_sub(now, waiter->since);
        uint64_t number = waiter->number;
        int error = 0;

        if (n == 0)
                error = lookup->n_answered > 0 ? -ENOENT : -ENETUNREACH;

        d->statistics.lookup_rounds += lookup->n_rounds;
        waiter_free(d, waiter);
        report(d, number, error, lookup->values, n, took_usec);
}

/* -- searches -- */

static bool is_maintenance(const DhtLookup *lookup) {
        return lookup->purpose != DHT_PURPOSE_RESOLVE;
}

static void lookup_free(Directory *d, DhtLookup *lookup) {
        DhtRequest *request, *next_request;
        DhtWaiter *waiter, *next_waiter;

        /* Answers that are still under way count as signs of life. */
        list_for_each_safe(request, next_request, &lookup->requests, by_lookup)
                dht_request_set_lookup(&d->requests, request, NULL, NULL);
        list_for_each_safe(waiter, next_waiter, &lookup->waiters, by_lookup)
                waiter_free(d, waiter);

        if (is_maintenance(lookup))
                d->n_maintenance--;
        else
                (void) map_remove(d->resolving, lookup->key, d->id_size);

        expiry_remove(&d->lookup_expiry, &lookup->expiry);
        list_unlink(&lookup->by_directory);
        d->n_lookups--;
        free(lookup);
}

static void resolved(Directory *d, DhtLookup *lookup, usec_t now) {
        size_t n = best_values(d, lookup, now);
        DhtWaiter *waiter;

        /* That nobody has it is known only where everybody close to it said so. */
        if (n > 0 || (lookup->n_answered > 0 && dht_lookup_is_complete(lookup)))
                dht_cache_put(&d->cache, lookup->key, lookup->values, n, now);

        while ((waiter = list_first(&lookup->waiters, DhtWaiter, by_lookup)))
                waiter_report(d, waiter, now);
}

static void lookup_finish(Directory *d, DhtLookup *lookup, usec_t now) {
        switch (lookup->purpose) {
        case DHT_PURPOSE_RESOLVE:
                resolved(d, lookup, now);
                break;
        case DHT_PURPOSE_BOOTSTRAP:
                directory_bootstrapped(d, lookup, now);
                break;
        case DHT_PURPOSE_PUBLISH:
                directory_published(d, lookup, now);
                break;
        case DHT_PURPOSE_REPLICATE:
                directory_replicated(d, lookup, now);
                break;
        case DHT_PURPOSE_REFRESH:       /* who answered is known by now */
        case _DHT_PURPOSE_MAX:
        case _DHT_PURPOSE_INVALID:
                break;
        }

        lookup_free(d, lookup);
}

/* Asks whom there is to ask, and ends the lookup where nobody is left. */
static void lookup_advance(Directory *d, DhtLookup *lookup, usec_t now) {
        DhtCode code = is_maintenance(lookup) ? DHT_FIND_NODE_REQUEST : DHT_FIND_VALUE_REQUEST;
        const DhtPeer *peer;

        while ((peer = dht_lookup_next(lookup))) {
                uint64_t address = peer->address;

                if (directory_ask(d, DHT_REQUEST_LOOKUP, code, address, lookup->key, lookup, now) < 0)
                        dht_lookup_failed(lookup, address);
        }

        if (dht_lookup_is_complete(lookup))
                lookup_finish(d, lookup, now);
}

/* Where a lookup begins: with the closest contacts, or with the ways in where there is none. Nothing is known of
 * these but the address, so they are taken for the closest there are. */
static void lookup_seed(Directory *d, DhtLookup *lookup) {
        DhtPeer closest[2 * DHT_K_MAX];
        size_t n;

        n = dht_contacts_closest(&d->contacts, lookup->key, false, 2 * d->contacts.k, closest);
        for (size_t i = 0; i < n; i++)
                dht_lookup_add(lookup, &closest[i], 0);

        if (n > 0 && lookup->purpose != DHT_PURPOSE_BOOTSTRAP)
                return;

        for (size_t i = 0; i < d->n_peers; i++) {
                DhtPeer peer = { .address = d->peers[i] };

                memcpy(peer.id, lookup->key, d->id_size);
                if (!dht_contacts_get(&d->contacts, peer.address))
                        dht_lookup_add(lookup, &peer, 0);
        }
}

static int lookup_new(Directory *d, DhtPurpose purpose, const uint8_t *key, usec_t now, DhtLookup **ret) {
        _cleanup_free_ DhtLookup *lookup = NULL;
        int r;

        if (d->n_lookups >= DIRECTORY_LOOKUPS_MAX)
                return -EBUSY;

        lookup = malloc(sizeof(*lookup));
        if (!lookup)
                return -ENOMEM;

        dht_lookup_init(lookup, purpose, key, d->id_size, d->config.alpha, d->config.k, d->own.address);
        if (!is_maintenance(lookup)) {
                r = map_put(d->resolving, lookup->key, d->id_size, lookup);
                if (r < 0)
                        return r;
        }

        r = expiry_set(&d->lookup_expiry, &lookup->expiry, usec_add(now, DHT_LOOKUP_LIFE_USEC));
        if (r < 0) {
                if (!is_maintenance(lookup))
                        (void) map_remove(d->resolving, lookup->key, d->id_size);
                return r;
        }

        list_append(&d->lookups, &lookup->by_directory);
        d->n_lookups++;
        d->n_maintenance += is_maintenance(lookup);
        dht_contacts_looked_up(&d->contacts, key, now);
        lookup_seed(d, lookup);
        *ret = TAKE_PTR(lookup);
        return 0;
}

int directory_search(Directory *d, DhtPurpose purpose, const uint8_t *key, usec_t now) {
        DhtLookup *lookup;
        int r;

        if (d->n_maintenance >= DIRECTORY_MAINTENANCE_MAX)
                return -EBUSY;

        r = lookup_new(d, purpose, key, now, &lookup);
        if (r < 0)
                return r;

        lookup_advance(d, lookup, now);
        return 0;
}

void directory_lookup_answered(Directory *d, DhtLookup *lookup, const DhtMessage *response, usec_t now) {
        /* The search goes on, so all values so far are doubtful: they must not keep better ones out. */
        lookup->n_values = MIN(lookup->n_values, (size_t) DHT_LOOKUP_VALUES_MAX - DHT_MESSAGE_VALUES_MAX);
        dht_lookup_answered(lookup, response);

        if (lookup->purpose == DHT_PURPOSE_RESOLVE &&
            dht_cache_order(&d->cache, lookup->key, lookup->values, lookup->n_values, now) > 0) {
                lookup_finish(d, lookup, now);
                return;
        }

        lookup_advance(d, lookup, now);
}

/* -- orders -- */

/* What needs no message: values kept here, then what was found a moment ago. */
static bool answer_at_once(Directory *d, uint64_t number, const uint8_t *hash, usec_t now) {
        uint64_t addresses[DIRECTORY_ADDRESSES_MAX];
        const DhtResult *result;
        size_t n;

        n = dht_store_values(&d->store, hash, now, ELEMENTSOF(addresses), addresses);
        if (dht_cache_order(&d->cache, hash, addresses, n, now) > 0) {
                report(d, number, 0, addresses, n, 0);
                return true;
        }

        result = dht_cache_get(&d->cache, hash, now);
        if (result && result->n_addresses == 0) {
                report(d, number, -ENOENT, NULL, 0, 0);
                return true;
        }
        if (result) {
                memcpy(addresses, result->addresses, result->n_addresses * sizeof(addresses[0]));
                if (dht_cache_order(&d->cache, hash, addresses, result->n_addresses, now) > 0) {
                        report(d, number, 0, addresses, result->n_addresses, 0);
                        return true;
                }
        }

        return false;
}

/* The values we keep are among the result, doubtful as they may be. */
static void add_kept_values(Directory *d, DhtLookup *lookup, usec_t now) {
        uint64_t values[DHT_STORE_KEY_VALUES_MAX];
        size_t n;

        n = dht_store_values(&d->store, lookup->key, now, ELEMENTSOF(values), values);
        for (size_t i = 0; i < n; i++)
                dht_lookup_add_value(lookup, values[i]);
}

void directory_lookup(Directory *d, uint64_t number, const uint8_t *hash, size_t hash_size, usec_t now) {
        DhtLookup *lookup;
        int r = 0;

        d->statistics.lookups++;
        if (!directory_key_is_valid(d, hash, hash_size)) {
                report(d, number, -ENOENT, NULL, 0, 0);
                return;
        }
        if (answer_at_once(d, number, hash, now))
                return;

        lookup = map_get(d->resolving, hash, hash_size);
        if (!lookup) {
                /* Alone: nobody else can have it. */
                if (d->contacts.n == 0 && d->n_peers == 0) {
                        report(d, number, -ENOENT, NULL, 0, 0);
                        return;
                }

                r = lookup_new(d, DHT_PURPOSE_RESOLVE, hash, now, &lookup);
                if (r >= 0)
                        add_kept_values(d, lookup, now);
        }
        if (r >= 0)
                r = waiter_new(d, lookup, number, now);
        if (r < 0) {
                report(d, number, -EBUSY, NULL, 0, 0);
                return;
        }

        lookup_advance(d, lookup, now);
}

void directory_cancel(Directory *d, uint64_t number) {
        DhtWaiter *waiter, *following;

        list_for_each_safe(waiter, following, &d->waiters, by_directory)
                if (waiter->number == number)
                        waiter_free(d, waiter);
}

void directory_doubt(Directory *d, const uint8_t *hash, size_t hash_size, uint64_t address, usec_t now) {
        if (directory_key_is_valid(d, hash, hash_size))
                dht_cache_doubt(&d->cache, hash, address, now);
}

/* -- time -- */

static void request_late(Directory *d, DhtRequest *request, usec_t now) {
        DhtLookup *lookup = request->lookup;
        uint64_t address = request->address;

        switch (request->state) {
        case DHT_REQUEST_SLOW:
                if (lookup)
                        dht_lookup_slow(lookup, address);
                break;
        case DHT_REQUEST_FAILED:
                if (lookup)
                        dht_lookup_failed(lookup, address);
                directory_unanswered(d, address, now);
                break;
        case DHT_REQUEST_OVER:
                dht_request_free(&d->requests, request);
                return;
        case DHT_REQUEST_SENT:
        case _DHT_REQUEST_STATE_MAX:
        case _DHT_REQUEST_STATE_INVALID:
                return;
        }

        if (lookup)
                lookup_advance(d, lookup, now);
}

void directory_lookups_expire(Directory *d, usec_t now) {
        DhtRequest *request;
        Expiry *expiry;

        while ((request = dht_requests_expire(&d->requests, now)))
                request_late(d, request, now);
        while ((expiry = expiry_pop(&d->waiter_expiry, now)))
                waiter_report(d, container_of(expiry, DhtWaiter, expiry), now);
        while ((expiry = expiry_pop(&d->lookup_expiry, now)))
                lookup_finish(d, container_of(expiry, DhtLookup, expiry), now);
}

void directory_lookups_done(Directory *d) {
        DhtLookup *lookup, *following;

        list_for_each_safe(lookup, following, &d->lookups, by_directory)
                lookup_free(d, lookup);

        expiry_done(&d->lookup_expiry);
        expiry_done(&d->waiter_expiry);
        d->resolving = map_free(d->resolving);
}
