/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/oap.h"
#include "services/ipcp-eth/flow.h"

#define FLOW_SAVED_BYTES 16U

EthernetFlow *ethernet_flow_free(EthernetFlow *flow) {
        if (!flow)
                return NULL;

        assert(!flow->layer.upper);

        if (flow->n_close_repeats > 0)
                flow->ethernet->n_closing--;
        layer_flows_remove(&flow->ethernet->flows, &flow->layer);
        list_unlink(&flow->by_tombstone);
        list_unlink(&flow->by_searching);
        expiry_remove(&flow->ethernet->expiries, &flow->expiry);
        if (flow->endpoint != 0)
                shim_endpoints_release(flow->ethernet->endpoints, flow->endpoint);
        early_packets_drop(&flow->early, &flow->ethernet->n_early);
        lane_free(flow->layer.lane);
        free(flow->request);
        return mfree(flow);
}

/* Stragglers of the oldest closed flow have waited longest: it gives its id away where all are taken. */
static int take_endpoint(Ethernet *e, EthernetFlow *flow) {
        uint32_t id;
        int r;

        if (shim_endpoints_n_free(e->endpoints) == 0)
                ethernet_flow_free(list_first(&e->tombstones, EthernetFlow, by_tombstone));

        r = shim_endpoints_take(e->endpoints, e->events->random(e->userdata), flow, &id);
        if (r < 0)
                return r;

        flow->endpoint = (uint16_t) id;
        return 0;
}

