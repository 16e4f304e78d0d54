/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who is there, and how we get to know them: the way in after enrollment, the question to a newcomer whether it is
 * really there, regular ones to those that were silent, lookups to where none went for a while, and knocking at doors
 * that were closed when the network was in two parts.
 */

#include "services/ipcp-unicast/directory-internal.h"

#define BOOTSTRAP_MIN_USEC (250 * USEC_PER_MSEC)
#define BOOTSTRAP_MAX_USEC (30 * USEC_PER_SEC)
#define TICK_BUSY_USEC (100 * USEC_PER_MSEC)    /* while there is something left to do */
#define TICK_MAX_USEC (10 * USEC_PER_SEC)
#define PINGS_PER_TICK 4U
#define PING_RETRY_USEC (5 * USEC_PER_SEC)
#define PING_OLDEST_USEC (60 * USEC_PER_SEC)    /* silent for so long, it has to show that it deserves its place */
#define SELF_SOON_USEC (3 * USEC_PER_SEC)       /* a newcomer may know others */
#define SELF_MIN_USEC USEC_PER_SEC
#define WAY_USEC (15 * USEC_PER_SEC)

/* -- pings -- */

/* Asks a member for those close to us: who answers is there. At most so many a second, since anybody can make us ask
 * anybody. */
static void ping(Directory *d, uint64_t address, usec_t now) {
        if (now >= usec_add(d->ping_usec, USEC_PER_SEC)) {
                d->ping_usec = now;
                d->n_pings = 0;
        }
        if (d->n_pings++ >= DIRECTORY_PINGS_PER_SEC)
                return;

        (void) directory_ask(d, DHT_REQUEST_PING, DHT_FIND_NODE_REQUEST, address, d->own.id, NULL, now);
}

static void ping_contact(Directory *d, DhtContact *contact, usec_t now) {
        if (!contact || (contact->asked_usec > 0 && usec_add(contact->asked_usec, PING_RETRY_USEC) > now))
                return;

        contact->asked_usec = MAX(now, (usec_t) 1);
        ping(d, contact->peer.address, now);
}

static void tick_at(Directory *d, usec_t when) {
        d->tick_usec = MIN(d->tick_usec, when);
}

void directory_seen(Directory *d, const DhtPeer *peer, bool verified, usec_t now) {
        DhtContact *oldest;
        int r;

        r = dht_contacts_seen(&d->contacts, peer, verified, now);
        if (!verified && (r > 0 || r == -EEXIST))
                ping_contact(d, dht_contacts_get(&d->contacts, peer->address), now);

        oldest = r == 0 ? NULL : dht_contacts_oldest(&d->contacts, peer->id);
        if (oldest && usec_add(oldest->seen_usec, PING_OLDEST_USEC) <= now)
                ping_contact(d, oldest, now);

        if (r <= 0)
                return;

        tick_at(d, now + TICK_BUSY_USEC);
        if (verified) {
                d->self_usec = MIN(d->self_usec, now + SELF_SOON_USEC);
                directory_newcomer(d, peer, now);
        }
}

void directory_unanswered(Directory *d, uint64_t address, usec_t now) {
        if (!dht_contacts_failed(&d->contacts, address))
                return;

        /* It may come back, and others with it. */
        if (d->n_former == DIRECTORY_FORMER_MAX) {
                memmove(d->former, d->former + 1, (DIRECTORY_FORMER_MAX - 1) * sizeof(d->former[0]));
                d->n_former--;
        }
        d->former[d->n_former++] = address;

        if (d->contacts.n == 0 && d->n_peers > 0 && !d->bootstrapping)
                d->bootstrap_usec = MIN(d->bootstrap_usec, now + BOOTSTRAP_MIN_USEC);
}

/* -- the way in -- */

static void bootstrap(Directory *d, usec_t now) {
        d->bootstrap_usec = USEC_INFINITY;
        d->bootstrapping = true;
        if (directory_search(d, DHT_PURPOSE_BOOTSTRAP, d->own.id, now) < 0) {
                d->bootstrapping = false;
                d->bootstrap_usec = now + BOOTSTRAP_MIN_USEC;
        }
}

void directory_bootstrapped(Directory *d, const DhtLookup *lookup, usec_t now) {
        d->bootstrapping = false;

        if (lookup->n_answered == 0 && d->contacts.n == 0) {
                d->bootstrap_delay = CLAMP(2 * d->bootstrap_delay, BOOTSTRAP_MIN_USEC, BOOTSTRAP_MAX_USEC);
                d->bootstrap_usec = MIN(d->bootstrap_usec, usec_add(now, d->bootstrap_delay));
                return;
        }

        /* A stranger hears of few others only; now that we are none, the next answer is complete. */
        d->bootstrap_delay = 0;
        d->self_delay = SELF_MIN_USEC;
        d->self_usec = now + d->self_delay;
        tick_at(d, now + TICK_BUSY_USEC);
}

