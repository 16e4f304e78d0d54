/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who keeps what. The owner of a name looks its key up and sends a STORE to the k closest that answered: at once,
 * soon after that (a STORE has no answer, and may be lost), then regularly, and whenever a newcomer belongs to the
 * closest. A member that keeps a value for others sees to it only where the owner did not, and passes it on with the
 * end of life it came with.
 *
 * There is no message to delete a value. A STORE that is over before it begins (DHT_WITHDRAWN) is refused by members
 * that do not know better; ours take it from the address that it is about as a hint, and ask that address whether it
 * still serves the name.
 */

#include "services/ipcp-unicast/directory-internal.h"

#define PUBLISH_STEP_USEC (4 * USEC_PER_MSEC)   /* 250 names a second, so that thousands of them are no flood */
#define PUBLISH_BURST 50U
#define PUBLISH_BUSY_USEC (100 * USEC_PER_MSEC)
#define PUBLISH_AGAIN_USEC USEC_PER_SEC         /* the second time; then four times that, and so on */
#define PUBLISH_NEWCOMER_USEC (20 * USEC_PER_MSEC)      /* those who come together are served together */
#define NEWCOMER_NAMES_MAX 4096U                /* looked at for one; the others follow when they are due */
#define DHT_WITHDRAWN 1U                        /* a second after the epoch */

/* -- pace -- */

/* The next moment at which something may be published. */
static usec_t publish_slot(Directory *d, usec_t now) {
        usec_t slot = MAX(d->publish_usec, usec_sub(now, PUBLISH_BURST * PUBLISH_STEP_USEC));

        d->publish_usec = slot + PUBLISH_STEP_USEC;
        return MAX(slot, now);
}

/* How often others hear of a name follows from how long ago it was new. */
static usec_t publish_interval(Directory *d, const DirectoryName *name) {
        usec_t interval = MIN(d->config.replicate_usec, d->config.expire_usec / 3), soon = PUBLISH_AGAIN_USEC;

        if (name->n_published < 8)
                interval = MIN(interval, soon << 2 * name->n_published);

        return directory_jitter(d, interval);
}

/* Out of memory for its time, a name is published when the next newcomer comes. */
static void name_schedule(Directory *d, DirectoryName *name, usec_t when) {
        (void) expiry_set(&d->name_expiry, &name->expiry, when);
}

/* -- STORE -- */

static void send_store(Directory *d, uint64_t address, const uint8_t *key, uint64_t value, uint32_t expires) {
        DhtMessage m = { .code = DHT_STORE, .source = d->own, .value = value, .expires = expires };

        memcpy(m.key, key, d->id_size);
        directory_send(d, address, &m);
}

static uint32_t unix_seconds(Directory *d, usec_t now) {
        return (uint32_t) MIN(d->events->unix_time(d->userdata, now), (uint64_t) UINT32_MAX);
}

static uint32_t own_expiry(Directory *d, usec_t now) {
        return (uint32_t) MIN(unix_seconds(d, now) + d->config.expire_usec / USEC_PER_SEC, (uint64_t) UINT32_MAX);
}

/* A name is withdrawn: the address that it is about says so, and is asked whether it does. */
static void hear_withdrawal(Directory *d, const DhtMessage *m, usec_t now) {
        if (m->value != m->source.address || !dht_store_has(&d->store, m->key, m->value)) {
                d->statistics.refused++;
                return;
        }

        (void) directory_ask(d, DHT_REQUEST_CONFIRM, DHT_FIND_VALUE_REQUEST, m->value, m->key, NULL, now);
}

void directory_keep(Directory *d, const DhtMessage *message, usec_t now) {
        uint64_t unix_now = unix_seconds(d, now);
        uint64_t latest = unix_now + d->config.expire_usec / USEC_PER_SEC;
        DhtMessage m = *message;
        usec_t replicate;
        int r;

        if (!directory_address_is_valid(d, m.value)) {
                d->statistics.refused += m.value != d->own.address;     /* our own names we know best */
                return;
        }
        if (m.expires <= unix_now) {
                hear_withdrawal(d, &m, now);
                return;
        }

        m.expires = (uint32_t) MIN((uint64_t) m.expires, MIN(latest, (uint64_t) UINT32_MAX));

        /* After the owner would have published again: we are there for when it does not. */
        replicate = usec_add(now, 2 * d->config.replicate_usec - directory_jitter(d, d->config.replicate_usec));
        r = dht_store_put(&d->store, m.key, &m, usec_add(now, (m.expires - unix_now) * USEC_PER_SEC), replicate);
        if (r < 0)
                d->statistics.refused++;
        if (r > 0)
                d->statistics.stored++;
}