/* A flow without an endpoint id. */
static int flow_new(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        int r;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        flow->ethernet = e;
        flow->local = e->link.address;
        list_init(&flow->by_tombstone);
        list_init(&flow->by_searching);

        r = layer_flows_add(&e->flows, &flow->layer, flow_id, attempt);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

int ethernet_flow_new(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        int r;

        r = flow_new(e, flow_id, attempt, &flow);
        if (r < 0)
                return r;

        r = take_endpoint(e, flow);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

/* Room for a flow's entry is made when it first gets one; a flow that cannot be watched is not kept. */
static int flow_watch(EthernetFlow *flow, usec_t when) {
        return expiry_set(&flow->ethernet->expiries, &flow->expiry, when);
}

static void flow_send_close(EthernetFlow *flow, usec_t now) {
        const ManagementMessage message = {
                .code = MANAGEMENT_CLOSE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .token = flow->layer.tokens.peer,
        };

        if (!flow->layer.tokens.have_peer || flow->peer_endpoint == 0 || flow->peer_closed)
                return;

        flow->close_sent = now;
        (void) eth_send_message(flow->ethernet, &flow->peer, &flow->local, &message);
}

/* The closes of many flows at once overrun the peer's socket; their repetitions come one by one. */
static usec_t close_repeat_usec(const Ethernet *e) {
        return FLOW_CLOSE_REPEAT_USEC + (usec_t) e->n_closing * FLOW_CLOSE_SPACING_USEC;
}

/* Takes the flow out of service, with a close to a peer that understands it. */
static void flow_end(EthernetFlow *flow, usec_t now) {
        bool repeat = flow->layer.tokens.have_peer && flow->peer_endpoint != 0 && !flow->peer_closed;

        layer_flow_set_state(&flow->layer, LAYER_FLOW_CLOSED);
        list_unlink(&flow->by_searching);
        list_append(&flow->ethernet->tombstones, &flow->by_tombstone);
        early_packets_drop(&flow->early, &flow->ethernet->n_early);
        flow->layer.lane = lane_free(flow->layer.lane);

        flow_send_close(flow, now);
        if (repeat) {
                flow->n_close_repeats = FLOW_CLOSE_REPEATS;
                flow->ethernet->n_closing++;
        }
        if (flow_watch(flow, usec_add(now, repeat ? close_repeat_usec(flow->ethernet) : FLOW_CLOSED_KEEP_USEC)) < 0)
                ethernet_flow_free(flow);
}

/* The flow is over and the IRM does not know yet. */
static void flow_down(EthernetFlow *flow, CloseReason reason, usec_t now) {
        flow->ethernet->events->down(flow->ethernet->userdata, &flow->layer, reason);
        flow_end(flow, now);
}

/* -- outgoing -- */

static void request_failed(EthernetFlow *flow, int result, usec_t now) {
        (void) flow->ethernet->events->reply(flow->ethernet->userdata, &flow->layer, result, NULL, 0);
        flow_end(flow, now);
}

void ethernet_flow_found(EthernetFlow *flow, const FrameAddress *peer, usec_t now) {
        Ethernet *e = flow->ethernet;
        _cleanup_free_ uint8_t *request = TAKE_PTR(flow->request);
        const ManagementMessage message = {
                .code = MANAGEMENT_FLOW_REQUEST,
                .sender = flow->endpoint,
                .qos = flow->layer.qos,
                .hash = flow->hash,
                .oap = request,
                .oap_size = flow->request_size,
        };

        list_unlink(&flow->by_searching);

        if (!peer)
                return request_failed(flow, -ENOENT, now);

        flow->peer = *peer;
        if (!eth_send_message(e, &flow->peer, &flow->local, &message))
                return request_failed(flow, e->link.up ? -ENOBUFS : -ENETDOWN, now);

        flow->requested = now;
        layer_flow_set_state(&flow->layer, LAYER_FLOW_REQUESTED);
        (void) flow_watch(flow, usec_add(now, FLOW_REQUEST_KEEP_USEC));
}

/* An attempt for which there is no endpoint id, no memory or no link never becomes a flow. */
static int request_start(Ethernet *e, const LayerMessage *order, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        int r;

        if (order->hash_size != e->hash_size || order->attempt >= LAYER_ATTEMPTS_MAX)
                return -EINVAL;
        if (order->oap_size > ethernet_oap_max(e))
                return e->link.up ? -EMSGSIZE : -ENETDOWN;
        if (!e->link.up)
                return -ENETDOWN;

        r = ethernet_flow_new(e, order->flow_id, order->attempt, &flow);
        if (r < 0)
                return r;

        flow->layer.qos = flow->layer.granted = order->qos;     /* one class of traffic: nothing to tell apart */
        flow->layer.lane_class = order->lane_class;
        flow->hash_size = order->hash_size;
        memcpy(flow->hash, order->hash, order->hash_size);

        flow->request = malloc(MAX(order->oap_size, (size_t) 1));
        if (!flow->request)
                return -ENOMEM;

        memcpy(flow->request, order->oap, order->oap_size);
        flow->request_size = order->oap_size;

        r = flow_watch(flow, USEC_INFINITY - 1);        /* makes room, so that it can be moved later */
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

void ethernet_request(Ethernet *e, const LayerMessage *order, usec_t now) {
        const ShimName *name;
        EthernetFlow *flow;
        int r;

        r = request_start(e, order, &flow);
        if (r < 0)
                return e->events->failed(e->userdata, order->flow_id, order->attempt, r);

        /* The attempt before this one had no answer: perhaps the host moved. */
        if (order->attempt > 0)
                shim_name_doubt(&e->names, flow->hash, flow->hash_size);

        r = shim_name_look_up(&e->names, flow->hash, flow->hash_size, now, &name);
        if (r < 0)
                return request_failed(flow, r, now);
        if (r > 0) {
                FrameAddress peer;

                memcpy(peer.bytes, name->address, FRAME_ADDRESS_BYTES);
                return ethernet_flow_found(flow, &peer, now);
        }

        list_append(&e->searching, &flow->by_searching);
        name_query_expire(e, now);      /* sends the first query */
}

/* Errors of the wire are all below the errnos: what else a peer says must not pass for an error of this host. */
static int32_t refusal(int32_t response) {
        return MIN(response, OAP_WIRE_ERROR_NOT_ALLOCATED);
}

void flow_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);
        int r;

        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (flow->layer.state != LAYER_FLOW_REQUESTED && flow->layer.state != LAYER_FLOW_ABANDONED)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (!frame_address_equal(&frame->source, &flow->peer))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);
        if (message->response > 0)
                return counters_drop(&e->counters, DROP_MALFORMED);

        durations_add(&e->allocation_usec, usec_sub(now, flow->requested));
        if (message->response < 0) {
                (void) e->events->reply(e->userdata, &flow->layer, refusal(message->response), NULL, 0);
                return flow_end(flow, now);
        }

        flow->peer_endpoint = message->sender;
        shim_name_confirm(&e->names, flow->hash, flow->hash_size, frame->source.bytes, FRAME_ADDRESS_BYTES, now);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);

        /* The IRM answers with what it takes to close the peer's end, if it no longer wants the flow. */
        r = e->events->reply(e->userdata, &flow->layer, 0, message->oap, message->oap_size);
        if (r < 0 || flow->layer.state == LAYER_FLOW_ABANDONED)
                return flow_end(flow, now);

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ANSWERED);
        (void) flow_watch(flow, usec_add(now, FLOW_ANSWERED_KEEP_USEC));
}

