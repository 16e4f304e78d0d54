/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An iterative search: of the k closest members known, those not asked yet are asked, alpha at a time, and name
 * others that may be closer still. It is complete when the k closest that did not fail have answered. The search
 * decides; asking is directory-lookup.c's.
 *
 * What slows down does not block: a slow member leaves its place among the alpha to the next, and the next round is not
 * waiting for it. The search waits for it only at the very end, and then no longer than until it counts as failed.
 */

#include "services/ipcp-unicast/dht-contact.h"
#include "services/ipcp-unicast/dht-request.h"

#define DHT_LOOKUP_CANDIDATES_MAX 48U   /* the closest are kept */
#define DHT_LOOKUP_ASKED_MAX 64U        /* members that invent closer ones do not keep us for longer */
#define DHT_LOOKUP_VALUES_MAX 32U       /* more than one answer has: some are doubtful */
#define DHT_LOOKUP_LIFE_USEC (5 * USEC_PER_SEC)

/* What is to be done with the end of it. */
typedef enum DhtPurpose {
        DHT_PURPOSE_RESOLVE,            /* values for those that wait */
        DHT_PURPOSE_REFRESH,            /* to become acquainted */
        DHT_PURPOSE_BOOTSTRAP,          /* the same, with our own id, from the way in */
        DHT_PURPOSE_PUBLISH,            /* our address to the k closest */
        DHT_PURPOSE_REPLICATE,          /* what we keep for others to the k closest */
        _DHT_PURPOSE_MAX,
        _DHT_PURPOSE_INVALID = -EINVAL,
} DhtPurpose;

typedef enum DhtCandidateState {
        DHT_CANDIDATE_NEW,
        DHT_CANDIDATE_ASKED,
        DHT_CANDIDATE_SLOW,
        DHT_CANDIDATE_ANSWERED,
        DHT_CANDIDATE_FAILED,
        _DHT_CANDIDATE_STATE_MAX,
        _DHT_CANDIDATE_STATE_INVALID = -EINVAL,
} DhtCandidateState;

typedef struct DhtCandidate {
        DhtPeer peer;
        DhtCandidateState state;
        uint8_t depth;                  /* rounds it took to hear of it */
} DhtCandidate;

struct DhtLookup {
        Expiry expiry;                  /* the end of its life */
        ListNode by_directory;
        DhtPurpose purpose;
        uint8_t key[HASH_BYTES_MAX];
        size_t id_size;
        unsigned alpha, k;
        uint64_t own_address;           /* never a candidate */

        List requests;                  /* DhtRequest.by_lookup */
        List waiters;                   /* DhtWaiter.by_lookup */
        unsigned n_asked, n_answered;
        unsigned n_rounds;              /* the depth of the deepest one asked */

        DhtCandidate candidates[DHT_LOOKUP_CANDIDATES_MAX];     /* closest first */
        size_t n_candidates;
        uint64_t values[DHT_LOOKUP_VALUES_MAX];
        size_t n_values;
};

void dht_lookup_init(DhtLookup *lookup, DhtPurpose purpose, const uint8_t *key, size_t id_size, unsigned alpha,
                     unsigned k, uint64_t own_address);

/* Somebody to ask, heard of in round depth; one that is known, or too far away, is left out. */
void dht_lookup_add(DhtLookup *lookup, const DhtPeer *peer, unsigned depth);

/* Who is to be asked now; it counts as asked. NULL: nobody at the moment. */
const DhtPeer *dht_lookup_next(DhtLookup *lookup);

/* What became of a question: the answer, or that it is late or failed. An answer may also come after that. */
void dht_lookup_answered(DhtLookup *lookup, const DhtMessage *response);
void dht_lookup_slow(DhtLookup *lookup, uint64_t address);
void dht_lookup_failed(DhtLookup *lookup, uint64_t address);

/* A value, once. Own ones and those beyond the limit are left out. */
void dht_lookup_add_value(DhtLookup *lookup, uint64_t value);

bool dht_lookup_is_complete(const DhtLookup *lookup);

/* The closest that answered, at most k, closest first. Returns how many. */
size_t dht_lookup_closest(const DhtLookup *lookup, DhtPeer ret[DHT_K_MAX]);
