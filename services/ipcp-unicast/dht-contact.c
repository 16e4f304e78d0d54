/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One array for all contacts: there are about k times the logarithm of the number of members, and every question (by
 * address, by distance) is a walk over it that costs less than the protobuf message that asks.
 */

#include "services/ipcp-unicast/dht-contact.h"

#define CONTACTS_STEP 16U               /* thousands of these tables live in one o7s-sim: grow by little */

/* -- distance -- */

size_t dht_common_bits(const uint8_t *a, const uint8_t *b, size_t id_size) {
        for (size_t i = 0; i < id_size; i++)
                if (a[i] != b[i])
                        return i * 8 + (size_t) __builtin_clz((unsigned) (a[i] ^ b[i])) - (sizeof(unsigned) - 1) * 8;

        return id_size * 8;
}

int dht_distance_compare(const uint8_t *key, const uint8_t *a, const uint8_t *b, size_t id_size) {
        for (size_t i = 0; i < id_size; i++)
                if (a[i] != b[i])
                        return (a[i] ^ key[i]) < (b[i] ^ key[i]) ? -1 : 1;

        return 0;
}

/* -- the table -- */

void dht_contacts_init(DhtContacts *contacts, const DhtPeer *own, size_t id_size, unsigned k) {
        *contacts = (DhtContacts) {
                .own = *own,
                .id_size = id_size,
                .k = CLAMP(k, 1U, DHT_K_MAX),
        };
}

void dht_contacts_done(DhtContacts *contacts) {
        free(contacts->contacts);
        free(contacts->buckets);
        *contacts = (DhtContacts) {};
}

DhtContact *dht_contacts_get(const DhtContacts *contacts, uint64_t address) {
        for (size_t i = 0; i < contacts->n; i++)
                if (contacts->contacts[i].peer.address == address)
                        return &contacts->contacts[i];

        return NULL;
}

static DhtContact *get_by_id(const DhtContacts *contacts, const uint8_t *id) {
        for (size_t i = 0; i < contacts->n; i++)
                if (memcmp(contacts->contacts[i].peer.id, id, contacts->id_size) == 0)
                        return &contacts->contacts[i];

        return NULL;
}

/* The longest waiting spare gets the place that became free. */
static void promote_spare(DhtContacts *contacts, uint16_t bucket) {
        DhtContact *best = NULL;

        for (size_t i = 0; i < contacts->n; i++) {
                DhtContact *c = &contacts->contacts[i];

                if (c->bucket != bucket || !c->spare)
                        continue;
                if (!best || c->verified > best->verified ||
                    (c->verified == best->verified && c->seen_usec > best->seen_usec))
                        best = c;
        }

        if (!best)
                return;

        best->spare = false;
        contacts->buckets[bucket].n_spares--;
        contacts->buckets[bucket].n++;
}

static void contact_remove(DhtContacts *contacts, DhtContact *c) {
        DhtBucket *bucket = &contacts->buckets[c->bucket];
        uint16_t index = c->bucket;
        bool spare = c->spare;

        if (spare)
                bucket->n_spares--;
        else
                bucket->n--;

        *c = contacts->contacts[--contacts->n];
        if (!spare)
                promote_spare(contacts, index);
}

/* Makes room for one contact in that bucket. */
static int reserve(DhtContacts *contacts, size_t bucket) {
        if (contacts->n == contacts->n_allocated) {
                size_t n_allocated = contacts->n_allocated + CONTACTS_STEP;
                DhtContact *array;

                array = reallocarray(contacts->contacts, n_allocated, sizeof(*array));
                if (!array)
                        return -ENOMEM;
                contacts->contacts = array;
                contacts->n_allocated = n_allocated;
        }

        if (bucket >= contacts->n_buckets) {
                DhtBucket *buckets;

                buckets = reallocarray(contacts->buckets, bucket + 1, sizeof(*buckets));
                if (!buckets)
                        return -ENOMEM;
                memset(buckets + contacts->n_buckets, 0, (bucket + 1 - contacts->n_buckets) * sizeof(*buckets));
                contacts->buckets = buckets;
                contacts->n_buckets = bucket + 1;
        }

        return 0;
}

static int contact_add(DhtContacts *contacts, const DhtPeer *peer, bool verified, usec_t now) {
        size_t index = dht_common_bits(contacts->own.id, peer->id, contacts->id_size);
        DhtBucket *bucket;
        bool spare;
        int r;

        if (contacts->n >= DHT_CONTACTS_MAX)
                return -ENOSPC;

        r = reserve(contacts, index);
        if (r < 0)
                return r;

        bucket = &contacts->buckets[index];
        spare = bucket->n >= contacts->k;
        if (spare && bucket->n_spares >= contacts->k)
                return -ENOSPC;

        contacts->contacts[contacts->n++] = (DhtContact) {
                .peer = *peer,
                .seen_usec = now,
                .bucket = (uint16_t) index,
                .verified = verified,
                .spare = spare,
        };
        if (spare)
                bucket->n_spares++;
        else
                bucket->n++;

        return 1;
}

