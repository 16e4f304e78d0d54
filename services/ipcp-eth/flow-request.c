/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Outgoing flows: from the IRM's order over the station that serves the name to its reply. Where the request is to be
 * bound to what both hosts will see of it, the IRM has it prepared first: the name is found then, and the request
 * goes to that station from that endpoint id or not at all.
 */

#include "services/ipcp-eth/flow.h"

static void answer_prepared(EthernetFlow *flow, int32_t result, const FlowBinding *binding) {
        const LayerFlowKey *key = &flow->layer.key;

        flow->ethernet->events->prepared(flow->ethernet->userdata, key->flow_id, (uint32_t) key->attempt, 0,
                                         result, binding, NULL);
}

static void request_failed(EthernetFlow *flow, int result, usec_t now) {
        if (flow->stage == FLOW_STAGE_PREPARING)
                answer_prepared(flow, result, NULL);
        else
                (void) flow->ethernet->events->reply(flow->ethernet->userdata, &flow->layer, result, NULL, 0, NULL);

        ethernet_flow_end(flow, now);
}

/* -- what both hosts see -- */

void ethernet_binding(const Ethernet *e, const FrameAddress *asking, const FrameAddress *answering,
                      const ManagementMessage *message, const uint8_t *hash, const o7s_qos *qos,
                      const uint8_t *fixed, FlowBinding *ret) {
        bool is_request = message->code == MANAGEMENT_FLOW_REQUEST;
        const FlowBindingParts parts = {
                .layer = e->framing->layer_type,
                .address_size = FRAME_ADDRESS_BYTES,
                .asking_address = asking->bytes,
                .answering_address = answering->bytes,
                .asking_endpoint = is_request ? message->sender : message->receiver,
                .answering_endpoint = is_request ? 0 : message->sender,
                .hash_size = e->hash_size,
                .hash = hash,
                .qos = qos,
                .header_size = e->framing->management_bytes,
                .header = fixed,
        };

        flow_binding_make(&parts, ret);
}

static ManagementMessage request_message(const EthernetFlow *flow) {
        return (ManagementMessage) {
                .code = MANAGEMENT_FLOW_REQUEST,
                .sender = flow->endpoint,
                .qos = flow->layer.qos,
                .hash = flow->hash,
                .oap = flow->request.oap,
                .oap_size = flow->request.oap_size,
        };
}

/* -- the station is known -- */

static void prepare_request(EthernetFlow *flow, usec_t now) {
        const ManagementMessage message = request_message(flow);
        uint8_t fixed[MANAGEMENT_FIXED_BYTES_MAX];
        FlowBinding binding;

        (void) management_pack_fixed(flow->ethernet->framing, &message, fixed);
        ethernet_binding(flow->ethernet, &flow->local, &flow->peer, &message, flow->hash, &flow->layer.qos,
                         fixed, &binding);

        flow->stage = FLOW_STAGE_PREPARED;
        (void) ethernet_flow_watch(flow, usec_add(now, FLOW_PREPARED_KEEP_USEC));
        answer_prepared(flow, 0, &binding);
}

static void send_request(EthernetFlow *flow, usec_t now) {
        Ethernet *e = flow->ethernet;
        const ManagementMessage message = request_message(flow);
        bool sent;

        sent = eth_send_allocation(e, &flow->peer, &flow->local, &message, now, &flow->message);
        flow_request_done(&flow->request);
        if (!sent)
                return request_failed(flow, e->link.up ? -ENOBUFS : -ENETDOWN, now);

        flow->requested = now;
        layer_flow_set_state(&flow->layer, LAYER_FLOW_REQUESTED);
        (void) ethernet_flow_watch(flow, usec_add(now, FLOW_REQUEST_KEEP_USEC));
}

void ethernet_flow_found(EthernetFlow *flow, const FrameAddress *peer, usec_t now) {
        list_unlink(&flow->by_searching);

        if (!peer)
                return request_failed(flow, -ENOENT, now);

        flow->peer = *peer;
        if (flow->stage == FLOW_STAGE_PREPARING)
                return prepare_request(flow, now);

        send_request(flow, now);
}

/* -- the orders -- */

