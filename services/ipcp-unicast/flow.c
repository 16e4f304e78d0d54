/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow's life: its tables, its end, and what is due when. The same rules as in every layer. */

#include "services/ipcp-unicast/flow.h"

/* What it waited for does not matter any more. */
static void stop_waiting(UnicastFlow *flow) {
        flow_stop_looking_up(flow);
        list_unlink(&flow->by_waiting);
        flow->waiting = false;
        flow->budget_again = 0;
}

static void release_eid(UnicastFlow *flow, uint64_t eid) {
        if (eid != 0)
                eids_release(flow->unicast->eids, eid);
}

UnicastFlow *unicast_flow_free(UnicastFlow *flow) {
        if (!flow)
                return NULL;

        assert(!flow->layer.upper);

        if (flow->incoming)
                incoming_flow_gone(flow->incoming);

        if (flow->n_close_repeats > 0)
                flow->unicast->n_closing--;
        layer_flows_remove(&flow->unicast->flows, &flow->layer);
        list_unlink(&flow->by_tombstone);
        stop_waiting(flow);
        expiry_remove(&flow->unicast->expiries, &flow->expiry);
        release_eid(flow, flow->eid);
        release_eid(flow, flow->next_eid);
        release_eid(flow, flow->old_eid);
        fragmented_message_done(&flow->message);
        flow_control_wipe(&flow->layer.control);
        early_packets_drop(&flow->early, &flow->unicast->n_early);
        lane_free(flow->layer.lane);
        flow_request_done(&flow->request);
        return mfree(flow);
}

/* Stragglers of the oldest closed flow have waited longest: it gives its id away where all are taken. */
int unicast_take_eid(UnicastFlow *flow, uint64_t *ret) {
        Unicast *u = flow->unicast;
        uint64_t random;
        int r;

        r = u->events->random(u->userdata, &random, sizeof(random));
        if (r < 0)
                return r;

        if (eids_n(u->eids) >= EIDS_MAX && !list_is_empty(&u->tombstones))
                unicast_flow_free(list_first(&u->tombstones, UnicastFlow, by_tombstone));

        return eids_take(u->eids, random, flow, ret);
}

int unicast_flow_new_bare(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now,
                          UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        int r;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        flow->unicast = u;
        flow->own_address = u->address;
        flow->due = USEC_INFINITY;
        list_init(&flow->by_tombstone);
        list_init(&flow->by_lookup);
        list_init(&flow->by_waiting);

        r = layer_flows_add(&u->flows, &flow->layer, flow_id, attempt);
        if (r < 0)
                return r;

        flow->layer.qos = *qos;
        flow->layer.granted = cube_granted_qos(qos);
        congestion_init(&flow->congestion, (CongestionPolicy) u->layer.congestion, now);
        liveness_init(&flow->liveness, qos->timeout_ms, now);

        *ret = TAKE_PTR(flow);
        return 0;
}

