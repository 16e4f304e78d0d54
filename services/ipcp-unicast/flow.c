/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow's life. The same rules as in every layer, and one of this one's own: nothing on the wire says who sent a packet, so
 * the endpoint id is what lets it in, and the only thing that an update may touch is the pace.
 */

#include <syslog.h>

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* What it waited for does not matter any more. */
static void stop_waiting(UnicastFlow *flow) {
        flow_stop_looking_up(flow);
        list_unlink(&flow->by_waiting);
        flow->waiting = false;
        flow->budget_again = 0;
}

UnicastFlow *unicast_flow_free(UnicastFlow *flow) {
        if (!flow)
                return NULL;

        assert(!flow->layer.upper);

        if (flow->n_close_repeats > 0)
                flow->unicast->n_closing--;
        layer_flows_remove(&flow->unicast->flows, &flow->layer);
        list_unlink(&flow->by_tombstone);
        stop_waiting(flow);
        expiry_remove(&flow->unicast->expiries, &flow->expiry);
        if (flow->eid != 0)
                eids_release(flow->unicast->eids, flow->eid);
        early_packets_drop(&flow->early, &flow->unicast->n_early);
        lane_free(flow->layer.lane);
        free(flow->request);
        return mfree(flow);
}

/* Stragglers of the oldest closed flow have waited longest: it gives its id away where all are taken. */
static int take_eid(Unicast *u, UnicastFlow *flow) {
        uint64_t random;
        int r;

        r = u->events->random(u->userdata, &random, sizeof(random));
        if (r < 0)
                return r;

        if (eids_n(u->eids) >= EIDS_MAX && !list_is_empty(&u->tombstones))
                unicast_flow_free(list_first(&u->tombstones, UnicastFlow, by_tombstone));

        return eids_take(u->eids, random, flow, &flow->eid);
}

int unicast_flow_new_bare(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now, UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        int r;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        flow->unicast = u;
        list_init(&flow->by_tombstone);
        list_init(&flow->by_lookup);
        list_init(&flow->by_waiting);

        r = layer_flows_add(&u->flows, &flow->layer, flow_id, attempt);
        if (r < 0)
                return r;

        flow->layer.qos = *qos;
        flow->layer.granted = cube_granted_qos(qos);
        flow->cube = cube_from_qos(qos);
        congestion_init(&flow->congestion, (CongestionPolicy) u->layer.congestion, now);
        liveness_init(&flow->liveness, qos->timeout_ms, now);

        *ret = TAKE_PTR(flow);
        return 0;
}