/* -- own names -- */

/* Whether it is this name's turn; otherwise it waits for that. */
static bool is_turn(Directory *d, DirectoryName *name, usec_t now) {
        usec_t slot = now;

        if (!name->has_slot)
                slot = publish_slot(d, now);

        name->has_slot = slot > now;
        if (name->has_slot)
                name_schedule(d, name, slot);

        return !name->has_slot;
}

static void publish(Directory *d, DirectoryName *name, usec_t now) {
        uint8_t key[HASH_BYTES_MAX];

        if (d->contacts.n == 0 || !is_turn(d, name, now))
                return;                         /* alone: the first newcomer hears of it */

        /* The lookup may end from within, and finds the name by its key. */
        memcpy(key, name->hash, d->id_size);
        name->publishing = true;
        if (directory_search(d, DHT_PURPOSE_PUBLISH, key, now) < 0) {
                name->publishing = false;
                name_schedule(d, name, now + PUBLISH_BUSY_USEC);
        }
}

/* Who has the value, so that it can be withdrawn: the last ones we gave it to. */
static void remember_keeper(DirectoryName *name, uint64_t address) {
        for (unsigned i = 0; i < name->n_keepers; i++)
                if (name->keepers[i] == address)
                        return;

        if (name->n_keepers == DIRECTORY_KEEPERS_MAX) {
                memmove(name->keepers, name->keepers + 1, (DIRECTORY_KEEPERS_MAX - 1) * sizeof(name->keepers[0]));
                name->n_keepers--;
        }
        name->keepers[name->n_keepers++] = address;
}

void directory_published(Directory *d, const DhtLookup *lookup, usec_t now) {
        DirectoryName *name = map_get(d->names, lookup->key, d->id_size);
        DhtPeer closest[DHT_K_MAX];
        size_t n;

        if (!name)
                return;

        n = dht_lookup_closest(lookup, closest);
        for (size_t i = 0; i < n; i++) {
                send_store(d, closest[i].address, lookup->key, d->own.address, own_expiry(d, now));
                remember_keeper(name, closest[i].address);
        }

        name->publishing = false;
        name_schedule(d, name, usec_add(now, publish_interval(d, name)));
        if (n > 0 && name->n_published < UINT8_MAX)
                name->n_published++;
}

static void name_free(Directory *d, DirectoryName *name) {
        (void) map_remove(d->names, name->hash, d->id_size);
        expiry_remove(&d->name_expiry, &name->expiry);
        list_unlink(&name->by_directory);
        free(name);
}

int directory_register(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now) {
        _cleanup_free_ DirectoryName *name = NULL;
        int r;

        if (!directory_key_is_valid(d, hash, hash_size))
                return -EINVAL;
        if (map_get(d->names, hash, hash_size))
                return 0;
        if (map_size(d->names) >= DIRECTORY_NAMES_MAX)
                return -ENOSPC;

        name = malloc(sizeof(*name) + hash_size);
        if (!name)
                return -ENOMEM;

        *name = (DirectoryName) {};
        memcpy(name->hash, hash, hash_size);
        r = expiry_set(&d->name_expiry, &name->expiry, now);
        if (r < 0)
                return r;

        r = map_put(d->names, name->hash, hash_size, name);
        if (r < 0) {
                expiry_remove(&d->name_expiry, &name->expiry);
                return r;
        }

        list_append(&d->name_list, &name->by_directory);
        TAKE_PTR(name);
        directory_publish_expire(d, now);
        return 0;
}

void directory_unregister(Directory *d, const uint8_t *hash, size_t hash_size, usec_t now) {
        DirectoryName *name;

        name = directory_key_is_valid(d, hash, hash_size) ? map_get(d->names, hash, hash_size) : NULL;
        if (!name)
                return;

        /* Best effort: where it is not heard, the value ends by itself. They will ask whether it is so: it must be by
         * then. */
        (void) map_remove(d->names, name->hash, d->id_size);
        for (unsigned i = 0; i < name->n_keepers; i++)
                send_store(d, name->keepers[i], name->hash, d->own.address, DHT_WITHDRAWN);

        name_free(d, name);
}

bool directory_is_registered(const Directory *d, const uint8_t *hash, size_t hash_size) {
        return directory_key_is_valid(d, hash, hash_size) && map_get(d->names, hash, hash_size);
}

