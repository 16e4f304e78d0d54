/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How many flows others have to us, by who they are to the layer below: whatever one host does, it does not take the
 * places of the others. What it says of itself in these flows counts for nothing here, as it may say anything. Hosts
 * share a fixed number of buckets, and those of one bucket its places; whose is which is decided by a hash under a
 * key of ours.
 */

#include "basic/siphash.h"
#include "basic/time.h"

#define LOWER_PEERS_BUCKETS 256U
#define LOWER_FLOWS_PER_PEER_MAX 128U           /* a member has five, and some more while it comes back */
#define LOWER_GREETING_PER_PEER_MAX 64U         /* of these, that have not said what they are for */
#define LOWER_PEERS_WARN_USEC (60 * USEC_PER_SEC)       /* between two warnings */

typedef struct LowerPeerCount {
        uint16_t n_flows;
        uint16_t n_greeting;
} LowerPeerCount;

typedef struct LowerPeers {
        LowerPeerCount buckets[LOWER_PEERS_BUCKETS];
        uint64_t n_refused;
        usec_t warned;                  /* 0: never */
} LowerPeers;

/* peer: what the layer below calls it; lower: which one that is. Returns the bucket's number. */
unsigned lower_peers_bucket(const uint8_t key[SIPHASH_KEY_BYTES], unsigned lower, const char *peer);

/* One more that has not said anything. Returns: 0; -EDQUOT: it has as many as it may have, and that is counted. */
int lower_peers_add(LowerPeers *peers, unsigned bucket);

/* It has said what it is for, or has ended before. */
void lower_peers_greeted(LowerPeers *peers, unsigned bucket);
void lower_peers_remove(LowerPeers *peers, unsigned bucket);

/* Whether it is time to say that something was refused. */
bool lower_peers_should_warn(LowerPeers *peers, usec_t now);