/* An attempt for which there is no endpoint id, no memory or no link never becomes a flow. */
static int flow_start(Ethernet *e, const LayerMessage *order, FlowStage stage, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        int r;

        if (order->hash_size != e->hash_size || order->attempt >= LAYER_ATTEMPTS_MAX)
                return -EINVAL;
        if (!e->link.up)
                return -ENETDOWN;
        if (stage == FLOW_STAGE_ORDERED && !eth_can_send_oap(e, order->oap_size))
                return -EMSGSIZE;

        r = ethernet_flow_new(e, order->flow_id, order->attempt, &flow);
        if (r < 0)
                return r;

        flow->stage = stage;
        flow->layer.qos = flow->layer.granted = order->qos;     /* one class of traffic: nothing to tell apart */
        flow->hash_size = order->hash_size;
        memcpy(flow->hash, order->hash, order->hash_size);

        r = ethernet_flow_watch(flow, USEC_INFINITY - 1);       /* makes room, so that it can be moved later */
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

/* What the IRM wants to be sent. */
static int take_request(EthernetFlow *flow, const LayerMessage *order) {
        if (!eth_can_send_oap(flow->ethernet, order->oap_size))
                return flow->ethernet->link.up ? -EMSGSIZE : -ENETDOWN;

        flow->layer.lane_class = order->lane_class;
        return flow_request_take(&flow->request, order);
}

static void find_station(EthernetFlow *flow, usec_t now) {
        Ethernet *e = flow->ethernet;
        const ShimName *name;
        FrameAddress peer;
        int r;

        /* The attempt before this one had no answer: perhaps the host moved. */
        if (flow->layer.key.attempt > 0)
                shim_name_doubt(&e->names, flow->hash, flow->hash_size);

        r = shim_name_look_up(&e->names, flow->hash, flow->hash_size, now, &name);
        if (r < 0)
                return request_failed(flow, r, now);
        if (r == 0) {
                list_append(&e->searching, &flow->by_searching);
                return name_query_expire(e, now);       /* sends the first query */
        }

        memcpy(peer.bytes, name->address, FRAME_ADDRESS_BYTES);
        ethernet_flow_found(flow, &peer, now);
}

void ethernet_prepare(Ethernet *e, const LayerMessage *order, usec_t now) {
        EthernetFlow *flow;
        int r;

        if (order->reference != 0)
                return incoming_prepare(e, order, now);

        r = flow_start(e, order, FLOW_STAGE_PREPARING, &flow);
        if (r < 0)
                return e->events->prepared(e->userdata, order->flow_id, order->attempt, 0, r, NULL, NULL);

        find_station(flow, now);
}

/* One that was prepared. What it is bound to must still be so. */
static void request_prepared(EthernetFlow *flow, const LayerMessage *order, usec_t now) {
        Ethernet *e = flow->ethernet;
        int r = 0;

        flow->stage = FLOW_STAGE_ORDERED;
        if (order->hash_size != flow->hash_size || memcmp(order->hash, flow->hash, flow->hash_size) != 0)
                r = -EINVAL;
        else if (!e->link.up || !frame_address_equal(&flow->local, &e->link.address))
                r = -ENETDOWN;
        if (r >= 0)
                r = take_request(flow, order);
        if (r < 0)
                return request_failed(flow, r, now);

        send_request(flow, now);
}

void ethernet_request(Ethernet *e, const LayerMessage *order, usec_t now) {
        LayerFlow *before = layer_flows_get(&e->flows, order->flow_id, order->attempt);
        EthernetFlow *flow;
        int r;

        if (before && before->state == LAYER_FLOW_STARTING && ethernet_flow(before)->stage == FLOW_STAGE_PREPARED)
                return request_prepared(ethernet_flow(before), order, now);

        r = flow_start(e, order, FLOW_STAGE_ORDERED, &flow);
        if (r < 0)
                return e->events->failed(e->userdata, order->flow_id, order->attempt, r);

        r = take_request(flow, order);
        if (r < 0)
                return request_failed(flow, r, now);

        find_station(flow, now);
}

/* -- the reply -- */

static void reply_accepted(EthernetFlow *flow, const Frame *frame, const ManagementMessage *message, usec_t now) {
        Ethernet *e = flow->ethernet;
        FlowBinding binding;
        int r;

        flow->peer_endpoint = message->sender;
        fragmented_message_done(&flow->message);
        shim_name_confirm(&e->names, flow->hash, flow->hash_size, frame->source.bytes, FRAME_ADDRESS_BYTES, now);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);

        /* The IRM answers with what it takes to close the peer's end, if it no longer wants the flow. */
        ethernet_binding(e, &frame->destination, &frame->source, message, flow->hash, &flow->layer.qos,
                         message->fixed, &binding);
        r = e->events->reply(e->userdata, &flow->layer, 0, message->oap, message->oap_size, &binding);
        if (r < 0 || flow->layer.state == LAYER_FLOW_ABANDONED)
                return ethernet_flow_end(flow, now);

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ANSWERED);
        (void) ethernet_flow_watch(flow, usec_add(now, FLOW_ANSWERED_KEEP_USEC));
}

void flow_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);

        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (flow->layer.state != LAYER_FLOW_REQUESTED && flow->layer.state != LAYER_FLOW_ABANDONED)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (!frame_address_equal(&frame->source, &flow->peer))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);
        if (message->response > 0)
                return counters_drop(&e->counters, DROP_MALFORMED);

        durations_add(&e->allocation_usec, usec_sub(now, flow->requested));
        if (message->response == 0)
                return reply_accepted(flow, frame, message, now);

        (void) e->events->reply(e->userdata, &flow->layer, flow_refusal(message->response), NULL, 0, NULL);
        ethernet_flow_end(flow, now);
}