int dht_contacts_seen(DhtContacts *contacts, const DhtPeer *peer, bool verified, usec_t now) {
        DhtContact *c, *same_id;

        if (peer->address == contacts->own.address || memcmp(peer->id, contacts->own.id, contacts->id_size) == 0)
                return -EINVAL;

        c = dht_contacts_get(contacts, peer->address);
        if (c && memcmp(c->peer.id, peer->id, contacts->id_size) != 0) {
                if (!verified)
                        return -EEXIST;
                contact_remove(contacts, c);            /* restarted, with a new id */
                c = NULL;
        }

        if (!c) {
                same_id = get_by_id(contacts, peer->id);
                if (same_id) {
                        if (!verified)
                                return -EEXIST;
                        contact_remove(contacts, same_id);      /* rejoined, with a new address */
                }
                return contact_add(contacts, peer, verified, now);
        }

        if (!verified)
                return 0;                               /* says nothing about whether it is there */

        c->seen_usec = now;
        c->n_failures = 0;
        if (c->verified)
                return 0;

        c->verified = true;
        return 1;
}

bool dht_contacts_failed(DhtContacts *contacts, uint64_t address) {
        DhtContact *c;

        c = dht_contacts_get(contacts, address);
        if (!c)
                return false;

        if (++c->n_failures < DHT_CONTACT_FAILURES_MAX)
                return false;

        contact_remove(contacts, c);
        contacts->n_evicted++;
        return true;
}

/* -- questions -- */

size_t dht_contacts_closest(const DhtContacts *contacts, const uint8_t *key, bool healthy, size_t max, DhtPeer *ret) {
        size_t n = 0;

        for (size_t i = 0; i < contacts->n && max > 0; i++) {
                const DhtContact *c = &contacts->contacts[i];
                size_t j;

                if (c->spare || (healthy && (!c->verified || c->n_failures > 0)))
                        continue;
                if (n == max && dht_distance_compare(key, c->peer.id, ret[n - 1].id, contacts->id_size) >= 0)
                        continue;

                if (n < max)
                        n++;
                for (j = n - 1; j > 0 && dht_distance_compare(key, c->peer.id, ret[j - 1].id, contacts->id_size) < 0;
                     j--)
                        ret[j] = ret[j - 1];
                ret[j] = c->peer;
        }

        return n;
}

size_t dht_contacts_closer(const DhtContacts *contacts, const uint8_t *key, const uint8_t *id, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < contacts->n && n < max; i++) {
                const DhtContact *c = &contacts->contacts[i];

                if (c->verified && !c->spare && dht_distance_compare(key, c->peer.id, id, contacts->id_size) < 0)
                        n++;
        }

        return n;
}

DhtContact *dht_contacts_doubtful(DhtContacts *contacts, usec_t retry_usec, usec_t silent_usec, usec_t now) {
        DhtContact *best = NULL;

        for (size_t i = 0; i < contacts->n; i++) {
                DhtContact *c = &contacts->contacts[i];
                bool doubtful = !c->verified || c->n_failures > 0;

                if (!doubtful && usec_add(c->seen_usec, silent_usec) > now)
                        continue;
                if (c->asked_usec > 0 && usec_add(c->asked_usec, retry_usec) > now)
                        continue;
                if (!best || c->asked_usec < best->asked_usec)
                        best = c;
        }

        if (best)
                best->asked_usec = MAX(now, (usec_t) 1);

        return best;
}

DhtContact *dht_contacts_oldest(DhtContacts *contacts, const uint8_t *id) {
        size_t bucket = dht_common_bits(contacts->own.id, id, contacts->id_size);
        DhtContact *oldest = NULL;

        if (bucket >= contacts->n_buckets || contacts->buckets[bucket].n < contacts->k)
                return NULL;

        for (size_t i = 0; i < contacts->n; i++) {
                DhtContact *c = &contacts->contacts[i];

                if (c->bucket == bucket && !c->spare && (!oldest || c->seen_usec < oldest->seen_usec))
                        oldest = c;
        }

        return oldest;
}

void dht_contacts_looked_up(DhtContacts *contacts, const uint8_t *key, usec_t now) {
        size_t bucket = dht_common_bits(contacts->own.id, key, contacts->id_size);

        if (bucket < contacts->n_buckets)
                contacts->buckets[bucket].looked_up_usec = now;
}
