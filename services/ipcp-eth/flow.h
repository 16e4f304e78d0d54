/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow over Ethernet, one attempt of it. It has an endpoint id of ours from its beginning, and keeps it for a while
 * after its end: late replies, repeated closes and data from a peer that missed our close are told apart from
 * strangers' by it. With a peer that has control keys it changes its endpoint id now and then, and its address when
 * it must.
 */

#include "services/common/early-packets.h"
#include "services/common/flow-life.h"
#include "services/common/flow-upkeep.h"
#include "services/common/layer-restore.h"
#include "services/ipcp-eth/ethernet.h"

struct EthernetFlow {
        LayerFlow layer;
        Ethernet *ethernet;             /* not owned */
        Expiry expiry;                  /* the earliest of all that is due */
        usec_t due;                     /* what its state waits for */
        Liveness liveness;
        ListNode by_tombstone;
        ListNode by_searching;

        FrameAddress local;             /* ours, as the peer knows it */
        FrameAddress peer;
        uint16_t endpoint;              /* ours, as the peer knows it */
        uint16_t peer_endpoint;         /* 0: not known (yet) */
        bool peer_closed;               /* the peer ended it: it needs no close */
        bool has_close_proof;
        FlowControlProof close_proof;   /* its keys are gone by the time it is sent (again) */
        unsigned n_close_repeats;
        usec_t close_sent;

        /* with a peer that has control keys */
        FlowUpkeep upkeep;
        uint16_t next_endpoint;         /* the one that the peer is being told of; 0: none */
        uint16_t old_endpoint;          /* the one before, for stragglers; 0: none */
        FrameAddress old_peer;          /* the peer's address and endpoint id of before, also for stragglers */
        uint16_t old_peer_endpoint;
        usec_t old_peer_until;          /* 0: there is none */

        /* before it is established */
        FlowStage stage;
        Incoming *incoming;             /* whose answer is being prepared; not owned; NULL: none */
        size_t hash_size;               /* outgoing: who was asked for */
        uint8_t hash[HASH_BYTES_MAX];
        FlowRequest request;            /* until its name is found */
        usec_t requested;               /* when the request went out */
        FragmentedMessage message;      /* our request or reply, where it went out in pieces, until the peer is heard */

        EarlyPackets early;             /* came before the flow was established */
};

static inline EthernetFlow *ethernet_flow(LayerFlow *flow) {
        return container_of(flow, EthernetFlow, layer);
}

/* A flow with an endpoint id, in state starting. Returns: 0; -ENOSPC: no endpoint id is free; -EEXIST; -ENOMEM. */
int ethernet_flow_new(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret);
EthernetFlow *ethernet_flow_free(EthernetFlow *flow);
DEFINE_CLEANUP(EthernetFlow, ethernet_flow_free);

/* One without an endpoint id. */
int ethernet_flow_new_bare(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret);

/* When its state is due; what else is due comes in between. Room for its entry is made when it first gets one.
 * Returns: 0; -ENOMEM: it cannot be watched, and is not to be kept. */
int ethernet_flow_watch(EthernetFlow *flow, usec_t when);

/* What is due changed, its state's time aside. */
void ethernet_flow_watch_again(EthernetFlow *flow);

/* Orders of the IRM. The outcomes are the events prepared, and reply or failed, possibly from within. */
void ethernet_prepare(Ethernet *e, const LayerMessage *order, usec_t now);
void ethernet_request(Ethernet *e, const LayerMessage *order, usec_t now);
void ethernet_abort(Ethernet *e, LayerFlow *flow, const CloseTokens *tokens, usec_t now);
void ethernet_established(Ethernet *e, LayerFlow *flow, const CloseTokens *tokens, usec_t now);

/* Ends a flow and tells the peer; neither the IRM nor the application is told. */
void ethernet_close(Ethernet *e, LayerFlow *flow, usec_t now);

/* The IRM restarted: what was not established is forgotten there, and so here. */
void ethernet_irm_lost(Ethernet *e, usec_t now);

/* Takes the flow out of service, with a close to a peer that understands it. May free it. */
void ethernet_flow_end(EthernetFlow *flow, usec_t now);

/* The same for one whose end the IRM does not know yet. */
void ethernet_flow_down(EthernetFlow *flow, CloseReason reason, usec_t now);

/* flow-request.c: the search for its name ended: sends the request, or fails (peer NULL). */
void ethernet_flow_found(EthernetFlow *flow, const FrameAddress *peer, usec_t now);
void flow_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);

/* flow-restore.c: what a flow of before a restart needs beside what all layers keep: addresses and endpoint ids.
 * save: returns how many bytes. restore: a flow in state starting. Returns: 0; -EBADMSG: not such bytes; -EEXIST;
 * -ENOMEM. */
size_t ethernet_flow_save(const EthernetFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]);
int ethernet_flow_restore(Ethernet *e, const LayerFlowRecord *record, usec_t now, EthernetFlow **ret);

/* What both hosts see alike of a request or reply whose fixed part is this. */
void ethernet_binding(const Ethernet *e, const FrameAddress *asking, const FrameAddress *answering,
                      const ManagementMessage *message, const uint8_t *hash, const o7s_qos *qos,
                      const uint8_t *fixed, FlowBinding *ret);

/* -- flow-peer.c -- */

/* Messages that peers send, authentic or not. */
void flow_close_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);
void flow_reset_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);

/* To a peer that understands it. flow_seal_close() comes before, while there are keys. */
void flow_seal_close(EthernetFlow *flow);
void flow_send_close(EthernetFlow *flow, usec_t now);

/* The lock of the reset token of our side's endpoint id, for its peer at this address. Returns: 0; -EOPNOTSUPP. */
int flow_own_lock(const EthernetFlow *flow, const FrameAddress *peer, uint8_t ret[FLOW_RESET_BYTES]);

/* For flow-notice.c. check: returns 0 where a message is the peer's own; else drop_unproven() counts it. */
int flow_check_proof(EthernetFlow *flow, const ManagementMessage *message);
void flow_drop_unproven(EthernetFlow *flow, int r);
void flow_send_reset(Ethernet *e, const Frame *frame, const ManagementMessage *lost, usec_t now);

static inline bool flow_is_live(const EthernetFlow *flow) {
        return flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED;
}

/* -- flow-notice.c -- */

void flow_notice_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now);

/* Its keys are there: from now on there is something to keep up. */
void flow_upkeep_begin(EthernetFlow *flow, usec_t now);

/* Does what is due of it. */
void flow_upkeep_run(EthernetFlow *flow, usec_t now);

/* We have another address: the peer is told. is_told: it knows where we are, or is being told. */
void flow_follow_address(EthernetFlow *flow, usec_t now);
bool flow_is_told_address(const EthernetFlow *flow);

/* The peer has been silent for a while, and we are sending; or it has to prove that it is there. */
void flow_probe(EthernetFlow *flow, usec_t now);
void flow_ask(EthernetFlow *flow, usec_t now);

/* -- from receive.c -- */

/* Whether a data frame comes from the flow's peer. */
bool flow_is_from_peer(const EthernetFlow *flow, const Frame *frame, usec_t now);
void flow_heard(EthernetFlow *flow, usec_t now);
void flow_data_after_close(EthernetFlow *flow, usec_t now);
void flow_hold_early(EthernetFlow *flow, const Packet *packet);
void flow_expire(EthernetFlow *flow, usec_t now);