void directory_names_done(Directory *d) {
        DirectoryName *name, *following;

        list_for_each_safe(name, following, &d->name_list, by_directory)
                name_free(d, name);

        expiry_done(&d->name_expiry);
        d->names = map_free(d->names);
}

/* -- what we keep for others -- */

static void replicate(Directory *d, DhtEntry *entry, usec_t now) {
        uint8_t key[HASH_BYTES_MAX];

        memcpy(key, entry->key, d->id_size);
        if (directory_search(d, DHT_PURPOSE_REPLICATE, key, now) < 0)
                dht_store_schedule(&d->store, entry, now + PUBLISH_AGAIN_USEC);
}

/* Whether k members that are there are all closer to the key than we are. */
static bool others_are_closer(const Directory *d, const uint8_t *key, const DhtPeer *closest, size_t n) {
        return n >= d->contacts.k && dht_distance_compare(key, closest[n - 1].id, d->own.id, d->id_size) < 0;
}

void directory_replicated(Directory *d, const DhtLookup *lookup, usec_t now) {
        DhtEntry *entry = dht_store_get(&d->store, lookup->key);
        DhtPeer closest[DHT_K_MAX];
        size_t n;

        if (!entry)
                return;

        n = dht_lookup_closest(lookup, closest);
        for (unsigned i = 0; i < entry->n_values; i++)
                for (size_t j = 0; j < n; j++)
                        if (closest[j].address != entry->values[i].address)
                                send_store(d, closest[j].address, entry->key, entry->values[i].address,
                                           entry->values[i].expires);

        /* From now on it is theirs to see to, until somebody tells us of it again. */
        if (others_are_closer(d, lookup->key, closest, n))
                dht_store_schedule(&d->store, entry, USEC_INFINITY);
        else
                dht_store_schedule(&d->store, entry, usec_add(now, directory_jitter(d, d->config.replicate_usec)));
}

/* -- newcomers -- */

static bool is_among_closest(const Directory *d, const uint8_t *key, const DhtPeer *peer) {
        return dht_contacts_closer(&d->contacts, key, peer->id, d->contacts.k) < d->contacts.k;
}

/* Of those who keep a value only the closest passes it on. */
static bool is_ours_to_pass_on(const Directory *d, const uint8_t *key, const DhtPeer *newcomer) {
        size_t n = dht_contacts_closer(&d->contacts, key, d->own.id, 2);

        return n == 0 || (n == 1 && dht_distance_compare(key, newcomer->id, d->own.id, d->id_size) < 0);
}

static void hasten_name(Directory *d, DirectoryName *name, usec_t now) {
        if (name->publishing || name->has_slot ||
            (name->expiry.index > 0 && name->expiry.when <= now + PUBLISH_AGAIN_USEC))
                return;

        name->n_published = MIN(name->n_published, 1U);
        name_schedule(d, name, now + PUBLISH_NEWCOMER_USEC);
}

void directory_newcomer(Directory *d, const DhtPeer *peer, usec_t now) {
        DhtEntry *entry, *following;
        DirectoryName *name;
        unsigned n = 0;

        list_for_each(name, &d->name_list, by_directory) {
                if (n++ >= NEWCOMER_NAMES_MAX)
                        break;
                if (is_among_closest(d, name->hash, peer))
                        hasten_name(d, name, now);
        }

        n = 0;
        list_for_each_safe(entry, following, &d->store.entries, by_store) {
                if (n++ >= NEWCOMER_NAMES_MAX)
                        break;
                if (entry->replicate_usec > usec_add(now, 2 * PUBLISH_AGAIN_USEC) &&
                    is_ours_to_pass_on(d, entry->key, peer) && is_among_closest(d, entry->key, peer))
                        dht_store_schedule(&d->store, entry, now + PUBLISH_AGAIN_USEC + n * PUBLISH_STEP_USEC);
        }
}

void directory_publish_all(Directory *d, usec_t now) {
        DirectoryName *name;

        list_for_each(name, &d->name_list, by_directory)
                if (!name->publishing && !name->has_slot)
                        name_schedule(d, name, now);
}

void directory_publish_expire(Directory *d, usec_t now) {
        DhtEntry *entry;
        Expiry *expiry;

        while ((expiry = expiry_pop(&d->name_expiry, now)))
                publish(d, container_of(expiry, DirectoryName, expiry), now);

        while ((entry = dht_store_pop(&d->store, now)))
                replicate(d, entry, now);
}