void directory_add_peer(Directory *d, uint64_t address, usec_t now) {
        const DhtContact *contact;
        bool known = false;

        if (!directory_address_is_valid(d, address))
                return;

        for (size_t i = 0; i < d->n_peers; i++)
                known |= d->peers[i] == address;
        if (!known && d->n_peers < DIRECTORY_PEERS_MAX)
                d->peers[d->n_peers++] = address;
        else if (!known)
                d->peers[d->next_peer++ % DIRECTORY_PEERS_MAX] = address;

        contact = dht_contacts_get(&d->contacts, address);
        if (contact && contact->verified && contact->n_failures == 0)
                return;

        tick_at(d, now + TICK_BUSY_USEC);
        if (d->bootstrapping)
                d->bootstrap_usec = MIN(d->bootstrap_usec, now + BOOTSTRAP_MIN_USEC);
        else
                bootstrap(d, now);
}

/* -- regularly -- */

/* The members of a bucket are those whose ids have that many bits in common with ours: one of these, at random. */
static int id_in_bucket(Directory *d, size_t bucket, uint8_t ret[HASH_BYTES_MAX]) {
        uint8_t id[HASH_BYTES_MAX];
        size_t byte = bucket / 8;
        uint8_t bit = (uint8_t) (0x80U >> bucket % 8);
        int r;

        for (size_t i = 0; i < d->id_size; i += sizeof(uint64_t)) {
                uint64_t random;

                r = directory_random(d, &random);
                if (r < 0)
                        return r;
                memcpy(id + i, &random, MIN(sizeof(random), d->id_size - i));
        }

        memcpy(id, d->own.id, byte);
        id[byte] = (uint8_t) ((d->own.id[byte] & ~(bit - 1U)) ^ bit) | (id[byte] & (bit - 1U));
        memcpy(ret, id, d->id_size);
        return 0;
}

/* Looks up into one bucket that no lookup went to for a while. Returns whether there was one. */
static bool refresh_bucket(Directory *d, usec_t now) {
        uint8_t id[HASH_BYTES_MAX];

        for (size_t i = 0; i < d->contacts.n_buckets && i < d->id_size * 8; i++) {
                DhtBucket *bucket = &d->contacts.buckets[i];

                if (bucket->n == 0 ||
                    (bucket->looked_up_usec > 0 && usec_add(bucket->looked_up_usec, d->config.refresh_usec) > now))
                        continue;

                bucket->looked_up_usec = MAX(now, (usec_t) 1);
                if (id_in_bucket(d, i, id) >= 0)
                        (void) directory_search(d, DHT_PURPOSE_REFRESH, id, now);
                return true;
        }

        return false;
}

static void refresh_self(Directory *d, usec_t now) {
        if (d->self_usec > now)
                return;

        d->self_delay = CLAMP(4 * d->self_delay, SELF_MIN_USEC, d->config.refresh_usec);
        d->self_usec = now + directory_jitter(d, d->self_delay);
        (void) directory_search(d, DHT_PURPOSE_REFRESH, d->own.id, now);
}

/* Knocks at one way in, or former contact, that is no contact at present. */
static void try_ways(Directory *d, usec_t now) {
        size_t n = d->n_peers + d->n_former;

        if (d->way_usec > now)
                return;

        d->way_usec = now + WAY_USEC;
        for (size_t tries = 0; tries < n; tries++) {
                size_t i = d->next_way++ % n;
                uint64_t address = i < d->n_peers ? d->peers[i] : d->former[i - d->n_peers];

                if (!dht_contacts_get(&d->contacts, address)) {
                        ping(d, address, now);
                        return;
                }
        }
}

static void tick(Directory *d, usec_t now) {
        usec_t period = MIN(d->config.refresh_usec / 4, TICK_MAX_USEC);
        usec_t retry = MIN(d->config.refresh_usec / 2, PING_RETRY_USEC);
        bool busy = false;

        for (unsigned i = 0; i < PINGS_PER_TICK; i++) {
                DhtContact *c = dht_contacts_doubtful(&d->contacts, retry, d->config.refresh_usec, now);

                if (!c)
                        break;
                ping(d, c->peer.address, now);
                busy = i + 1 == PINGS_PER_TICK;
        }

        busy |= refresh_bucket(d, now);
        refresh_self(d, now);
        try_ways(d, now);

        period = busy ? TICK_BUSY_USEC : MIN(period, MAX(usec_sub(d->self_usec, now), TICK_BUSY_USEC));
        d->tick_usec = d->contacts.n + d->n_peers + d->n_former > 0 ? usec_add(now, period) : USEC_INFINITY;
}

void directory_refresh(Directory *d, usec_t now) {
        for (size_t i = 0; i < d->contacts.n_buckets; i++)
                d->contacts.buckets[i].looked_up_usec = 0;
        for (size_t i = 0; i < d->contacts.n; i++)
                d->contacts.contacts[i].asked_usec = 0;

        d->self_usec = now;
        d->way_usec = now;
        directory_publish_all(d, now);
        if (d->contacts.n + d->n_peers > 0)
                d->tick_usec = now;
        directory_expire(d, now);
}

void directory_maintain(Directory *d, usec_t now) {
        if (d->bootstrap_usec <= now)
                bootstrap(d, now);
        if (d->tick_usec <= now)
                tick(d, now);
}
