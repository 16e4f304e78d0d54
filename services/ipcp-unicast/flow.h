/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow over a unicast layer, one attempt of it. It has an endpoint id of ours from its beginning, and keeps it for a while
 * after its end: late replies, repeated closes and data from a peer that missed our close are told apart from strangers'
 * by it.
 *
 * What may change it, and when: a reply counts once, only while one is awaited, only where it fits in full; an update
 * changes nothing but the congestion level; addresses never change. Everything else is dropped and counted, without a word.
 */

#include "services/common/layer-flow.h"
#include "services/common/liveness.h"
#include "services/ipcp-unicast/unicast.h"

#define FLOW_REQUEST_KEEP_USEC (60 * USEC_PER_SEC)      /* the IRM gives up long before */
#define FLOW_ABANDONED_KEEP_USEC (25 * USEC_PER_SEC)    /* longer than an acceptor keeps a request */
#define FLOW_ANSWERED_KEEP_USEC (30 * USEC_PER_SEC)     /* the IRM needs milliseconds */
#define FLOW_CLOSED_KEEP_USEC (120 * USEC_PER_SEC)      /* a peer that missed the close says something every 30 s */

typedef struct EarlyPacket EarlyPacket;

struct UnicastFlow {
        LayerFlow layer;
        Unicast *unicast;               /* not owned */
        Expiry expiry;
        Liveness liveness;
        ListNode by_tombstone;

        uint64_t eid;                   /* ours */
        uint64_t peer_eid;              /* 0: not known (yet) */
        uint64_t peer_address;          /* never changes once known */
        Cube cube;                      /* from its QoS */
        Congestion congestion;
        bool waiting;                   /* budget said 0: the event resume is owed */
        usec_t budget_again;            /* when congestion allows more: flow_expire() raises resume then; 0: not that */
        ListNode by_waiting;            /* of the neighbour's queue that is full */
        bool peer_closed;
        unsigned n_close_repeats;
        usec_t close_sent;

        /* outgoing: who was asked for, and who else serves it */
        size_t hash_size;
        uint8_t hash[HASH_BYTES_MAX];
        uint64_t addresses[DIRECTORY_ADDRESSES_MAX];
        size_t n_addresses;
        size_t next_address;
        uint64_t lookup;                /* 0: none runs */
        uint8_t *request;               /* the OAP request, while looking up; owned */
        size_t request_size;

        EarlyPacket *early;             /* packets that came before the flow was established; owned */
        EarlyPacket **early_end;
        unsigned n_early;
};

static inline UnicastFlow *unicast_flow(LayerFlow *flow) {
        return container_of(flow, UnicastFlow, layer);
}

UnicastFlow *unicast_flow_free(UnicastFlow *flow);
DEFINE_CLEANUP(UnicastFlow, unicast_flow_free);

/* A packet for EID_FLOW_ALLOCATOR. */
void flow_allocator_receive(Unicast *u, const uint8_t *message, size_t size, const LowerFlow *from, usec_t now);

/* A packet for a flow's endpoint id. */
void flow_data_received(Unicast *u, UnicastFlow *flow, Packet *const *packets, unsigned n, uint8_t ecn, usec_t now);

/* The event found of the directory, for a lookup of the flow allocator. */
void flow_found(Unicast *u, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses, usec_t now);

void flow_expire(UnicastFlow *flow, usec_t now);
void incoming_expire(Unicast *u, usec_t now);
usec_t incoming_next(const Unicast *u);

/* Publishes all registered names: we have become a member. Returns: 0; -ENOSPC, -ENOMEM. */
int flow_names_publish(Unicast *u, usec_t now);

/* All of them, without a word to anybody. */
void flow_allocator_done(Unicast *u);
