/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow over a unicast layer, one attempt of it. It has an endpoint id of ours from its beginning, and keeps it for
 * a while after its end: late replies, repeated closes and data from a peer that missed our close are told apart from
 * strangers' by it.
 *
 * What may change it, and when: a reply counts once, only while one is awaited, only where it fits in full; an update
 * changes nothing but the congestion level; addresses and endpoint ids change where a peer that has control keys
 * proves that it says so, and so does an update of such a peer; an address does where it has shown, too, that it is
 * there. Everything else is dropped and counted, without a word.
 *
 *   flow.c            a flow's life: tables, end, time
 *   flow-allocator.c  the allocator's messages come in here, and go out; those that are too large, in pieces
 *   flow-peer.c       what ends a flow at the peer's word, or slows it down: close, update, reset
 *   flow-notice.c     other endpoint ids and addresses, and silence: rotate, move
 *   flow-restore.c    what outlives our process
 *   flow-way.c        whether there is a way to their peers
 *   flow-data.c       what arrives for it
 *   flow-request.c    outgoing: from the IRM's order to the peer's reply
 *   incoming.c        requests of others that the IRM thinks about
 *   name-query.c      who serves a name: ours, and what the directory finds
 */

#include "services/common/early-packets.h"
#include "services/common/flow-life.h"
#include "services/common/flow-upkeep.h"
#include "services/common/layer-restore.h"
#include "services/common/liveness.h"
#include "services/ipcp-unicast/unicast.h"

#define FLOW_LOOKUPS_MAX 3U                             /* of an attempt, where all addresses found are unreachable */

typedef struct FlowMessage FlowMessage;
typedef struct Incoming Incoming;
typedef struct NameLookup NameLookup;
typedef struct RegisteredName RegisteredName;

struct UnicastFlow {
        LayerFlow layer;
        Unicast *unicast;               /* not owned */
        Expiry expiry;                  /* the earliest of all that is due */
        usec_t due;                     /* what its state waits for */
        Liveness liveness;
        ListNode by_tombstone;

        uint64_t eid;                   /* ours, as the peer knows it */
        uint64_t peer_eid;              /* 0: not known (yet) */
        uint64_t peer_address;
        uint64_t own_address;           /* ours, as the peer knows it */
        Congestion congestion;
        bool has_no_way;                /* as the application was told */
        usec_t no_way_since;            /* 0: there is one */
        bool waiting;                   /* budget said 0: the event resume is owed */
        usec_t budget_again;            /* when congestion allows more: flow_expire() raises resume then; 0: not that */
        ListNode by_waiting;            /* of the neighbour's queue that is full */
        bool peer_closed;
        bool has_close_proof;
        FlowControlProof close_proof;   /* its keys are gone by the time it is sent (again) */
        unsigned n_close_repeats;
        usec_t close_sent;

        /* with a peer that has control keys */
        FlowUpkeep upkeep;
        uint64_t next_eid;              /* the one that the peer is being told of; 0: none */
        uint64_t old_eid;               /* the one before, for stragglers; 0: none */

        /* before it is established */
        FlowStage stage;
        Incoming *incoming;             /* whose answer is being prepared; not owned; NULL: none */
        FragmentedMessage message;      /* our request or reply, where it went out in pieces, until the peer is heard */

        /* outgoing: who was asked for */
        size_t hash_size;
        uint8_t hash[HASH_BYTES_MAX];
        NameLookup *lookup;             /* not owned; NULL: none runs for us */
        ListNode by_lookup;
        FlowRequest request;            /* until its name is found */
        unsigned n_lookups;             /* of this attempt */
        uint64_t unreachable[DIRECTORY_ADDRESSES_MAX];  /* found, and no way to any of them: flow_expire() looks
                                                         * again */
        size_t n_unreachable;
        usec_t requested;               /* when the request went out */

        EarlyPackets early;             /* came before the flow was established */
};

static inline UnicastFlow *unicast_flow(LayerFlow *flow) {
        return container_of(flow, UnicastFlow, layer);
}

