/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One next hop. While its neighbour is gone there is none, until routing hands over a new set. */

#include "services/ipcp-unicast/forwarding-internal.h"

static uint32_t simple_choose(const ForwardingTable *table, const ForwardingEntry *entry, uint64_t flow) {
        return forwarding_first_way(table, entry, 0, 1);
}

const ForwardingOps forwarding_simple = {
        .choose = simple_choose,
};
