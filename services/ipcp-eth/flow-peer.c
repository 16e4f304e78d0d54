/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What hosts say to each other about a flow of theirs. Where the handshake gave them control keys, everything has its proof, and what
 * has none counts for nothing but in the statistics; a peer without keys can close the flow by its token, as ever, and that is all.
 * Who answered a request has to take a close without proof until it knows that the other one has the keys too.
 *
 * A reset is the answer of a host that lost the flow, and with it the keys: it has a token instead.
 */

#include "services/ipcp-eth/flow.h"

static uint64_t address_to_value(const FrameAddress *address) {
        Cursor c = cursor_from(address->bytes, FRAME_ADDRESS_BYTES);

        return cursor_be(&c, FRAME_ADDRESS_BYTES);
}

static FrameAddress address_from_value(uint64_t value) {
        FrameAddress address;
        Writer w = writer_to(address.bytes, FRAME_ADDRESS_BYTES);

        writer_be(&w, value, FRAME_ADDRESS_BYTES);
        return address;
}

static void changed(EthernetFlow *flow) {
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                flow->ethernet->events->changed(flow->ethernet->userdata, &flow->layer);
}

/* -- close -- */

static ManagementMessage close_message(const EthernetFlow *flow) {
        return (ManagementMessage) {
                .code = MANAGEMENT_CLOSE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .token = flow->layer.tokens.peer,
                .has_proof = flow->has_close_proof,
                .proof = flow->close_proof,
        };
}

void flow_seal_close(EthernetFlow *flow) {
        const ManagementMessage message = close_message(flow);
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!flow->layer.control.present)
                return;

        management_text(&message, content, &text);
        flow->has_close_proof = flow_control_prove(&flow->layer.control, &text, &flow->close_proof) >= 0;
}

void flow_send_close(EthernetFlow *flow, usec_t now) {
        const ManagementMessage message = close_message(flow);

        if (!flow->layer.tokens.have_peer || flow->peer_endpoint == 0 || flow->peer_closed)
                return;

        flow->close_sent = now;
        (void) eth_send_message(flow->ethernet, &flow->peer, &flow->local, &message);
}

/* -- what is to be proven -- */

static int check_proof(EthernetFlow *flow, const ManagementMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!message->has_proof)
                return -EBADMSG;

        management_text(message, content, &text);
        return flow_control_check(&flow->layer.control, &text, &message->proof);
}

static void drop_unproven(EthernetFlow *flow, int r) {
        counters_drop(&flow->ethernet->counters, r == -EALREADY ? DROP_REPLAYED : DROP_FORGED);
}

/* By its proof, or, from a peer that may have no keys, by the token that nobody else has. */
static int close_is_genuine(EthernetFlow *flow, const ManagementMessage *message) {
        int r = check_proof(flow, message);

        if (r >= 0 || flow->layer.control.confirmed)
                return r;

        return flow->peer_endpoint == message->sender && layer_flow_token_matches(&flow->layer, message->token) ? 0 : -EKEYREJECTED;
}

void flow_close_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);
        int r;

        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        /* The address and the id say that the peer means this flow. */
        if (!frame_address_equal(&frame->source, &flow->peer))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);

        r = close_is_genuine(flow, message);
        if (r == -EKEYREJECTED)
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);
        if (r < 0)
                return drop_unproven(flow, r);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until there is somebody to read it. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED)
                ethernet_flow_down(flow, CLOSE_NORMAL, now);
}

/* -- notices that go out -- */

/* By the endpoint id that the peer will know once it has understood what we said last. */
static int own_token(const EthernetFlow *flow, uint8_t ret[FLOW_RESET_BYTES]) {
        uint16_t endpoint = flow->next_endpoint != 0 ? flow->next_endpoint : flow->endpoint;

        return flow_reset_token(flow->ethernet->reset_key, endpoint, flow->peer.bytes, FRAME_ADDRESS_BYTES, flow->peer_endpoint, ret);
}

int flow_own_lock(const EthernetFlow *flow, uint8_t ret[FLOW_RESET_BYTES]) {
        uint8_t token[FLOW_RESET_BYTES];
        int r;

        r = own_token(flow, token);
        if (r >= 0)
                r = flow_reset_lock(token, ret);
        explicit_bzero(token, sizeof(token));
        return r;
}