int unicast_flow_new(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now,
                     UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        int r;

        r = unicast_flow_new_bare(u, flow_id, attempt, qos, now, &flow);
        if (r < 0)
                return r;

        r = unicast_take_eid(flow, &flow->eid);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

static usec_t next_due(const UnicastFlow *flow) {
        usec_t next = MIN(flow->due, fragmented_message_next(&flow->message));

        if (flow->budget_again > 0)
                next = MIN(next, flow->budget_again);

        return flow->layer.state == LAYER_FLOW_ESTABLISHED ? MIN(next, flow_upkeep_next(&flow->upkeep)) : next;
}

int unicast_flow_watch(UnicastFlow *flow, usec_t when) {
        flow->due = when;
        return expiry_set(&flow->unicast->expiries, &flow->expiry, next_due(flow));
}

void unicast_flow_watch_again(UnicastFlow *flow) {
        (void) unicast_flow_watch(flow, flow->due);
}

static void send_keepalive(UnicastFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;

        packet_reset(u->message);

        /* Also where it could not be sent: the next one is due a quarter of the time-out later, not at once. */
        liveness_sent(&flow->liveness, now);
        (void) unicast_send_data(u, flow, u->message, now);
}

/* -- the end -- */

/* Nothing of it was ever on the wire. */
static bool is_unborn(const UnicastFlow *flow) {
        return flow->layer.state == LAYER_FLOW_STARTING && (flow->incoming || flow->stage != FLOW_STAGE_ORDERED);
}

void unicast_flow_end(UnicastFlow *flow, usec_t now) {
        bool repeat = flow_peer_understands_close(flow);

        if (is_unborn(flow)) {
                unicast_flow_free(flow);
                return;
        }

        flow_seal_close(flow);
        fragmented_message_done(&flow->message);
        layer_flow_set_state(&flow->layer, LAYER_FLOW_CLOSED);
        stop_waiting(flow);
        list_append(&flow->unicast->tombstones, &flow->by_tombstone);
        early_packets_drop(&flow->early, &flow->unicast->n_early);
        flow->layer.lane = lane_free(flow->layer.lane);

        flow_send_close(flow, now);
        if (repeat) {
                flow->n_close_repeats = FLOW_CLOSE_REPEATS;
                flow->unicast->n_closing++;
        }
        if (unicast_flow_watch(flow, usec_add(now, repeat ? flow_close_repeat_usec(flow->unicast->n_closing)
                                                          : FLOW_CLOSED_KEEP_USEC)) < 0)
                unicast_flow_free(flow);
}

void unicast_flow_down(UnicastFlow *flow, CloseReason reason, usec_t now) {
        flow->unicast->events->down(flow->unicast->userdata, &flow->layer, reason);
        unicast_flow_end(flow, now);
}

/* -- orders of the IRM about flows that exist -- */

static void abandon(UnicastFlow *flow, usec_t now) {
        layer_flow_set_state(&flow->layer, LAYER_FLOW_ABANDONED);
        (void) unicast_flow_watch(flow, usec_add(now, FLOW_ABANDONED_KEEP_USEC));
}

void unicast_abort(Unicast *u, LayerFlow *layer_flow, const CloseTokens *tokens, usec_t now) {
        UnicastFlow *flow = unicast_flow(layer_flow);

        /* Of several aborts of one flow the later ones may know less: they do not take the peer's token away. */
        if (flow->layer.state != LAYER_FLOW_CLOSED || tokens->have_peer)
                flow->layer.tokens = *tokens;

        switch (flow->layer.state) {

        case LAYER_FLOW_REQUESTED:
                /* Its reply may be on the way; it goes to the IRM, which knows the token in it. */
                return abandon(flow, now);

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
                return unicast_flow_end(flow, now);

        case LAYER_FLOW_CLOSED:         /* the late reply came, and this is what the IRM says to it */
                return flow_send_close(flow, now);

        case LAYER_FLOW_ABANDONED:
        case LAYER_FLOW_ESTABLISHED:    /* too late; the IRM says close for these */
        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}

void unicast_established(Unicast *u, LayerFlow *layer_flow, const CloseTokens *tokens, usec_t now) {
        UnicastFlow *flow = unicast_flow(layer_flow);

        if (tokens->have_own || tokens->have_peer)
                flow->layer.tokens = *tokens;

        layer_flow_set_state(&flow->layer, LAYER_FLOW_ESTABLISHED);
        liveness_init(&flow->liveness, flow->layer.qos.timeout_ms, now);
        flow_upkeep_begin(flow, now);
        (void) unicast_flow_watch(flow, liveness_next(&flow->liveness));

        flow_way_begin(flow, now);
        flow_deliver_early(flow);

        if (flow->peer_closed)
                unicast_flow_down(flow, CLOSE_NORMAL, now);
}

void unicast_close(Unicast *u, LayerFlow *layer_flow, usec_t now) {
        UnicastFlow *flow = unicast_flow(layer_flow);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_ANSWERED:
        case LAYER_FLOW_ESTABLISHED:
                return unicast_flow_end(flow, now);

        case LAYER_FLOW_REQUESTED:
                return abandon(flow, now);

        case LAYER_FLOW_ABANDONED:
        case LAYER_FLOW_CLOSED:
        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}

void unicast_irm_lost(Unicast *u, usec_t now) {
        LayerFlow *flow, *following;

        name_queries_forget(u);
        incoming_forget(u);

        list_for_each_safe(flow, following, &u->flows.all, by_table)
                if (flow->state == LAYER_FLOW_STARTING || flow->state == LAYER_FLOW_REQUESTED ||
                    flow->state == LAYER_FLOW_ANSWERED)
                        unicast_flow_end(unicast_flow(flow), now);
}

/* -- time -- */

/* Whoever waits for congestion to allow more is told; who waits for a queue is told by that. */
static void expire_budget(UnicastFlow *flow, usec_t now) {
        if (!flow->waiting || flow->budget_again == 0 || now < flow->budget_again)
                return;

        flow->waiting = false;
        flow->budget_again = 0;
        flow->unicast->events->resume(flow->unicast->userdata, flow);
}

static void expire_established(UnicastFlow *flow, usec_t now) {
        switch (liveness_expire(&flow->liveness, now)) {

        case LIVENESS_NOTHING:
                break;

        case LIVENESS_SEND:
                send_keepalive(flow, now);
                if (now >= usec_add(flow->liveness.heard, flow->liveness.timeout_usec / 2))
                        flow_probe(flow, now);
                break;

        case LIVENESS_ASK:
                liveness_asked(&flow->liveness, now);
                flow_ask(flow, now);
                break;

        case LIVENESS_DEAD:
                return unicast_flow_down(flow, CLOSE_PEER_TIMEOUT, now);
        }

        (void) unicast_flow_watch(flow, liveness_next(&flow->liveness));
}

static void expire_closed(UnicastFlow *flow, usec_t now) {
        if (flow->n_close_repeats == 0) {
                unicast_flow_free(flow);
                return;
        }

        flow_send_close(flow, now);
        if (--flow->n_close_repeats == 0)
                flow->unicast->n_closing--;
        (void) unicast_flow_watch(flow, usec_add(now, flow->n_close_repeats > 0 ? FLOW_CLOSE_REPEAT_USEC
                                                                        : FLOW_CLOSED_KEEP_USEC));
}

static void expire_starting(UnicastFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;
        const LayerFlowKey key = flow->layer.key;

        if (flow->stage != FLOW_STAGE_PREPARED)
                return flow_look_up_again(flow, now);

        unicast_flow_free(flow);        /* the IRM never came back to it */
        u->events->failed(u->userdata, key.flow_id, (uint32_t) key.attempt, -ETIMEDOUT);
}

void flow_expire(UnicastFlow *flow, usec_t now) {
        if (fragment_repeats_due(&flow->message.repeats, now) && flow->message.bytes)
                (void) flow_send_pieces(flow->unicast, flow->peer_address, &flow->message, now);
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED) {
                expire_budget(flow, now);
                flow_upkeep_run(flow, now);
        }
        if (now < flow->due)
                return unicast_flow_watch_again(flow);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
                return expire_starting(flow, now);

        case LAYER_FLOW_REQUESTED:
                return abandon(flow, now);

        case LAYER_FLOW_ABANDONED:
                return unicast_flow_end(flow, now);

        case LAYER_FLOW_ANSWERED:
                return unicast_flow_down(flow, CLOSE_LAYER_DOWN, now);

        case LAYER_FLOW_ESTABLISHED:
                return expire_established(flow, now);

        case LAYER_FLOW_CLOSED:
                return expire_closed(flow, now);

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}
