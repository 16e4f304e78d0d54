/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow over Ethernet, one attempt of it. It has an endpoint id of ours from its beginning, and keeps it for a while
 * after its end: late replies, repeated closes and data from a peer that missed our close are told apart from strangers'
 * by it.
 */

#include "services/common/early-packets.h"
#include "services/common/layer-restore.h"
#include "services/ipcp-eth/ethernet.h"

#define FLOW_REQUEST_KEEP_USEC (60 * USEC_PER_SEC)      /* the IRM gives up long before */
#define FLOW_ABANDONED_KEEP_USEC (25 * USEC_PER_SEC)    /* longer than an acceptor keeps a request */
#define FLOW_ANSWERED_KEEP_USEC (30 * USEC_PER_SEC)     /* the IRM needs milliseconds */
#define FLOW_CLOSED_KEEP_USEC (120 * USEC_PER_SEC)      /* a peer that missed the close says something every 30 s */

/* A close may be lost: it is sent three times, and again in answer to data, at most once in this time. */
#define FLOW_CLOSE_REPEATS 2U
#define FLOW_CLOSE_REPEAT_USEC (150 * USEC_PER_MSEC)
#define FLOW_CLOSE_SPACING_USEC 100U    /* between the repetitions of many: a program with thousands of flows may end */
#define FLOW_CLOSE_ANSWER_USEC USEC_PER_SEC

struct EthernetFlow {
        LayerFlow layer;
        Ethernet *ethernet;             /* not owned */
        Expiry expiry;
        Liveness liveness;
        ListNode by_tombstone;
        ListNode by_searching;

        FrameAddress local;             /* ours when the flow began */
        FrameAddress peer;
        uint16_t endpoint;              /* ours */
        uint16_t peer_endpoint;         /* 0: not known (yet) */
        bool peer_closed;               /* the peer ended it: it needs no close */
        unsigned n_close_repeats;
        usec_t close_sent;

        size_t hash_size;               /* outgoing: who was asked for */
        uint8_t hash[HASH_BYTES_MAX];
        uint8_t *request;               /* the OAP request, while searching; owned */
        size_t request_size;
        usec_t requested;               /* when the request went out */

        EarlyPackets early;             /* came before the flow was established */
};

static inline EthernetFlow *ethernet_flow(LayerFlow *flow) {
        return container_of(flow, EthernetFlow, layer);
}

/* A flow with an endpoint id, in state starting. Returns: 0; -ENOSPC: no endpoint id is free; -EEXIST; -ENOMEM. */
int ethernet_flow_new(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret);
EthernetFlow *ethernet_flow_free(EthernetFlow *flow);
DEFINE_CLEANUP(EthernetFlow, ethernet_flow_free);

/* Orders of the IRM. A request's outcome is the event reply or failed, possibly from within. */
void ethernet_request(Ethernet *e, const LayerMessage *order, usec_t now);
void ethernet_abort(Ethernet *e, LayerFlow *flow, const CloseTokens *tokens, usec_t now);
void ethernet_established(Ethernet *e, LayerFlow *flow, const CloseTokens *tokens, usec_t now);

/* Ends a flow and tells the peer; neither the IRM nor the application is told. */
void ethernet_close(Ethernet *e, LayerFlow *flow, usec_t now);

/* The IRM restarted: what was not established is forgotten there, and so here. */
void ethernet_irm_lost(Ethernet *e, usec_t now);

/* The search for its name ended: sends the request, or fails (peer NULL). */
void ethernet_flow_found(EthernetFlow *flow, const FrameAddress *peer, usec_t now);

/* What a flow of before a restart needs beside what all layers keep: addresses and endpoint ids. save: returns how many
 * bytes. restore: a flow in state starting. Returns: 0; -EBADMSG: not such bytes; -EEXIST; -ENOMEM. */
size_t ethernet_flow_save(const EthernetFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]);
int ethernet_flow_restore(Ethernet *e, const LayerFlowRecord *record, usec_t now, EthernetFlow **ret);

/* From receive.c. */
void flow_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void flow_close_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void flow_data_after_close(EthernetFlow *flow, usec_t now);
void flow_hold_early(EthernetFlow *flow, const Packet *packet);
void flow_expire(EthernetFlow *flow, usec_t now);