/* A move is said from where we are; everything else from where the peer believes us. */
static void send_notice(EthernetFlow *flow, FlowNoticeKind kind, bool acknowledges, uint64_t value) {
        Ethernet *e = flow->ethernet;
        bool moves = kind == FLOW_NOTICE_MOVE && !acknowledges;
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        ManagementMessage message = {
                .code = kind == FLOW_NOTICE_ROTATE ? MANAGEMENT_ROTATE : MANAGEMENT_MOVE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .notice = { .acknowledges = acknowledges, .value = value },
        };
        FlowControlText text;

        if (flow_own_lock(flow, message.notice.lock) < 0)
                return;

        management_text(&message, content, &text);
        if (flow_control_prove(&flow->layer.control, &text, &message.proof) < 0)
                return;

        message.has_proof = true;
        changed(flow);          /* the counter, before anybody sees it */
        (void) eth_send_message(e, &flow->peer, moves ? &e->link.address : &flow->local, &message);
}

/* Few are left where the framing has few: they are for new flows. */
static bool may_rotate(const EthernetFlow *flow) {
        const Ethernet *e = flow->ethernet;
        uint32_t n_endpoints = e->framing->endpoint_max - e->framing->endpoint_min + 1U;

        return flow->layer.control.confirmed && shim_endpoints_n_free(e->endpoints) > n_endpoints / 4;
}

static void rotate(EthernetFlow *flow, usec_t now) {
        Ethernet *e = flow->ethernet;
        uint32_t id;

        if (!may_rotate(flow) || shim_endpoints_take(e->endpoints, e->events->random(e->userdata), flow, &id) < 0)
                return flow_upkeep_rotate_later(&flow->upkeep, now);

        flow->next_endpoint = (uint16_t) id;
        flow_upkeep_rotate(&flow->upkeep, id, now);
}

static void forget_old(EthernetFlow *flow) {
        if (flow->old_endpoint != 0)
                shim_endpoints_release(flow->ethernet->endpoints, flow->old_endpoint);
        flow->old_endpoint = 0;
        changed(flow);
}

void flow_upkeep_run(EthernetFlow *flow, usec_t now) {
        for (;;)
                switch (flow_upkeep_expire(&flow->upkeep, now)) {

                case FLOW_UPKEEP_NOTHING:
                        return;

                case FLOW_UPKEEP_ROTATE:
                        rotate(flow, now);
                        break;

                case FLOW_UPKEEP_SAY_ROTATE:
                        send_notice(flow, FLOW_NOTICE_ROTATE, false, flow->next_endpoint);
                        break;

                case FLOW_UPKEEP_SAY_MOVE:
                        send_notice(flow, FLOW_NOTICE_MOVE, false, flow->upkeep.notices[FLOW_NOTICE_MOVE].value);
                        break;

                case FLOW_UPKEEP_FORGET_OLD:
                        forget_old(flow);
                        break;
                }
}

void flow_follow_address(EthernetFlow *flow, usec_t now) {
        flow_upkeep_move(&flow->upkeep, address_to_value(&flow->ethernet->link.address), now);
        flow_upkeep_run(flow, now);
        ethernet_flow_watch_again(flow);
}