/* -- orders of the IRM about flows that exist -- */

void ethernet_abort(Ethernet *e, LayerFlow *layer_flow, const CloseTokens *tokens, usec_t now) {
        EthernetFlow *flow = ethernet_flow(layer_flow);

        /* Of several aborts of one flow the later ones may know less: they do not take the peer's token away. */
        if (flow->layer.state != LAYER_FLOW_CLOSED || tokens->have_peer)
                flow->layer.tokens = *tokens;

        switch (flow->layer.state) {

        case LAYER_FLOW_REQUESTED:
                /* Its reply may be on the way; it goes to the IRM, which knows the token in it. */
                layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
                (void) flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
                return;

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
                return flow_end(flow, now);

        case LAYER_FLOW_CLOSED:         /* the late reply came, and this is what the IRM says to it */
                return flow_send_close(flow, now);

        case LAYER_FLOW_ABANDONED:
        case LAYER_FLOW_ESTABLISHED:    /* too late; the IRM says close for these */
        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}

static void deliver_early(EthernetFlow *flow) {
        Ethernet *e = flow->ethernet;

        for (;;) {
                _cleanup_(packet_freep) Packet *packet = early_packets_take(&flow->early, &e->n_early);

                if (!packet)
                        return;

                e->events->deliver(e->userdata, flow, &packet, 1);
        }
}

void ethernet_established(Ethernet *e, LayerFlow *layer_flow, const CloseTokens *tokens, usec_t now) {
        EthernetFlow *flow = ethernet_flow(layer_flow);

        if (tokens->have_own || tokens->have_peer)
                flow->layer.tokens = *tokens;

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ESTABLISHED);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);
        (void) flow_watch(flow, liveness_next(&flow->liveness));

        deliver_early(flow);

        if (flow->peer_closed)
                flow_down(flow, CLOSE_NORMAL, now);
}

void ethernet_close(Ethernet *e, LayerFlow *layer_flow, usec_t now) {
        EthernetFlow *flow = ethernet_flow(layer_flow);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
        case LAYER_FLOW_ESTABLISHED:
                return flow_end(flow, now);

        case LAYER_FLOW_REQUESTED:
                layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
                (void) flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
                return;

        case LAYER_FLOW_ABANDONED:
        case LAYER_FLOW_CLOSED:
        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}

void ethernet_irm_lost(Ethernet *e, usec_t now) {
        LayerFlow *flow, *following;

        ethernet_forget_queries(e);
        incoming_forget(e);

        list_for_each_safe(flow, following, &e->flows.all, by_table)
                if (flow->state == LAYER_FLOW_STARTING || flow->state == LAYER_FLOW_REQUESTED ||
                    flow->state == LAYER_FLOW_ANSWERED)
                        flow_end(ethernet_flow(flow), now);
}

/* -- after a restart -- */

/*
 *   0  our address     6
 *   6  the peer's      6
 *  12  our endpoint id, the peer's endpoint id     u16 each
 */
