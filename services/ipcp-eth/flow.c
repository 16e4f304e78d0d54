/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow's life: its tables, its end, and what is due when. */

#include "services/ipcp-eth/flow.h"

static void release_endpoint(EthernetFlow *flow, uint16_t endpoint) {
        if (endpoint != 0)
                shim_endpoints_release(flow->ethernet->endpoints, endpoint);
}

EthernetFlow *ethernet_flow_free(EthernetFlow *flow) {
        if (!flow)
                return NULL;

        assert(!flow->layer.upper);

        if (flow->incoming)
                incoming_flow_gone(flow->incoming);

        if (flow->n_close_repeats > 0)
                flow->ethernet->n_closing--;
        layer_flows_remove(&flow->ethernet->flows, &flow->layer);
        list_unlink(&flow->by_tombstone);
        list_unlink(&flow->by_searching);
        expiry_remove(&flow->ethernet->expiries, &flow->expiry);
        release_endpoint(flow, flow->endpoint);
        release_endpoint(flow, flow->next_endpoint);
        release_endpoint(flow, flow->old_endpoint);
        fragmented_message_done(&flow->message);
        flow_control_wipe(&flow->layer.control);
        early_packets_drop(&flow->early, &flow->ethernet->n_early);
        lane_free(flow->layer.lane);
        flow_request_done(&flow->request);
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

int ethernet_flow_new_bare(Ethernet *e, uint64_t flow_id, uint32_t attempt, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        int r;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        flow->ethernet = e;
        flow->local = e->link.address;
        flow->due = USEC_INFINITY;
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

        r = ethernet_flow_new_bare(e, flow_id, attempt, &flow);
        if (r < 0)
                return r;

        r = take_endpoint(e, flow);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

static usec_t next_due(const EthernetFlow *flow) {
        usec_t next = MIN(flow->due, fragmented_message_next(&flow->message));

        return flow->layer.state == LAYER_FLOW_ESTABLISHED ? MIN(next, flow_upkeep_next(&flow->upkeep)) : next;
}

int ethernet_flow_watch(EthernetFlow *flow, usec_t when) {
        flow->due = when;
        return expiry_set(&flow->ethernet->expiries, &flow->expiry, next_due(flow));
}

void ethernet_flow_watch_again(EthernetFlow *flow) {
        (void) ethernet_flow_watch(flow, flow->due);
}

/* Nothing of it was ever on the wire. */
static bool is_unborn(const EthernetFlow *flow) {
        return flow->layer.state == LAYER_FLOW_STARTING && (flow->incoming || flow->stage != FLOW_STAGE_ORDERED);
}

void ethernet_flow_end(EthernetFlow *flow, usec_t now) {
        bool repeat = flow->layer.tokens.have_peer && flow->peer_endpoint != 0 && !flow->peer_closed;

        if (is_unborn(flow)) {
                ethernet_flow_free(flow);
                return;
        }

        flow_seal_close(flow);
        fragmented_message_done(&flow->message);
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
        if (ethernet_flow_watch(flow, usec_add(now, repeat ? flow_close_repeat_usec(flow->ethernet->n_closing)
                                                           : FLOW_CLOSED_KEEP_USEC)) < 0)
                ethernet_flow_free(flow);
}

void ethernet_flow_down(EthernetFlow *flow, CloseReason reason, usec_t now) {
        flow->ethernet->events->down(flow->ethernet->userdata, &flow->layer, reason);
        ethernet_flow_end(flow, now);
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
                (void) ethernet_flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
                return;

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
                return ethernet_flow_end(flow, now);

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
        flow_upkeep_begin(flow, now);
        (void) ethernet_flow_watch(flow, liveness_next(&flow->liveness));

        deliver_early(flow);

        if (flow->peer_closed)
                ethernet_flow_down(flow, CLOSE_NORMAL, now);
}

void ethernet_close(Ethernet *e, LayerFlow *layer_flow, usec_t now) {
        EthernetFlow *flow = ethernet_flow(layer_flow);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
        case LAYER_FLOW_ESTABLISHED:
                return ethernet_flow_end(flow, now);

        case LAYER_FLOW_REQUESTED:
                layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
                (void) ethernet_flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
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
                        ethernet_flow_end(ethernet_flow(flow), now);
}

/* -- what the peer sends -- */

void flow_heard(EthernetFlow *flow, usec_t now) {
        liveness_heard(&flow->liveness, now);

        /* Who sends to us has our reply; who has keys says so with a proof, and first of all. */
        if (flow->message.bytes && !flow->layer.control.present)
                fragmented_message_done(&flow->message);
        if (flow_upkeep_received(&flow->upkeep, 1))
                (void) expiry_set(&flow->ethernet->expiries, &flow->expiry, now);
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
                if (now >= usec_add(flow->liveness.heard, flow->liveness.timeout_usec / 2))
                        flow_probe(flow, now);
                break;

        case LIVENESS_ASK:
                liveness_asked(&flow->liveness, now);
                flow_ask(flow, now);
                break;

        case LIVENESS_DEAD:
                return ethernet_flow_down(flow, CLOSE_PEER_TIMEOUT, now);
        }

        (void) ethernet_flow_watch(flow, liveness_next(&flow->liveness));
}

static void expire_closed(EthernetFlow *flow, usec_t now) {
        if (flow->n_close_repeats == 0) {
                ethernet_flow_free(flow);
                return;
        }

        flow_send_close(flow, now);
        if (--flow->n_close_repeats == 0)
                flow->ethernet->n_closing--;
        (void) ethernet_flow_watch(flow, usec_add(now, flow->n_close_repeats > 0 ? FLOW_CLOSE_REPEAT_USEC
                                                                        : FLOW_CLOSED_KEEP_USEC));
}

/* The IRM never came back to it. */
static void expire_starting(EthernetFlow *flow) {
        Ethernet *e = flow->ethernet;
        const LayerFlowKey key = flow->layer.key;

        if (flow->stage != FLOW_STAGE_PREPARED)
                return;                 /* the search for its name has its own end */

        ethernet_flow_free(flow);
        e->events->failed(e->userdata, key.flow_id, (uint32_t) key.attempt, -ETIMEDOUT);
}

void flow_expire(EthernetFlow *flow, usec_t now) {
        if (fragment_repeats_due(&flow->message.repeats, now) && flow->message.bytes)
                eth_send_pieces(flow->ethernet, &flow->peer, &flow->local, &flow->message);
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                flow_upkeep_run(flow, now);
        if (now < flow->due)
                return ethernet_flow_watch_again(flow);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
                return expire_starting(flow);

        case LAYER_FLOW_REQUESTED:
                layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
                (void) ethernet_flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
                return;

        case LAYER_FLOW_ABANDONED:
                return ethernet_flow_end(flow, now);

        case LAYER_FLOW_ANSWERED:
                return ethernet_flow_down(flow, CLOSE_LAYER_DOWN, now);

        case LAYER_FLOW_ESTABLISHED:
                return expire_established(flow, now);

        case LAYER_FLOW_CLOSED:
                return expire_closed(flow, now);

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}
