/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Outgoing flows: from the IRM's order over the addresses of the name to the peer's reply.
 *
 * A name may be served by several members. The first one to which there is a way gets the request; when it does not
 * answer, the IRM makes another attempt, which doubts that address and goes to one that no attempt before went to. A
 * request is never repeated as it is: the peer would have to take that for a replay.
 *
 * Where the request is to be bound to what both members will see of it, the IRM has it prepared first: the name is
 * looked up then, and the request goes to that address from that endpoint id or not at all.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

static void answer_prepared(UnicastFlow *flow, int32_t result, const FlowBinding *binding) {
        const LayerFlowKey *key = &flow->layer.key;

        flow->unicast->events->prepared(flow->unicast->userdata, key->flow_id, (uint32_t) key->attempt, 0,
                                        result, binding, NULL);
}

static void request_failed(UnicastFlow *flow, int result, usec_t now) {
        if (flow->stage == FLOW_STAGE_PREPARING)
                answer_prepared(flow, result, NULL);
        else
                (void) flow->unicast->events->reply(flow->unicast->userdata, &flow->layer, result, NULL, 0, NULL);

        unicast_flow_end(flow, now);
}

/* -- an attempt -- */

/* An attempt for which there is no endpoint id, no memory or no layer never becomes a flow. */
static int flow_start(Unicast *u, const LayerMessage *order, FlowStage stage, usec_t now, UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        int r;

        if (order->hash_size != u->hash_size || order->attempt >= LAYER_ATTEMPTS_MAX)
                return -EINVAL;
        if (!u->is_member)
                return -ENETDOWN;
        if (stage == FLOW_STAGE_ORDERED && !flow_can_send_oap(u, order->oap_size))
                return -EMSGSIZE;

        r = unicast_flow_new(u, order->flow_id, order->attempt, &order->qos, now, &flow);
        if (r < 0)
                return r;

        flow->stage = stage;
        flow->hash_size = order->hash_size;
        memcpy(flow->hash, order->hash, order->hash_size);

        r = unicast_flow_watch(flow, USEC_INFINITY - 1);        /* makes room, so that it can be moved later */
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

/* What the IRM wants to be sent. */
static int take_request(UnicastFlow *flow, const LayerMessage *order) {
        if (!flow_can_send_oap(flow->unicast, order->oap_size))
                return -EMSGSIZE;

        flow->layer.lane_class = order->lane_class;
        return flow_request_take(&flow->request, order);
}

/* The attempt before this one, while it is without an answer. */
static const UnicastFlow *unanswered_attempt(const UnicastFlow *flow, uint64_t attempt) {
        LayerFlow *before = layer_flows_get(&flow->unicast->flows, flow->layer.key.flow_id, (uint32_t) attempt);

        if (!before || unicast_flow(before)->peer_address == ADDRESS_NONE || unicast_flow(before)->peer_eid != 0)
                return NULL;

        return unicast_flow(before);
}

static void doubt_attempt_before(const UnicastFlow *flow, usec_t now) {
        const UnicastFlow *before;

        if (flow->layer.key.attempt == 0)
                return;

        before = unanswered_attempt(flow, flow->layer.key.attempt - 1);
        if (before)
                directory_doubt(flow->unicast->directory, flow->hash, flow->hash_size, before->peer_address, now);
}

/* -- to the addresses -- */

static bool was_tried(const UnicastFlow *flow, uint64_t address) {
        for (uint64_t attempt = 0; attempt < flow->layer.key.attempt; attempt++) {
                const UnicastFlow *before = unanswered_attempt(flow, attempt);

                if (before && before->peer_address == address)
                        return true;
        }

        return false;
}

static FlowMessage request_message(const UnicastFlow *flow) {
        return (FlowMessage) {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = flow->unicast->address,
                .sender_eid = flow->eid,
                .qos = flow->layer.qos,
                .hash = flow->hash,
                .hash_size = flow->hash_size,
                .oap = flow->request.oap,
                .oap_size = flow->request.oap_size,
        };
}

/* Never to ourselves: the IRM knows what there is on this host. */
static bool is_another_member(const UnicastFlow *flow, uint64_t address) {
        return address != flow->unicast->address && address != ADDRESS_NONE;
}

static bool send_request(UnicastFlow *flow, uint64_t address, usec_t now) {
        const FlowMessage message = request_message(flow);

        return is_another_member(flow, address) &&
               flow_send_allocation(flow->unicast, address, &message, now, &flow->message);
}

/* Takes the request there; one that is only being prepared looks whether it could go. */
static bool try_address(UnicastFlow *flow, uint64_t address, usec_t now) {
        if (flow->stage == FLOW_STAGE_PREPARING)
                return is_another_member(flow, address) && unicast_has_way(flow->unicast, address);

        return send_request(flow, address, now);
}

/* One to which there is a way: among those that were not tried yet, or else among the others. Each flow begins at
 * another one: who takes flows and is of no use, such as somebody who waits to be a member himself, must not be asked
 * for ever. */
static uint64_t request_one_of(UnicastFlow *flow, const uint64_t *addresses, size_t n_addresses, bool tried,
                               usec_t now) {
        size_t first = n_addresses > 0 ? (flow->eid >> EID_SLOT_BITS) % n_addresses : 0;

        for (size_t i = 0; i < n_addresses; i++) {
                uint64_t address = addresses[(first + i) % n_addresses];

                if (was_tried(flow, address) == tried && try_address(flow, address, now))
                        return address;
        }

        return ADDRESS_NONE;
}

/* All of them may be of members that are gone, while others know who serves the name now. Not from within the
 * directory's answer: it is told of them, and asked again, a moment later. */
static bool remember_unreachable(UnicastFlow *flow, const uint64_t *addresses, size_t n_addresses, usec_t now) {
        if (++flow->n_lookups >= FLOW_LOOKUPS_MAX)
                return false;

        flow->n_unreachable = MIN(n_addresses, ELEMENTSOF(flow->unreachable));
        memcpy(flow->unreachable, addresses, flow->n_unreachable * sizeof(*addresses));
        return unicast_flow_watch(flow, now) >= 0;
}

void flow_look_up_again(UnicastFlow *flow, usec_t now) {
        Directory *directory = flow->unicast->directory;
        int r = -ENETDOWN;

        if (flow->lookup || flow->n_unreachable == 0)
                return;                 /* the lookup of its name has its own end */

        for (size_t i = 0; directory && i < flow->n_unreachable; i++)
                directory_doubt(directory, flow->hash, flow->hash_size, flow->unreachable[i], now);
        flow->n_unreachable = 0;

        if (directory)
                r = flow_look_up(flow, now);
        if (r < 0)
                request_failed(flow, r, now);
}

static void request_sent(UnicastFlow *flow, uint64_t address, usec_t now) {
        flow_request_done(&flow->request);
        flow->peer_address = address;
        flow->requested = now;
        layer_flow_set_state(&flow->layer, LAYER_FLOW_REQUESTED);
        (void) unicast_flow_watch(flow, usec_add(now, FLOW_REQUEST_KEEP_USEC));
}

static void prepare_request(UnicastFlow *flow, uint64_t address, usec_t now) {
        const FlowMessage message = request_message(flow);
        const FlowEnds ends = { .asking = flow->unicast->address, .answering = address };
        uint8_t header[FLOW_MESSAGE_HEADER_BYTES];
        FlowBinding binding;

        flow_message_pack_header(&message, header);
        unicast_binding(flow->unicast, &ends, &message, flow->hash, &flow->layer.qos, header, &binding);

        flow->peer_address = address;
        flow->stage = FLOW_STAGE_PREPARED;
        (void) unicast_flow_watch(flow, usec_add(now, FLOW_PREPARED_KEEP_USEC));
        answer_prepared(flow, 0, &binding);
}

void flow_addresses_found(UnicastFlow *flow, int error, const uint64_t *addresses, size_t n_addresses, usec_t now) {
        uint64_t address;

        if (n_addresses == 0)
                return request_failed(flow, error < 0 ? error : -ENOENT, now);

        address = request_one_of(flow, addresses, n_addresses, false, now);
        if (address == ADDRESS_NONE)
                address = request_one_of(flow, addresses, n_addresses, true, now);
        if (address == ADDRESS_NONE && remember_unreachable(flow, addresses, n_addresses, now))
                return;
        if (address == ADDRESS_NONE)
                return request_failed(flow, -ENETUNREACH, now);

        if (flow->stage == FLOW_STAGE_PREPARING)
                prepare_request(flow, address, now);
        else
                request_sent(flow, address, now);
}

/* -- the orders -- */

static void find_members(UnicastFlow *flow, usec_t now) {
        int r;

        doubt_attempt_before(flow, now);
        r = flow_look_up(flow, now);
        if (r < 0)
                request_failed(flow, r, now);
}

void unicast_prepare(Unicast *u, const LayerMessage *order, usec_t now) {
        UnicastFlow *flow;
        int r;

        if (order->reference != 0)
                return incoming_prepare(u, order, now);

        r = flow_start(u, order, FLOW_STAGE_PREPARING, now, &flow);
        if (r < 0)
                return u->events->prepared(u->userdata, order->flow_id, order->attempt, 0, r, NULL, NULL);

        find_members(flow, now);
}

/* One that was prepared. What it is bound to must still be so. */
static void request_prepared(UnicastFlow *flow, const LayerMessage *order, usec_t now) {
        int r = 0;

        flow->stage = FLOW_STAGE_ORDERED;
        if (order->hash_size != flow->hash_size || memcmp(order->hash, flow->hash, flow->hash_size) != 0)
                r = -EINVAL;
        else if (!flow->unicast->is_member || flow->own_address != flow->unicast->address)
                r = -ENETDOWN;
        if (r >= 0)
                r = take_request(flow, order);
        if (r >= 0 && !send_request(flow, flow->peer_address, now))
                r = -ENETUNREACH;
        if (r < 0)
                return request_failed(flow, r, now);

        request_sent(flow, flow->peer_address, now);
}

void unicast_request(Unicast *u, const LayerMessage *order, usec_t now) {
        LayerFlow *before = layer_flows_get(&u->flows, order->flow_id, order->attempt);
        UnicastFlow *flow;
        int r;

        if (before && before->state == LAYER_FLOW_STARTING && unicast_flow(before)->stage == FLOW_STAGE_PREPARED)
                return request_prepared(unicast_flow(before), order, now);

        r = flow_start(u, order, FLOW_STAGE_ORDERED, now, &flow);
        if (r < 0)
                return u->events->failed(u->userdata, order->flow_id, order->attempt, r);

        r = take_request(flow, order);
        if (r < 0)
                return request_failed(flow, r, now);

        find_members(flow, now);
}

/* -- the reply -- */

static void reply_accepted(UnicastFlow *flow, const FlowMessage *message, usec_t now) {
        Unicast *u = flow->unicast;
        const FlowEnds ends = { .asking = flow->own_address, .answering = flow->peer_address };
        FlowBinding binding;
        int r;

        flow->peer_eid = message->sender_eid;
        fragmented_message_done(&flow->message);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);

        /* The IRM answers with what it takes to close the peer's end, if it no longer wants the flow. */
        unicast_binding(u, &ends, message, flow->hash, &flow->layer.qos, message->fixed, &binding);
        r = u->events->reply(u->userdata, &flow->layer, 0, message->oap, message->oap_size, &binding);
        if (r < 0 || flow->layer.state == LAYER_FLOW_ABANDONED)
                return unicast_flow_end(flow, now);

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ANSWERED);
        (void) unicast_flow_watch(flow, usec_add(now, FLOW_ANSWERED_KEEP_USEC));
}

void flow_reply_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);

        /* Once, and only while it is awaited; whether it answers what was asked is for the IRM to say, from the OAP
         * in it. */
        if (!flow || (flow->layer.state != LAYER_FLOW_REQUESTED && flow->layer.state != LAYER_FLOW_ABANDONED))
                return flow_unknown_eid(u, from);

        durations_add(&u->allocation_usec, usec_sub(now, flow->requested));
        if (message->response == 0)
                return reply_accepted(flow, message, now);

        (void) u->events->reply(u->userdata, &flow->layer, flow_refusal(message->response), NULL, 0, NULL);
        unicast_flow_end(flow, now);
}