size_t ethernet_flow_save(const EthernetFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]) {
        Writer w = writer_to(bytes, LAYER_FLOW_BYTES_MAX);

        writer_bytes(&w, flow->local.bytes, FRAME_ADDRESS_BYTES);
        writer_bytes(&w, flow->peer.bytes, FRAME_ADDRESS_BYTES);
        writer_be16(&w, flow->endpoint);
        writer_be16(&w, flow->peer_endpoint);
        return FLOW_SAVED_BYTES;
}

int ethernet_flow_restore(Ethernet *e, const LayerFlowRecord *record, usec_t now, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        Cursor c = cursor_from(record->bytes, record->size);
        FrameAddress local, peer;
        uint16_t endpoint, peer_endpoint;
        int r;

        cursor_copy(&c, local.bytes, FRAME_ADDRESS_BYTES);
        cursor_copy(&c, peer.bytes, FRAME_ADDRESS_BYTES);
        endpoint = cursor_be16(&c);
        peer_endpoint = cursor_be16(&c);
        if (c.bad || record->size != FLOW_SAVED_BYTES || peer_endpoint == 0 || !frame_address_is_station(&local) ||
            !frame_address_is_station(&peer))
                return -EBADMSG;

        r = flow_new(e, record->key.flow_id, (uint32_t) record->key.attempt, &flow);
        if (r < 0)
                return r;

        r = shim_endpoints_take_again(e->endpoints, endpoint, flow);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        flow->endpoint = endpoint;
        flow->local = local;
        flow->peer = peer;
        flow->peer_endpoint = peer_endpoint;
        liveness_init(&flow->liveness, record->qos.timeout_ms, now);

        r = flow_watch(flow, liveness_next(&flow->liveness));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

/* -- what the peer says later -- */

void flow_close_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);

        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        /* The token is what nobody else has; the address and the id say that the peer means this flow. */
        if (!frame_address_equal(&frame->source, &flow->peer) || flow->peer_endpoint != message->sender ||
            !layer_flow_token_matches(&flow->layer, message->token))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until there is somebody to read it. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED)
                flow_down(flow, CLOSE_NORMAL, now);
}

void flow_data_after_close(EthernetFlow *flow, usec_t now) {
        if (now >= usec_add(flow->close_sent, FLOW_CLOSE_ANSWER_USEC))
                flow_send_close(flow, now);
}

void flow_hold_early(EthernetFlow *flow, const Packet *packet) {
        Ethernet *e = flow->ethernet;
        int r;

        r = early_packets_hold(&flow->early, &e->n_early, packet);
        if (r < 0)
                counters_drop(&e->counters, r == -EBUSY ? DROP_LIMIT : DROP_NO_MEMORY);
}

/* -- time -- */

static void expire_established(EthernetFlow *flow, usec_t now) {
        switch (liveness_expire(&flow->liveness, now)) {

        case LIVENESS_NOTHING:
                break;

        case LIVENESS_SEND:
                (void) eth_send_keepalive(flow->ethernet, flow, now);
                break;

        case LIVENESS_DEAD:
                return flow_down(flow, CLOSE_PEER_TIMEOUT, now);
        }

        (void) flow_watch(flow, liveness_next(&flow->liveness));
}

static void expire_closed(EthernetFlow *flow, usec_t now) {
        if (flow->n_close_repeats == 0) {
                ethernet_flow_free(flow);
                return;
        }

        flow_send_close(flow, now);
        if (--flow->n_close_repeats == 0)
                flow->ethernet->n_closing--;
        (void) flow_watch(flow, usec_add(now, flow->n_close_repeats > 0 ? FLOW_CLOSE_REPEAT_USEC
                                                                        : FLOW_CLOSED_KEEP_USEC));
}

void flow_expire(EthernetFlow *flow, usec_t now) {
        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
                return;                 /* the search for its name has its own end */

        case LAYER_FLOW_REQUESTED:
                layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
                (void) flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
                return;

        case LAYER_FLOW_ABANDONED:
                return flow_end(flow, now);

        case LAYER_FLOW_ANSWERED:
                return flow_down(flow, CLOSE_LAYER_DOWN, now);

        case LAYER_FLOW_ESTABLISHED:
                return expire_established(flow, now);

        case LAYER_FLOW_CLOSED:
                return expire_closed(flow, now);

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}