void flow_probe(EthernetFlow *flow, usec_t now) {
        if (flow_upkeep_should_probe(&flow->upkeep, &flow->liveness, now) && flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

void flow_upkeep_begin(EthernetFlow *flow, usec_t now) {
        if (!flow->layer.control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->ethernet->upkeep, now);

        /* Who asked for the flow says something first, and so shows that it has the keys. */
        if (flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

/* -- notices that come -- */

/* The peer understood what we said. */
static void acknowledged(EthernetFlow *flow, FlowNoticeKind kind, uint64_t value, usec_t heard, usec_t now) {
        if (!flow_upkeep_acknowledged(&flow->upkeep, kind, value, heard, now))
                return;

        if (kind == FLOW_NOTICE_MOVE)
                flow->local = address_from_value(value);
        else {
                flow->old_endpoint = flow->endpoint;
                flow->endpoint = flow->next_endpoint;
                flow->next_endpoint = 0;
        }
}

static void remember_old_peer(EthernetFlow *flow, usec_t now) {
        flow->old_peer = flow->peer;
        flow->old_peer_endpoint = flow->peer_endpoint;
        flow->old_peer_until = usec_add(now, FLOW_OLD_MAX_USEC);
}

/* Said again where the acknowledgement was lost: then there is nothing new in it. Returns: 0; -EPROTO. */
static int peer_rotated(EthernetFlow *flow, uint64_t value, usec_t now) {
        const FrameOps *framing = flow->ethernet->framing;

        if (value < framing->peer_endpoint_min || value > framing->peer_endpoint_max)
                return -EPROTO;
        if (value == flow->peer_endpoint)
                return 0;

        remember_old_peer(flow, now);
        flow->peer_endpoint = (uint16_t) value;
        return 0;
}

static int peer_moved(EthernetFlow *flow, uint64_t value, const Frame *frame, usec_t now) {
        FrameAddress address = address_from_value(value);

        /* It proves the address by being heard from there. */
        if (value >> 8 * FRAME_ADDRESS_BYTES != 0 || !frame_address_equal(&address, &frame->source))
                return -EPROTO;
        if (frame_address_equal(&address, &flow->peer))
                return 0;

        remember_old_peer(flow, now);
        flow->peer = address;
        return 0;
}

static void notice_genuine(EthernetFlow *flow, const Frame *frame, const ManagementMessage *message, usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == MANAGEMENT_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;
        uint64_t value = message->notice.value;
        int r = 0;

        if (message->notice.acknowledges)
                acknowledged(flow, kind, value, heard, now);
        else if (kind == FLOW_NOTICE_ROTATE)
                r = peer_rotated(flow, value, now);
        else
                r = peer_moved(flow, value, frame, now);
        if (r < 0)
                return counters_drop(&flow->ethernet->counters, DROP_MALFORMED);

        flow->layer.have_lock = true;
        memcpy(flow->layer.lock, message->notice.lock, sizeof(flow->layer.lock));
        if (!message->notice.acknowledges)
                send_notice(flow, kind, true, value);

        changed(flow);
        ethernet_flow_watch_again(flow);
}

static bool is_live(const EthernetFlow *flow) {
        return flow->layer.state == LAYER_FLOW_ESTABLISHED || flow->layer.state == LAYER_FLOW_ANSWERED;
}

/* We lost this flow, or never had it: whoever has the lock that this token fits did not lose it. */
static void send_reset(Ethernet *e, const Frame *frame, const ManagementMessage *lost, usec_t now) {
        uint8_t token[FLOW_RESET_BYTES];
        const ManagementMessage message = {
                .code = MANAGEMENT_RESET,
                .sender = lost->receiver,
                .receiver = lost->sender,
                .token = token,
        };

        if (!limit_take(&e->reset_limit, frame->source.bytes, FRAME_ADDRESS_BYTES, now))
                return counters_drop(&e->counters, DROP_LIMIT);
        if (flow_reset_token(e->reset_key, lost->receiver, frame->source.bytes, FRAME_ADDRESS_BYTES, lost->sender, token) >= 0)
                (void) eth_send_message(e, &frame->source, &e->link.address, &message);
}

void flow_notice_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);
        usec_t heard;
        int r;

        if (!flow) {
                counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
                return send_reset(e, frame, message, now);
        }
        if (flow->layer.state == LAYER_FLOW_CLOSED) {
                counters_drop(&e->counters, DROP_FLOW_CLOSED);
                return flow_data_after_close(flow, now);
        }
        if (!is_live(flow))
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        r = check_proof(flow, message);
        if (r < 0)
                return drop_unproven(flow, r);

        heard = flow->liveness.heard;
        liveness_heard(&flow->liveness, now);
        fragmented_message_done(&flow->message);
        notice_genuine(flow, frame, message, heard, now);
}

void flow_reset_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);

        if (!flow || !is_live(flow))
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (!frame_address_equal(&frame->source, &flow->peer) || message->sender != flow->peer_endpoint)
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);
        if (!flow->layer.have_lock || !flow_reset_fits(flow->layer.lock, message->token))
                return counters_drop(&e->counters, DROP_FORGED);

        flow->peer_closed = true;
        ethernet_flow_down(flow, CLOSE_PEER_DIED, now);
}

bool flow_is_from_peer(const EthernetFlow *flow, const Frame *frame, usec_t now) {
        bool old = now < flow->old_peer_until;

        if (!frame_address_equal(&frame->source, &flow->peer) && !(old && frame_address_equal(&frame->source, &flow->old_peer)))
                return false;

        return !flow->ethernet->framing->carries_sender || frame->sender == flow->peer_endpoint ||
               (old && frame->sender == flow->old_peer_endpoint);
}
