/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * All next hops of equal cost, one for each flow, so that its packets keep their order. Which one is decided by
 * rendezvous: flow and neighbour are mixed into a score, and the neighbour with the highest takes the flow. So when a
 * neighbour goes, only its own flows move, and they spread over the others; when it is back, they return; and it does
 * not matter in which order routing names the hops, or which number a neighbour has. A modulo would move nearly all.
 *
 * The mix needs no secret: who could aim flows at one neighbour could as well send them all in one flow.
 */

#include "services/ipcp-unicast/forwarding-internal.h"

/* The finaliser of MurmurHash3 (public domain): each bit of the input changes half of those of the output. */
static uint64_t mix(uint64_t value) {
        value ^= value >> 33;
        value *= 0xff51afd7ed558ccdULL;
        value ^= value >> 33;
        value *= 0xc4ceb9fe1a85ec53ULL;
        return value ^ value >> 33;
}

static uint32_t multipath_choose(const ForwardingTable *table, const ForwardingEntry *entry, uint64_t flow) {
        uint32_t best = FORWARDING_NONE;
        uint64_t best_score = 0, mixed = mix(flow);

        for (unsigned i = 0; i < entry->n_hops; i++) {
                const ForwardingNeighbour *n = table->neighbours + entry->ways[i];
                uint64_t score;

                if (n->hop == FORWARDING_NONE)
                        continue;

                score = mix(mixed ^ n->address);
                if (best == FORWARDING_NONE || score > best_score) {
                        best = n->hop;
                        best_score = score;
                }
        }

        if (best != FORWARDING_NONE)
                return best;

        /* All are gone at once; an alternate, where routing was asked for any, is better than nothing. */
        return forwarding_first_way(table, entry, entry->n_hops, (unsigned) entry->n_hops + entry->n_alternates);
}

const ForwardingOps forwarding_multipath = {
        .choose = multipath_choose,
};
