/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/ipcp-unicast/dht-lookup.h"

void dht_lookup_init(DhtLookup *lookup, DhtPurpose purpose, const uint8_t *key, size_t id_size, unsigned alpha,
                     unsigned k, uint64_t own_address) {
        *lookup = (DhtLookup) {
                .purpose = purpose,
                .id_size = id_size,
                .alpha = MAX(alpha, 1U),
                .k = CLAMP(k, 1U, DHT_K_MAX),
                .own_address = own_address,
        };
        memcpy(lookup->key, key, id_size);
        list_init(&lookup->by_directory);
        list_init(&lookup->requests);
        list_init(&lookup->waiters);
}

static DhtCandidate *find(DhtLookup *lookup, uint64_t address) {
        for (size_t i = 0; i < lookup->n_candidates; i++)
                if (lookup->candidates[i].peer.address == address)
                        return &lookup->candidates[i];

        return NULL;
}

static void remove_candidate(DhtLookup *lookup, DhtCandidate *c) {
        memmove(c, c + 1, (size_t) (&lookup->candidates[--lookup->n_candidates] - c) * sizeof(*c));
}

/* Moves the candidates from index on, so that it is free; the last one goes where there are too many. */
static void make_gap(DhtLookup *lookup, size_t index) {
        size_t n = MIN(lookup->n_candidates, (size_t) DHT_LOOKUP_CANDIDATES_MAX - 1);

        memmove(&lookup->candidates[index + 1], &lookup->candidates[index],
                (n - index) * sizeof(lookup->candidates[0]));
        lookup->n_candidates = n + 1;
}

static void insert(DhtLookup *lookup, const DhtCandidate *candidate) {
        size_t i = lookup->n_candidates;

        while (i > 0 && dht_distance_compare(lookup->key, candidate->peer.id, lookup->candidates[i - 1].peer.id,
                                             lookup->id_size) < 0)
                i--;
        if (i == DHT_LOOKUP_CANDIDATES_MAX)
                return;

        make_gap(lookup, i);
        lookup->candidates[i] = *candidate;
}

void dht_lookup_add(DhtLookup *lookup, const DhtPeer *peer, unsigned depth) {
        const DhtCandidate candidate = { .peer = *peer, .depth = (uint8_t) MIN(depth, (unsigned) UINT8_MAX) };
        DhtCandidate *known = find(lookup, peer->address);

        if (peer->address == lookup->own_address)
                return;

        /* Who said first that it is far away may have lied. Asking it shows; but nobody is asked twice. */
        if (known) {
                if (known->state != DHT_CANDIDATE_NEW ||
                    dht_distance_compare(lookup->key, peer->id, known->peer.id, lookup->id_size) >= 0)
                        return;
                remove_candidate(lookup, known);
        }

        insert(lookup, &candidate);
}

/* How many of the k closest that did not fail, whose answers decide, are in that state. */
static unsigned count_closest(const DhtLookup *lookup, DhtCandidateState state) {
        unsigned n = 0, n_seen = 0;

        for (size_t i = 0; i < lookup->n_candidates && n_seen < lookup->k; i++)
                if (lookup->candidates[i].state != DHT_CANDIDATE_FAILED) {
                        n_seen++;
                        n += lookup->candidates[i].state == state;
                }

        return n;
}

static unsigned count_asked(const DhtLookup *lookup) {
        unsigned n = 0;

        for (size_t i = 0; i < lookup->n_candidates; i++)
                n += lookup->candidates[i].state == DHT_CANDIDATE_ASKED;

        return n;
}

const DhtPeer *dht_lookup_next(DhtLookup *lookup) {
        unsigned n_seen = 0;

        if (lookup->n_asked >= DHT_LOOKUP_ASKED_MAX || count_asked(lookup) >= lookup->alpha)
                return NULL;

        for (size_t i = 0; i < lookup->n_candidates && n_seen < lookup->k; i++) {
                DhtCandidate *c = &lookup->candidates[i];

                /* One that is slow keeps nobody from being asked. */
                if (c->state == DHT_CANDIDATE_FAILED || c->state == DHT_CANDIDATE_SLOW)
                        continue;

                n_seen++;
                if (c->state != DHT_CANDIDATE_NEW)
                        continue;

                c->state = DHT_CANDIDATE_ASKED;
                lookup->n_asked++;
                lookup->n_rounds = MAX(lookup->n_rounds, c->depth + 1U);
                return &c->peer;
        }

        return NULL;
}

void dht_lookup_answered(DhtLookup *lookup, const DhtMessage *response) {
        DhtCandidate *c = find(lookup, response->source.address), answered;
        unsigned depth = lookup->n_rounds;

        lookup->n_answered++;
        if (c) {
                /* It may have another id than we were told: it counts where it is. */
                answered = *c;
                depth = answered.depth + 1U;
                answered.peer = response->source;
                answered.state = DHT_CANDIDATE_ANSWERED;
                remove_candidate(lookup, c);
                insert(lookup, &answered);
        }

        for (size_t i = 0; i < response->n_contacts; i++)
                dht_lookup_add(lookup, &response->contacts[i], depth);
        for (size_t i = 0; i < response->n_values; i++)
                dht_lookup_add_value(lookup, response->values[i]);
}

void dht_lookup_slow(DhtLookup *lookup, uint64_t address) {
        DhtCandidate *c = find(lookup, address);

        if (c && c->state == DHT_CANDIDATE_ASKED)
                c->state = DHT_CANDIDATE_SLOW;
}

void dht_lookup_failed(DhtLookup *lookup, uint64_t address) {
        DhtCandidate *c = find(lookup, address);

        if (c && c->state != DHT_CANDIDATE_ANSWERED)
                c->state = DHT_CANDIDATE_FAILED;
}

void dht_lookup_add_value(DhtLookup *lookup, uint64_t value) {
        if (value == lookup->own_address || lookup->n_values == DHT_LOOKUP_VALUES_MAX)
                return;

        for (size_t i = 0; i < lookup->n_values; i++)
                if (lookup->values[i] == value)
                        return;

        lookup->values[lookup->n_values++] = value;
}

bool dht_lookup_is_complete(const DhtLookup *lookup) {
        if (count_closest(lookup, DHT_CANDIDATE_ASKED) > 0 || count_closest(lookup, DHT_CANDIDATE_SLOW) > 0)
                return false;

        return count_closest(lookup, DHT_CANDIDATE_NEW) == 0 || lookup->n_asked >= DHT_LOOKUP_ASKED_MAX;
}

size_t dht_lookup_closest(const DhtLookup *lookup, DhtPeer ret[DHT_K_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < lookup->n_candidates && n < lookup->k; i++)
                if (lookup->candidates[i].state == DHT_CANDIDATE_ANSWERED)
                        ret[n++] = lookup->candidates[i].peer;

        return n;
}
