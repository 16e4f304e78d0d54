/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Another member that we have flows with, known by its address. It is a link for routing while it has at least one open data
 * transfer flow, and gets our link-state messages over one of its management flows. Several flows of a kind, over one layer
 * or over several, are one neighbour: the one opened first carries the packets, the others take over when it goes.
 *
 * Towards an o7s member each cube has a data transfer flow of its own; towards others all cubes share one.
 */

#include "services/ipcp-unicast/lower-flow.h"
#include "services/ipcp-unicast/queue.h"

#define NEIGHBOURS_MAX 1024U            /* = FORWARDING_NEIGHBOURS_MAX */

struct Neighbour {
        Unicast *unicast;               /* not owned */
        uint64_t address;
        char member[CEP_MEMBER_BYTES_MAX + 1];  /* "": not o7s */
        bool extended;                  /* is o7s */
        uint32_t hop;                   /* its number, below NEIGHBOURS_MAX; stays the same while it is known */
        uint32_t cost;
        List management;                /* LowerFlow.by_neighbour, open, the one in use first */
        List data[_CUBE_MAX];           /* the same */
        LowerFlow *management_in_use;   /* the routing peer; NULL: none */
        Queue queues[_CUBE_MAX];        /* what its data transfer flow did not take, bounded */
        List waiting;                   /* UnicastFlow.by_waiting: their budget was 0 for want of room in a queue */
        usec_t since;
        usec_t rtt_usec;                /* of the last CEP, or echo */
        uint64_t n_unknown_eids;        /* packets from it to endpoint ids that nobody has: scanning */
        ListNode by_unicast;            /* Unicast.neighbours */
};

/* The flow became open, as CEP says, or closed. Neighbours come and go with their flows. Routing, forwarding and the
 * directory are told. */
int neighbour_attach(Unicast *u, LowerFlow *flow, usec_t now);
void neighbour_detach(LowerFlow *flow, usec_t now);

Neighbour *neighbour_find(const Unicast *u, uint64_t address);
Neighbour *neighbour_by_hop(const Unicast *u, uint32_t hop);

/* The flow that packets of this cube take: the cube's, or best effort's; NULL: none is open. */
LowerFlow *neighbour_data_flow(Neighbour *n, Cube cube);
