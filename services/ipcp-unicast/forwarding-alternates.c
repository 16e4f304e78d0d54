/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One next hop; while its neighbour is gone, another of equal cost, then a loop-free alternate. An equal-cost hop is
 * loop-free too, and no longer than what was lost, so these come first. The next hop takes over again as soon as its
 * neighbour is back.
 */

#include "services/ipcp-unicast/forwarding-internal.h"

static uint32_t alternates_choose(const ForwardingTable *table, const ForwardingEntry *entry, uint64_t flow) {
        return forwarding_first_way(table, entry, 0, (unsigned) entry->n_hops + entry->n_alternates);
}

const ForwardingOps forwarding_alternates = {
        .choose = alternates_choose,
};
