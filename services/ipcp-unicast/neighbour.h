/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Another member that we have flows with, known by its address. It is a link for routing while it has at least one
 * open data transfer flow, and gets our link-state messages over one of its management flows. Several flows of a
 * kind, over one layer or over several, are one neighbour: the one opened last is used, as whoever opens another one
 * may have lost the first without our knowing (for management: once the peer, too, says something there, as each
 * change means the whole database again); the others take over when it goes. A flow over a layer that is down waits
 * for it.
 *
 * Towards an o7s member each cube has a data transfer flow of its own; towards others all cubes share one.
 */

#include <inttypes.h>
#include <stdio.h>

#include "services/ipcp-unicast/lower-flow.h"
#include "services/ipcp-unicast/queue.h"
#include "services/ipcp-unicast/scan.h"

#define NEIGHBOURS_MAX 1024U            /* = FORWARDING_NEIGHBOURS_MAX */

typedef enum NeighbourState {
        NEIGHBOUR_DOWN,
        NEIGHBOUR_TRYING,               /* there are flows, but none that takes packets now */
        NEIGHBOUR_UP,
        _NEIGHBOUR_STATE_MAX,
        _NEIGHBOUR_STATE_INVALID = -EINVAL,
} NeighbourState;

DECLARE_ENUM_NAMES(neighbour_state, NeighbourState);    /* "down", "trying", "up" */

struct Neighbour {
        Unicast *unicast;               /* not owned */
        uint64_t address;
        char member[CEP_MEMBER_BYTES_MAX + 1];  /* "": not o7s */
        bool extended;                  /* is o7s */
        uint32_t hop;                   /* its number, below NEIGHBOURS_MAX; stays the same while it is known */
        uint32_t cost;
        NeighbourState state;
        List management;                /* LowerFlow.by_neighbour, open, the one in use first */
        List data[_CUBE_MAX];           /* the same */
        LowerFlow *management_in_use;   /* the routing peer; NULL: none */
        Queue queues[_CUBE_MAX];        /* what its data transfer flow did not take, bounded */
        List waiting;                   /* UnicastFlow.by_waiting: their budget was 0 for want of room in a queue */
        usec_t since;
        usec_t rtt_usec;                /* of the last CEP, or echo */
        uint64_t n_unknown_eids;        /* packets from it to endpoint ids that nobody has */
        Scan scan;                      /* the same: whether they are too many */
        ListNode by_unicast;            /* Unicast.neighbours */
};

/* The flow became open, as CEP says, or closed. Neighbours come and go with their flows. Routing, forwarding and the
 * directory are told. Returns: 0; -ENOSPC: too many neighbours; -EMSGSIZE: its packets are too small for our header;
 * -ENOMEM. */
int neighbour_attach(Unicast *u, LowerFlow *flow, usec_t now);
void neighbour_detach(LowerFlow *flow, const char *reason, usec_t now);

/* Something arrived on this management flow: it is used from now on, if it is the newer one. */
void neighbour_heard(LowerFlow *flow, usec_t now);

/* Packets of some data transfer flow have another size: that of our own follows. */
void neighbours_update_packet_max(Unicast *u);

/* A layer below came or went: its flows carry packets (again), or not. */
void neighbours_lower_changed(Unicast *u, unsigned lower, usec_t now);

/* The member at the other end of this flow, just opened, had another address before: lets go of what was of that
 * life, where nothing is heard of it any more. */
void neighbour_forget_past(const LowerFlow *flow, usec_t now);

/* The way over this flow, data transfer of best effort, was lost, or is there again: hello.h. */
void neighbour_way_changed(LowerFlow *flow, const char *reason, usec_t now);

/* Opens what is missing of the flows of the other cubes, beside this one. */
void neighbour_open_companions(LowerFlow *flow, usec_t now);

/* A companion ended, however far it had come: it is tried again, in due time. */
void neighbour_companion_ended(Unicast *u, const LowerFlow *companion, usec_t now);

Neighbour *neighbour_find(const Unicast *u, uint64_t address);
Neighbour *neighbour_by_hop(const Unicast *u, uint32_t hop);

/* Its name, or its address in words. text: room for at least CEP_MEMBER_BYTES_MAX + 1. Returns text. */
static inline char *neighbour_name(const Neighbour *n, char *text, size_t size) {
        if (n->extended)
                (void) copy_string(text, size, n->member);
        else
                (void) snprintf(text, size, "member %" PRIu64, n->address);

        return text;
}

/* Whether it has an open flow of this kind over this layer below (-1: over any), besides "except" (may be NULL). */
const LowerFlow *neighbour_has_flow(const Neighbour *n, LowerPurpose purpose, Cube cube, int lower,
                                    const LowerFlow *except);

/* The same with data transfer of any cube. */
bool neighbour_has(const Neighbour *n, LowerPurpose purpose, int lower);

/* It was up once, or nearly, and packets do not reach it now. */
bool neighbour_is_lost(const Neighbour *n);

/* The flow that packets of this cube take: the cube's, or best effort's, or any; NULL: none is there. */
LowerFlow *neighbour_data_flow(Neighbour *n, Cube cube);

/* The same for link-state messages. */
LowerFlow *neighbour_management_flow(const Neighbour *n);
