/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What ends a flow at the other member's word, or slows it down, and how it is proven. Where the handshake gave them
 * control keys, everything has its proof, and what has none counts for nothing but in the statistics; a peer without
 * keys can close the flow by its token and report congestion, as ever, and that is all. Who answered a request has to
 * take a close without proof until it knows that the other one has the keys too.
 *
 * A reset is the answer of a member that lost the flow, and with it the keys: it has a token instead.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* -- what goes out -- */

void flow_changed(UnicastFlow *flow) {
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                flow->unicast->events->changed(flow->unicast->userdata, &flow->layer);
}

/* Proves a message, if there are keys. Its counter is kept before anybody sees it. */
void flow_prove(UnicastFlow *flow, FlowMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!flow->layer.control.present)
                return;

        flow_message_text(message, content, &text);
        message->has_proof = flow_control_prove(&flow->layer.control, &text, &message->proof) >= 0;
        flow_changed(flow);
}

static FlowMessage close_message(const UnicastFlow *flow) {
        FlowMessage message = {
                .code = FLOW_MESSAGE_CLOSE,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .has_proof = flow->has_close_proof,
                .proof = flow->close_proof,
        };

        memcpy(message.token, flow->layer.tokens.peer, CLOSE_TOKEN_BYTES);
        return message;
}

bool flow_peer_understands_close(const UnicastFlow *flow) {
        return flow->layer.tokens.have_peer && flow->peer_eid != 0 && !flow->peer_closed;
}

void flow_seal_close(UnicastFlow *flow) {
        FlowMessage message = close_message(flow);

        flow_prove(flow, &message);
        flow->has_close_proof = message.has_proof;
        flow->close_proof = message.proof;
}

void flow_send_close(UnicastFlow *flow, usec_t now) {
        const FlowMessage message = close_message(flow);

        if (!flow_peer_understands_close(flow))
                return;

        flow->close_sent = now;
        (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

void flow_send_update(UnicastFlow *flow, uint16_t level, usec_t now) {
        FlowMessage message = {
                .code = FLOW_MESSAGE_UPDATE,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .level = level,
        };

        flow_prove(flow, &message);
        (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

/* By the endpoint id that the peer will know once it has understood what we said last. */
int flow_own_lock(const UnicastFlow *flow, uint64_t address, uint8_t ret[FLOW_RESET_BYTES]) {
        uint64_t eid = flow->next_eid != 0 ? flow->next_eid : flow->eid;
        uint8_t peer[sizeof(address)];
        Writer w = writer_to(peer, sizeof(peer));

        writer_be64(&w, address);
        return flow_reset_own_lock(flow->unicast->reset_key, eid, peer, sizeof(peer), flow->peer_eid, ret);
}

/* -- what comes in -- */

int flow_check_proof(UnicastFlow *flow, const FlowMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        flow_message_text(message, content, &text);
        return flow_control_check(&flow->layer.control, &text, message->has_proof ? &message->proof : NULL);
}

void flow_drop_unproven(UnicastFlow *flow, int r) {
        counters_drop(&flow->unicast->counters, flow_control_drop_reason(r));
}

void flow_update_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        int r;

        if (!flow || !flow_is_live(flow))
                return flow_unknown_eid(u, from);

        if (flow->layer.control.present) {
                r = flow_check_proof(flow, message);
                if (r < 0)
                        return flow_drop_unproven(flow, r);
                liveness_proven(&flow->liveness, now);
                flow_changed(flow);
        }

        congestion_update(&flow->congestion, message->level, now);
}

/* The token is one that nobody else has; the endpoint id says that the peer means this flow. */
static int check_close(UnicastFlow *flow, const FlowMessage *message) {
        bool token_fits = flow->peer_eid == message->sender_eid &&
                          layer_flow_token_matches(&flow->layer, message->token);
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        flow_message_text(message, content, &text);
        return flow_control_check_close(&flow->layer.control, &text, message->has_proof ? &message->proof : NULL,
                                        token_fits);
}

void flow_close_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        int r;

        if (!flow)
                return flow_unknown_eid(u, from);

        r = check_close(flow, message);
        if (r < 0)
                return flow_drop_unproven(flow, r);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until somebody can. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (flow_is_live(flow))
                unicast_flow_down(flow, CLOSE_NORMAL, now);
}

/* We lost this flow, or never had it: whoever has the lock that this token fits did not lose it. */
void flow_send_reset(Unicast *u, const FlowMessage *lost, const LowerFlow *from, usec_t now) {
        uint64_t neighbour = from && from->neighbour ? from->neighbour->address : ADDRESS_NONE;
        uint8_t peer[sizeof(uint64_t)];
        Writer w = writer_to(peer, sizeof(peer));
        FlowMessage message = {
                .code = FLOW_MESSAGE_RESET,
                .sender_eid = lost->receiver_eid,
                .receiver_eid = lost->sender_eid,
        };

        if (lost->receiver_eid < EID_FLOWS || lost->receiver_eid == UINT64_MAX || lost->sender == u->address)
                return;
        if (!limit_take(&u->reset_limit, &neighbour, sizeof(neighbour), now))
                return counters_drop(&u->counters, DROP_LIMIT);

        writer_be64(&w, lost->sender);
        if (flow_reset_token(u->reset_key, lost->receiver_eid, peer, sizeof(peer), lost->sender_eid, message.reset) < 0)
                return;

        u->upkeep_counters.resets_sent += flow_send_message(u, lost->sender, &message, now);
}

void flow_reset_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);

        if (!flow || !flow_is_live(flow))
                return flow_unknown_eid(u, from);
        if (message->sender_eid != flow->peer_eid)
                return counters_drop(&u->counters, DROP_WRONG_SOURCE);
        if (!layer_flow_reset_fits(&flow->layer, message->reset))
                return counters_drop(&u->counters, DROP_FORGED);

        u->upkeep_counters.resets_taken++;
        flow->peer_closed = true;
        unicast_flow_down(flow, CLOSE_PEER_DIED, now);
}
