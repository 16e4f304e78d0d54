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
        return e->framing->management_bytes + FLOW_NOTICE_BYTES + FLOW_CONTROL_PROOF_BYTES;
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

/* What we want the peer to know. */
static void say(EthernetFlow *flow, FlowNoticeKind kind) {
        const FlowNotice *notice = &flow->upkeep.notices[kind];

        send_notice(flow, kind, &(FlowNoticeText) { .value = notice->value, .challenge = notice->challenge });
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

/* A move that nobody has understood yet asks already. */
void flow_ask(EthernetFlow *flow, usec_t now) {
        if (flow->layer.control.confirmed && !flow->upkeep.notices[FLOW_NOTICE_MOVE].active)
                flow_follow_address(flow, now);
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

/* The peer understood what we said, or wants to be shown more. */
static void acknowledged(EthernetFlow *flow, FlowNoticeKind kind, const FlowNoticeText *notice, usec_t heard, usec_t now) {
        if (kind == FLOW_NOTICE_MOVE && notice->challenge != 0) {
                if (flow_upkeep_challenged(&flow->upkeep, notice->value, notice->challenge, now))
                        flow_upkeep_run(flow, now);
                return;
        }
        if (!flow_upkeep_acknowledged(&flow->upkeep, kind, notice->value, heard, now))
                return;

        if (kind == FLOW_NOTICE_MOVE)
                flow->local = address_from_value(notice->value);
        else {
                flow->old_endpoint = flow->endpoint;
                flow->endpoint = flow->next_endpoint;
                flow->next_endpoint = 0;
                flow->ethernet->upkeep_counters.rotated++;
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

/* It says so from there, which anybody can; only who is there can show what it was asked there. */
static int peer_moved(EthernetFlow *flow, const FlowNoticeText *notice, const Frame *frame, usec_t now) {
        Ethernet *e = flow->ethernet;
        FrameAddress address = address_from_value(notice->value);

        if (notice->value >> 8 * FRAME_ADDRESS_BYTES != 0 || !frame_address_equal(&address, &frame->source))
                return -EPROTO;
        if (frame_address_equal(&address, &flow->peer)) {
                flow_path_forget(&flow->upkeep.path);
                return 0;
        }
        if (!flow_path_named(&flow->upkeep.path, notice->value, notice->challenge, notice_bytes(e),
                             e->events->random(e->userdata), now))
                return 0;

        remember_old_peer(flow, now);
        flow->peer = address;
        e->upkeep_counters.followed++;

        /* What we know of where the name is served is older than this. */
        if (flow->hash_size > 0)
                shim_name_doubt(&e->names, flow->hash, flow->hash_size);
        return 0;
}

static void notice_genuine(EthernetFlow *flow, const Frame *frame, const ManagementMessage *message,
                           usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == MANAGEMENT_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;
        const FlowNoticeText *notice = &message->notice;
        FlowNoticeText answer = { .acknowledges = true, .value = notice->value };
        int r = 0;

        if (notice->acknowledges)
                acknowledged(flow, kind, notice, heard, now);
        else if (kind == FLOW_NOTICE_ROTATE)
                r = peer_rotated(flow, notice->value, now);
        else
                r = peer_moved(flow, notice, frame, now);
        if (r < 0)
                return counters_drop(&flow->ethernet->counters, DROP_MALFORMED);

        flow->layer.have_lock = true;
        memcpy(flow->layer.lock, notice->lock, sizeof(flow->layer.lock));

        if (kind == FLOW_NOTICE_MOVE)
                answer.challenge = flow->upkeep.path.challenge;
        if (!notice->acknowledges)
                send_notice(flow, kind, &answer);

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
