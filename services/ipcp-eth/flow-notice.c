/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What goes on between two hosts that have control keys while a flow of theirs carries data: another endpoint id now
 * and then, another address where a host has one, and a question where the other one is silent
 * (services/common/flow-upkeep.h is the schedule). Addresses are numbers in these notices.
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

/* -- that go out -- */

static size_t notice_bytes(const Ethernet *e) {
        return e->framing->management_bytes + FLOW_NOTICE_AND_PROOF_BYTES;
}

/* A move is said from where we are; everything else from where the peer believes us. */
static void send_notice(EthernetFlow *flow, FlowNoticeKind kind, const FlowNoticeText *notice) {
        Ethernet *e = flow->ethernet;
        bool moves = kind == FLOW_NOTICE_MOVE && !notice->acknowledges;
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        ManagementMessage message = {
                .code = kind == FLOW_NOTICE_ROTATE ? MANAGEMENT_ROTATE : MANAGEMENT_MOVE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .notice = *notice,
        };
        FrameAddress to;
        FlowControlText text;

        to = address_from_value(flow_path_towards(&flow->upkeep.path, address_to_value(&flow->peer), notice_bytes(e)));
        if (flow_own_lock(flow, &to, message.notice.lock) < 0)
                return;

        management_text(&message, content, &text);
        if (flow_control_prove(&flow->layer.control, &text, &message.proof) < 0)
                return;

        message.has_proof = true;
        changed(flow);          /* the counter, before anybody sees it */
        (void) eth_send_message(e, &to, moves ? &e->link.address : &flow->local, &message);
}

static void say(EthernetFlow *flow, FlowNoticeKind kind) {
        const FlowNoticeText notice = flow_upkeep_said(&flow->upkeep, kind);

        send_notice(flow, kind, &notice);
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
                        say(flow, FLOW_NOTICE_ROTATE);
                        break;

                case FLOW_UPKEEP_SAY_MOVE:
                        say(flow, FLOW_NOTICE_MOVE);
                        break;

                case FLOW_UPKEEP_FORGET_OLD:
                        forget_old(flow);
                        break;

                case FLOW_UPKEEP_PATH_FAILED:
                        flow->ethernet->upkeep_counters.not_followed++;
                        break;
                }
}

void flow_follow_address(EthernetFlow *flow, usec_t now) {
        flow_upkeep_move(&flow->upkeep, address_to_value(&flow->ethernet->link.address), now);
        flow_upkeep_run(flow, now);
        ethernet_flow_watch_again(flow);
}

bool flow_is_told_address(const EthernetFlow *flow) {
        return flow_upkeep_is_told(&flow->upkeep, address_to_value(&flow->local),
                                   address_to_value(&flow->ethernet->link.address));
}

void flow_ask(EthernetFlow *flow, usec_t now) {
        uint64_t address = address_to_value(&flow->ethernet->link.address);

        if (!flow_upkeep_ask(&flow->upkeep, &flow->layer.control, address, now))
                return;

        flow_upkeep_run(flow, now);
        ethernet_flow_watch_again(flow);
}

void flow_probe(EthernetFlow *flow, usec_t now) {
        if (flow_upkeep_should_probe(&flow->upkeep, &flow->liveness, now))
                flow_ask(flow, now);
}

void flow_upkeep_begin(EthernetFlow *flow, usec_t now) {
        if (!flow->layer.control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->ethernet->upkeep, now);
        liveness_proven(&flow->liveness, now);

        /* Who asked for the flow says something first, and so shows that it has the keys. */
        if (flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

/* -- that come -- */

static void remember_old_peer(EthernetFlow *flow, usec_t now) {
        flow->old_peer = flow->peer;
        flow->old_peer_endpoint = flow->peer_endpoint;
        flow->old_peer_until = usec_add(now, FLOW_OLD_MAX_USEC);
}

static void peer_rotated(EthernetFlow *flow, uint64_t value, usec_t now) {
        if (value == flow->peer_endpoint)
                return;

        remember_old_peer(flow, now);
        flow->peer_endpoint = (uint16_t) value;
}

static void peer_moved(EthernetFlow *flow, uint64_t value, usec_t now) {
        Ethernet *e = flow->ethernet;

        remember_old_peer(flow, now);
        flow->peer = address_from_value(value);
        e->upkeep_counters.followed++;

        /* What we know of where the name is served is older than this. */
        if (flow->hash_size > 0)
                shim_name_doubt(&e->names, flow->hash, flow->hash_size);
}

static void learn(EthernetFlow *flow, FlowNews news, uint64_t value, usec_t now) {
        switch (news) {

        case FLOW_NEWS_NONE:
                return;

        case FLOW_NEWS_OUR_ENDPOINT:
                flow->old_endpoint = flow->endpoint;
                flow->endpoint = flow->next_endpoint;
                flow->next_endpoint = 0;
                flow->ethernet->upkeep_counters.rotated++;
                return;

        case FLOW_NEWS_OUR_ADDRESS:
                flow->local = address_from_value(value);
                return;

        case FLOW_NEWS_ENDPOINT:
                return peer_rotated(flow, value, now);

        case FLOW_NEWS_ADDRESS:
                return peer_moved(flow, value, now);
        }
}

/* Whether it says what can be: of a move, the address that it comes from. */
static bool is_possible(const EthernetFlow *flow, const Frame *frame, const ManagementMessage *message) {
        const FrameOps *framing = flow->ethernet->framing;
        uint64_t value = message->notice.value;

        if (message->notice.acknowledges)
                return true;
        if (message->code == MANAGEMENT_ROTATE)
                return value >= framing->peer_endpoint_min && value <= framing->peer_endpoint_max;

        return value == address_to_value(&frame->source);
}

static void notice_genuine(EthernetFlow *flow, const Frame *frame, const ManagementMessage *message,
                           usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == MANAGEMENT_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;
        Ethernet *e = flow->ethernet;
        const FlowNoticeContext context = {
                .peer_address = address_to_value(&flow->peer),
                .bytes = notice_bytes(e),
                .random = e->events->random(e->userdata),
                .heard = heard,
        };
        FlowNoticeText answer;
        FlowNews news;

        if (!is_possible(flow, frame, message))
                return counters_drop(&e->counters, DROP_MALFORMED);

        news = flow_upkeep_heard(&flow->upkeep, kind, &message->notice, &context, now, &answer);
        learn(flow, news, message->notice.value, now);
        layer_flow_set_lock(&flow->layer, message->notice.lock);

        if (answer.acknowledges)
                send_notice(flow, kind, &answer);
        flow_upkeep_run(flow, now);
        changed(flow);
        ethernet_flow_watch_again(flow);
}

void flow_notice_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);
        usec_t heard;
        int r;

        if (!flow) {
                counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
                return flow_send_reset(e, frame, message, now);
        }
        if (flow->layer.state == LAYER_FLOW_CLOSED) {
                counters_drop(&e->counters, DROP_FLOW_CLOSED);
                return flow_data_after_close(flow, now);
        }
        if (!flow_is_live(flow))
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        r = flow_check_proof(flow, message);
        if (r < 0)
                return flow_drop_unproven(flow, r);

        heard = flow->liveness.heard;
        liveness_proven(&flow->liveness, now);
        fragmented_message_done(&flow->message);
        notice_genuine(flow, frame, message, heard, now);
}