/* One more endpoint id for this flow. Returns: 0; -ENOSPC; -ENOMEM; an error of the source of randomness. */
int unicast_take_eid(UnicastFlow *flow, uint64_t *ret);

/* A flow with an endpoint id, in state starting. Returns: 0; -ENOSPC: no endpoint id is free; -EEXIST; -ENOMEM; an
 * error of the source of randomness. */
int unicast_flow_new(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now, UnicastFlow **ret);

/* What a flow of before a restart needs beside what all layers keep: endpoint ids and the peer's address. save:
 * returns how many bytes. restore: a flow in state starting, of a layer that we are a member of. Returns: 0;
 * -EBADMSG: not such bytes; -EEXIST; -ENOMEM. */
size_t unicast_flow_save(const UnicastFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]);
int unicast_flow_restore(Unicast *u, const LayerFlowRecord *record, usec_t now, UnicastFlow **ret);

UnicastFlow *unicast_flow_free(UnicastFlow *flow);
DEFINE_CLEANUP(UnicastFlow, unicast_flow_free);

/* Largest OAP message in a request, as things are now. */
uint32_t unicast_oap_max(const Unicast *u);

/* -- from the walk, the directory and the clock -- */

/* A packet for EID_FLOW_ALLOCATOR. from may be NULL: from ourselves. */
void flow_allocator_receive(Unicast *u, const uint8_t *message, size_t size, const LowerFlow *from, usec_t now);

/* flow-data.c: packets for a flow's endpoint id, all with the same mark. */
void flow_data_received(Unicast *u, UnicastFlow *flow, Packet *const *packets, unsigned n, uint8_t ecn, usec_t now);

/* The event found of the directory, for a lookup of the flow allocator. */
void flow_found(Unicast *u, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses, usec_t now);

void flow_expire(UnicastFlow *flow, usec_t now);
void incoming_expire(Unicast *u, usec_t now);
usec_t incoming_next(const Unicast *u);

/* Publishes all registered names: we have become a member. Returns: 0; -ENOSPC, -ENOMEM: not all of them. */
int flow_names_publish(Unicast *u, usec_t now);

/* The directory is gone: what it was asked for will not be answered. */
void flow_lookups_fail(Unicast *u, usec_t now);

/* All of them, without a word to anybody. */
void flow_allocator_done(Unicast *u);

/* -- between the allocator's files -- */

/* Returns whether the message is on its way, or in a queue. */
bool flow_send_message(Unicast *u, uint64_t address, const FlowMessage *message, usec_t now);

/* The same for a request or reply of any size. One that is too large for a message goes out in pieces, and stays in
 * *ret for their repetitions (ret NULL: there are none). */
bool flow_send_allocation(Unicast *u, uint64_t address, const FlowMessage *message, usec_t now, FragmentedMessage *ret);
bool flow_send_pieces(Unicast *u, uint64_t address, const FragmentedMessage *message, usec_t now);

/* Whether a request with so much of OAP could be sent at all. */
bool flow_can_send_oap(const Unicast *u, size_t oap_size);

/* What both members see alike of a request or reply with this header. */
typedef struct FlowEnds {
        uint64_t asking;
        uint64_t answering;
} FlowEnds;

void unicast_binding(const Unicast *u, const FlowEnds *addresses, const FlowMessage *message,
                     const uint8_t *hash, const o7s_qos *qos, const uint8_t header[], FlowBinding *ret);

/* One without an endpoint id. */
int unicast_flow_new_bare(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now,
                          UnicastFlow **ret);

/* When its state is due; what else is due comes in between. Room for a flow's entry is made when it first gets one.
 * Returns: 0; -ENOMEM. */
int unicast_flow_watch(UnicastFlow *flow, usec_t when);

/* What is due changed, its state's time aside. */
void unicast_flow_watch_again(UnicastFlow *flow);

/* Takes the flow out of service, with a close to a peer that understands it. May free it. */
void unicast_flow_end(UnicastFlow *flow, usec_t now);

