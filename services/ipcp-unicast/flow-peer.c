/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What members say to each other about a flow of theirs. Where the handshake gave them control keys, everything has its proof, and
 * what has none counts for nothing but in the statistics; a peer without keys can close the flow by its token and report
 * congestion, as ever, and that is all. Who answered a request has to take a close without proof until it knows that the
 * other one has the keys too.
 *
 * A reset is the answer of a member that lost the flow, and with it the keys: it has a token instead.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* What is left of the table for new flows, at least, before endpoint ids are exchanged. */
#define EIDS_FOR_FLOWS (EIDS_MAX / 4)

static void changed(UnicastFlow *flow) {
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                flow->unicast->events->changed(flow->unicast->userdata, &flow->layer);
}

static bool is_live(const UnicastFlow *flow) {
        return flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED;
}

/* -- what goes out -- */

/* Proves a message, if there are keys. Its counter is kept before anybody sees it. */
static void prove(UnicastFlow *flow, FlowMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!flow->layer.control.present)
                return;

        flow_message_text(message, content, &text);
        message->has_proof = flow_control_prove(&flow->layer.control, &text, &message->proof) >= 0;
        changed(flow);
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

        prove(flow, &message);
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

        prove(flow, &message);
        (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

/* By the endpoint id that the peer will know once it has understood what we said last. */
int flow_own_lock(const UnicastFlow *flow, uint8_t ret[FLOW_RESET_BYTES]) {
        uint8_t peer[sizeof(uint64_t)], token[FLOW_RESET_BYTES];
        Writer w = writer_to(peer, sizeof(peer));
        int r;

        writer_be64(&w, flow->peer_address);
        r = flow_reset_token(flow->unicast->reset_key, flow->next_eid != 0 ? flow->next_eid : flow->eid, peer, sizeof(peer),
                             flow->peer_eid, token);
        if (r >= 0)
                r = flow_reset_lock(token, ret);
        explicit_bzero(token, sizeof(token));
        return r;
}

static void send_notice(UnicastFlow *flow, FlowNoticeKind kind, bool acknowledges, uint64_t value, usec_t now) {
        FlowMessage message = {
                .code = kind == FLOW_NOTICE_ROTATE ? FLOW_MESSAGE_ROTATE : FLOW_MESSAGE_MOVE,
                .sender = flow->unicast->address,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .notice = { .acknowledges = acknowledges, .value = value },
        };

        if (flow_own_lock(flow, message.notice.lock) < 0)
                return;

        prove(flow, &message);
        if (message.has_proof)
                (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

/* -- what is due -- */

static void rotate(UnicastFlow *flow, usec_t now) {
        bool possible = flow->layer.control.confirmed && eids_n(flow->unicast->eids) < EIDS_MAX - EIDS_FOR_FLOWS;

        if (!possible || unicast_take_eid(flow, &flow->next_eid) < 0)
                return flow_upkeep_rotate_later(&flow->upkeep, now);

        flow_upkeep_rotate(&flow->upkeep, flow->next_eid, now);
}

static void forget_old(UnicastFlow *flow) {
        if (flow->old_eid != 0)
                eids_release(flow->unicast->eids, flow->old_eid);
        flow->old_eid = 0;
        changed(flow);
}

void flow_upkeep_run(UnicastFlow *flow, usec_t now) {
        for (;;)
                switch (flow_upkeep_expire(&flow->upkeep, now)) {

                case FLOW_UPKEEP_NOTHING:
                        return;

                case FLOW_UPKEEP_ROTATE:
                        rotate(flow, now);
                        break;

                case FLOW_UPKEEP_SAY_ROTATE:
                        send_notice(flow, FLOW_NOTICE_ROTATE, false, flow->next_eid, now);
                        break;

                case FLOW_UPKEEP_SAY_MOVE:
                        send_notice(flow, FLOW_NOTICE_MOVE, false, flow->upkeep.notices[FLOW_NOTICE_MOVE].value, now);
                        break;

                case FLOW_UPKEEP_FORGET_OLD:
                        forget_old(flow);
                        break;
                }
}

void flow_follow_address(UnicastFlow *flow, usec_t now) {
        flow_upkeep_move(&flow->upkeep, flow->unicast->address, now);
        flow_upkeep_run(flow, now);
        unicast_flow_watch_again(flow);
}

bool flow_survives_move(const UnicastFlow *flow) {
        return flow->layer.state == LAYER_FLOW_ESTABLISHED && flow->upkeep.active && flow->layer.control.confirmed;
}

void flows_follow_address(Unicast *u, usec_t now) {
        LayerFlow *layer_flow;

        list_for_each(layer_flow, &u->flows.all, by_table) {
                UnicastFlow *flow = unicast_flow(layer_flow);

                if (flow_survives_move(flow) && flow->own_address != u->address)
                        flow_follow_address(flow, now);
        }
}

void flow_probe(UnicastFlow *flow, usec_t now) {
        if (flow->unicast->is_member && flow_upkeep_should_probe(&flow->upkeep, &flow->liveness, now) && flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

void flow_upkeep_begin(UnicastFlow *flow, usec_t now) {
        if (!flow->layer.control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->unicast->upkeep, now);

        /* Who asked for the flow says something first, and so shows that it has the keys. */
        if (flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

/* -- what comes in -- */

static int check_proof(UnicastFlow *flow, const FlowMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!message->has_proof)
                return -EBADMSG;

        flow_message_text(message, content, &text);
        return flow_control_check(&flow->layer.control, &text, &message->proof);
}

static void drop_unproven(UnicastFlow *flow, int r) {
        counters_drop(&flow->unicast->counters, r == -EALREADY ? DROP_REPLAYED : DROP_FORGED);
}

void flow_update_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        int r;

        if (!flow || !is_live(flow))
                return flow_unknown_eid(u, from);

        if (flow->layer.control.present) {
                r = check_proof(flow, message);
                if (r < 0)
                        return drop_unproven(flow, r);
                changed(flow);
        }

        congestion_update(&flow->congestion, message->level, now);
}

/* By its proof, or, from a peer that may have no keys, by the token that nobody else has; the other id says that the peer means
 * this flow. */
static int close_is_genuine(UnicastFlow *flow, const FlowMessage *message) {
        int r = check_proof(flow, message);

        if (r >= 0 || flow->layer.control.confirmed)
                return r;

        return flow->peer_eid == message->sender_eid && layer_flow_token_matches(&flow->layer, message->token) ? 0 : -EKEYREJECTED;
}

void flow_close_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        int r;

        if (!flow)
                return flow_unknown_eid(u, from);

        r = close_is_genuine(flow, message);
        if (r == -EKEYREJECTED)
                return counters_drop(&u->counters, DROP_WRONG_SOURCE);
        if (r < 0)
                return drop_unproven(flow, r);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until there is somebody to read it. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (is_live(flow))
                unicast_flow_down(flow, CLOSE_NORMAL, now);
}

/* The peer understood what we said. */
static void acknowledged(UnicastFlow *flow, FlowNoticeKind kind, uint64_t value, usec_t heard, usec_t now) {
        if (!flow_upkeep_acknowledged(&flow->upkeep, kind, value, heard, now))
                return;

        if (kind == FLOW_NOTICE_MOVE)
                flow->own_address = value;
        else {
                flow->old_eid = flow->eid;
                flow->eid = flow->next_eid;
                flow->next_eid = 0;
        }
}

static int peer_changed(UnicastFlow *flow, FlowNoticeKind kind, const FlowMessage *message) {
        uint64_t value = message->notice.value;

        if (kind == FLOW_NOTICE_ROTATE) {
                if (value < EID_FLOWS || value == UINT64_MAX)
                        return -EPROTO;
                flow->peer_eid = value;
                return 0;
        }

        if (value != message->sender || !unicast_address_fits(flow->unicast, value) || value == flow->unicast->address)
                return -EPROTO;

        flow->peer_address = value;
        return 0;
}

static void notice_genuine(UnicastFlow *flow, const FlowMessage *message, usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == FLOW_MESSAGE_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;

        if (message->notice.acknowledges)
                acknowledged(flow, kind, message->notice.value, heard, now);
        else if (peer_changed(flow, kind, message) < 0)
                return counters_drop(&flow->unicast->counters, DROP_MALFORMED);

        flow->layer.have_lock = true;
        memcpy(flow->layer.lock, message->notice.lock, sizeof(flow->layer.lock));

        /* Also where it was said before: then the acknowledgement was lost. */
        if (!message->notice.acknowledges)
                send_notice(flow, kind, true, message->notice.value, now);

        changed(flow);
        unicast_flow_watch_again(flow);
}

/* We lost this flow, or never had it: whoever has the lock that this token fits did not lose it. */
static void send_reset(Unicast *u, const FlowMessage *lost, const LowerFlow *from, usec_t now) {
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
        if (flow_reset_token(u->reset_key, lost->receiver_eid, peer, sizeof(peer), lost->sender_eid, message.reset) >= 0)
                (void) flow_send_message(u, lost->sender, &message, now);
}

void flow_notice_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        usec_t heard;
        int r;

        if (!flow) {
                flow_unknown_eid(u, from);
                return send_reset(u, message, from, now);
        }
        if (flow->layer.state == LAYER_FLOW_CLOSED) {
                counters_drop(&u->counters, DROP_FLOW_CLOSED);
                return flow_answer_after_close(flow, now);
        }
        if (!is_live(flow))
                return flow_unknown_eid(u, from);

        r = check_proof(flow, message);
        if (r < 0)
                return drop_unproven(flow, r);

        heard = flow->liveness.heard;
        liveness_heard(&flow->liveness, now);
        fragmented_message_done(&flow->message);
        notice_genuine(flow, message, heard, now);
}

void flow_reset_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);

        if (!flow || !is_live(flow))
                return flow_unknown_eid(u, from);
        if (message->sender_eid != flow->peer_eid)
                return counters_drop(&u->counters, DROP_WRONG_SOURCE);
        if (!flow->layer.have_lock || !flow_reset_fits(flow->layer.lock, message->reset))
                return counters_drop(&u->counters, DROP_FORGED);

        flow->peer_closed = true;
        unicast_flow_down(flow, CLOSE_PEER_DIED, now);
}