int unicast_flow_new(Unicast *u, uint64_t flow_id, uint32_t attempt, const o7s_qos *qos, usec_t now, UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        int r;

        r = unicast_flow_new_bare(u, flow_id, attempt, qos, now, &flow);
        if (r < 0)
                return r;

        r = take_eid(u, flow);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

int unicast_flow_watch(UnicastFlow *flow, usec_t when) {
        return expiry_set(&flow->unicast->expiries, &flow->expiry, when);
}

/* -- what goes out -- */

bool flow_send_message(Unicast *u, uint64_t address, const FlowMessage *message, usec_t now) {
        uint8_t buffer[FLOW_MESSAGE_BYTES_MAX];
        ssize_t n;

        n = flow_message_pack(message, buffer, sizeof(buffer));
        if (n < 0) {
                counters_drop(&u->counters, DROP_TOO_LARGE);
                return false;
        }

        return unicast_send_message(u, address, EID_FLOW_ALLOCATOR, buffer, (size_t) n, now);
}

uint32_t unicast_oap_max(const Unicast *u) {
        uint32_t message_max = u->packet_max > 0 ? MIN(u->packet_max, FLOW_MESSAGE_BYTES_MAX) : FLOW_MESSAGE_BYTES_MAX;
        uint32_t fixed = FLOW_MESSAGE_HEADER_BYTES + (uint32_t) u->hash_size;

        return message_max > fixed ? message_max - fixed : 0;
}

static bool peer_understands_close(const UnicastFlow *flow) {
        return flow->layer.tokens.have_peer && flow->peer_eid != 0 && !flow->peer_closed;
}

void flow_send_close(UnicastFlow *flow, usec_t now) {
        FlowMessage message = {
                .code = FLOW_MESSAGE_CLOSE,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
        };

        if (!peer_understands_close(flow))
                return;

        memcpy(message.token, flow->layer.tokens.peer, CLOSE_TOKEN_BYTES);
        flow->close_sent = now;
        (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

static void send_keepalive(UnicastFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;

        packet_reset(u->message);

        /* Also where it could not be sent: the next one is due a quarter of the time-out later, not at once. */
        liveness_sent(&flow->liveness, now);
        (void) unicast_send_data(u, flow, u->message, now);
}

/* -- the end -- */

/* The closes of many flows at once overrun the peer; their repetitions come one by one. */
static usec_t close_repeat_usec(const Unicast *u) {
        return FLOW_CLOSE_REPEAT_USEC + (usec_t) u->n_closing * FLOW_CLOSE_SPACING_USEC;
}

void unicast_flow_end(UnicastFlow *flow, usec_t now) {
        bool repeat = peer_understands_close(flow);

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
        if (unicast_flow_watch(flow, usec_add(now, repeat ? close_repeat_usec(flow->unicast) : FLOW_CLOSED_KEEP_USEC)) < 0)
                unicast_flow_free(flow);
}

/* The flow is over and the IRM does not know yet. */
static void flow_down(UnicastFlow *flow, CloseReason reason, usec_t now) {
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
        (void) unicast_flow_watch(flow, liveness_next(&flow->liveness));

        flow_deliver_early(flow);

        if (flow->peer_closed)
                flow_down(flow, CLOSE_NORMAL, now);
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

/* -- what the peer says later -- */

void flow_unknown_eid(Unicast *u, const LowerFlow *from) {
        Neighbour *n = from ? from->neighbour : NULL;
        char name[CEP_MEMBER_BYTES_MAX + 1];

        if (n) {
                n->n_unknown_eids++;
                if (scan_unknown_eid(&n->scan, u->now)) {
                        u->n_scans++;
                        unicast_log_remote(u, LOG_WARNING, "Somebody tries endpoint ids, by way of %s: more than %u a second of them are nobody's.",
                                    neighbour_name(n, name, sizeof(name)), SCAN_RATE);
                }
        }

        counters_drop(&u->counters, DROP_UNKNOWN_ENDPOINT);
}

static void update_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);

        if (!flow || (flow->layer.state != LAYER_FLOW_ESTABLISHED && flow->layer.state != LAYER_FLOW_ANSWERED))
                return flow_unknown_eid(u, from);

        congestion_update(&flow->congestion, message->level, now);
}

static void close_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);

        if (!flow)
                return flow_unknown_eid(u, from);

        /* The token is what nobody else has; the other id says that the peer means this flow. */
        if (flow->peer_eid != message->sender_eid || !layer_flow_token_matches(&flow->layer, message->token))
                return counters_drop(&u->counters, DROP_WRONG_SOURCE);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until there is somebody to read it. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED)
                flow_down(flow, CLOSE_NORMAL, now);
}

void flow_allocator_receive(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now) {
        FlowMessage message;
        int r;

        r = flow_message_parse(data, size, u->hash_size, &message);
        if (r < 0)
                return counters_drop(&u->counters, r == -EPROTO ? DROP_UNKNOWN_MESSAGE : DROP_MALFORMED);

        /* Each of the others is a guess, should its sender be one who tries endpoint ids. */
        if (message.code != FLOW_MESSAGE_REQUEST && from && from->neighbour && !scan_try(&from->neighbour->scan, now))
                return counters_drop(&u->counters, DROP_LIMIT);

        switch (message.code) {

        case FLOW_MESSAGE_REQUEST:
                return incoming_request_received(u, &message, from, now);

        case FLOW_MESSAGE_REPLY:
                return flow_reply_received(u, &message, from, now);

        case FLOW_MESSAGE_UPDATE:
                return update_received(u, &message, from, now);

        case FLOW_MESSAGE_CLOSE:
                return close_received(u, &message, from, now);
        }
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
        expire_budget(flow, now);

        switch (liveness_expire(&flow->liveness, now)) {

        case LIVENESS_NOTHING:
                break;

        case LIVENESS_SEND:
                send_keepalive(flow, now);
                break;

        case LIVENESS_DEAD:
                return flow_down(flow, CLOSE_PEER_TIMEOUT, now);
        }

        (void) unicast_flow_watch(flow, MIN(liveness_next(&flow->liveness),
                                    flow->budget_again > 0 ? flow->budget_again : USEC_INFINITY));
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

void flow_expire(UnicastFlow *flow, usec_t now) {
        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
                return flow_look_up_again(flow, now);

        case LAYER_FLOW_REQUESTED:
                return abandon(flow, now);

        case LAYER_FLOW_ABANDONED:
                return unicast_flow_end(flow, now);

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

/* -- the object -- */

void flow_allocator_done(Unicast *u) {
        LayerFlow *flow, *following;

        list_for_each_safe(flow, following, &u->flows.all, by_table)
                unicast_flow_free(unicast_flow(flow));

        /* A closed flow may have given its key to a new one: such are only here. */
        while (u->tombstones.next && !list_is_empty(&u->tombstones))
                unicast_flow_free(list_first(&u->tombstones, UnicastFlow, by_tombstone));

        if (u->lookups.next)
                name_queries_forget(u);
        if (u->incoming.next)
                incoming_forget(u);
        if (u->registered)
                unicast_unregister_all(u, u->now);
}