/* The same for one whose end the IRM does not know yet. */
void unicast_flow_down(UnicastFlow *flow, CloseReason reason, usec_t now);

/* -- flow-peer.c: messages that peers send, authentic or not -- */

void flow_update_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);
void flow_close_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);
void flow_reset_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);

/* To a peer that understands it. flow_seal_close() comes before, while there are keys. */
bool flow_peer_understands_close(const UnicastFlow *flow);
void flow_seal_close(UnicastFlow *flow);
void flow_send_close(UnicastFlow *flow, usec_t now);

/* How fast the peer may send. */
void flow_send_update(UnicastFlow *flow, uint16_t level, usec_t now);

/* The lock of the reset token of our side's endpoint id, for its peer at this address. Returns: 0; -EOPNOTSUPP. */
int flow_own_lock(const UnicastFlow *flow, uint64_t address, uint8_t ret[FLOW_RESET_BYTES]);

/* For flow-notice.c. prove: with our next counter, which is kept before anybody sees it; without keys nothing
 * happens. check: returns 0 where a message is the peer's own; else drop_unproven() counts it. */
void flow_prove(UnicastFlow *flow, FlowMessage *message);
int flow_check_proof(UnicastFlow *flow, const FlowMessage *message);
void flow_drop_unproven(UnicastFlow *flow, int r);
void flow_send_reset(Unicast *u, const FlowMessage *lost, const LowerFlow *from, usec_t now);
void flow_changed(UnicastFlow *flow);

static inline bool flow_is_live(const UnicastFlow *flow) {
        return flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED;
}

/* -- flow-notice.c -- */

void flow_notice_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);

/* Its keys are there: from now on there is something to keep up; and what is due of it. */
void flow_upkeep_begin(UnicastFlow *flow, usec_t now);
void flow_upkeep_run(UnicastFlow *flow, usec_t now);

/* We have another address: the peer is told. Of all flows, where they survive that. */
void flow_follow_address(UnicastFlow *flow, usec_t now);
void flows_follow_address(Unicast *u, usec_t now);
bool flow_survives_move(const UnicastFlow *flow);

/* The peer has been silent for a while, and we are sending; or it has to prove that it is there. */
void flow_probe(UnicastFlow *flow, usec_t now);
void flow_ask(UnicastFlow *flow, usec_t now);

/* flow-data.c: what was held for the application; and what a peer hears that goes on after the end. */
void flow_deliver_early(UnicastFlow *flow);
void flow_answer_after_close(UnicastFlow *flow, usec_t now);

/* flow-way.c: of all flows, once neighbours or routes have changed. */
void flow_ways_expire(Unicast *u, usec_t now);

/* Of one that is new. */
void flow_way_begin(UnicastFlow *flow, usec_t now);

/* flow-restore.c: whether a member could have this address. */
bool unicast_address_fits(const Unicast *u, uint64_t address);

/* flow-request.c: its name's addresses are known, or (n_addresses 0) will not be. */
void flow_addresses_found(UnicastFlow *flow, int error, const uint64_t *addresses, size_t n_addresses, usec_t now);
void flow_look_up_again(UnicastFlow *flow, usec_t now);
void flow_reply_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);

/* incoming.c: an answer to a request of another member: takes the endpoint id of our side. The outcome is the event
 * prepared, from within. */
void incoming_prepare(Unicast *u, const LayerMessage *order, usec_t now);
void incoming_flow_gone(Incoming *incoming);
void incoming_request_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now);
void incoming_forget(Unicast *u);

/* name-query.c: the outcome is flow_addresses_found(), possibly from within. Returns: 0; -ENOMEM. */
int flow_look_up(UnicastFlow *flow, usec_t now);
void flow_stop_looking_up(UnicastFlow *flow);
bool unicast_is_registered(const Unicast *u, const uint8_t *hash);
void name_queries_forget(Unicast *u);

/* Drops one message, as from a stranger who tries endpoint ids. */
void flow_unknown_eid(Unicast *u, const LowerFlow *from);
