/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Places for flows of others, see lower-peers.h. */

#include "basic/string.h"
#include "services/ipcp-unicast/lower-peers.h"

unsigned lower_peers_bucket(const uint8_t key[SIPHASH_KEY_BYTES], unsigned lower, const char *peer) {
        return (unsigned) ((siphash24(key, peer, strlen(peer)) + lower) % LOWER_PEERS_BUCKETS);
}

int lower_peers_add(LowerPeers *peers, unsigned bucket) {
        LowerPeerCount *count = &peers->buckets[bucket];

        if (count->n_flows >= LOWER_FLOWS_PER_PEER_MAX || count->n_greeting >= LOWER_GREETING_PER_PEER_MAX) {
                peers->n_refused++;
                return -EDQUOT;
        }

        count->n_flows++;
        count->n_greeting++;
        return 0;
}

void lower_peers_greeted(LowerPeers *peers, unsigned bucket) {
        assert(peers->buckets[bucket].n_greeting > 0);

        peers->buckets[bucket].n_greeting--;
}

void lower_peers_remove(LowerPeers *peers, unsigned bucket) {
        assert(peers->buckets[bucket].n_flows > 0);

        peers->buckets[bucket].n_flows--;
}

bool lower_peers_should_warn(LowerPeers *peers, usec_t now) {
        if (peers->warned > 0 && usec_sub(now, peers->warned) < LOWER_PEERS_WARN_USEC)
                return false;

        peers->warned = MAX(now, (usec_t) 1);
        return true;
}
