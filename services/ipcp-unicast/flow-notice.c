/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What goes on between two members that have control keys while a flow of theirs carries data: another endpoint id
 * now and then, another address where a member had to take one, and a question where the other one is silent
 * (services/common/flow-upkeep.h is the schedule).
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

/* What is left of the table for new flows, at least, before endpoint ids are exchanged. */
#define EIDS_FOR_FLOWS (EIDS_MAX / 4)

#define NOTICE_BYTES (FLOW_MESSAGE_HEADER_BYTES + FLOW_NOTICE_BYTES + FLOW_CONTROL_PROOF_BYTES)

/* -- that go out -- */

static void send_notice(UnicastFlow *flow, FlowNoticeKind kind, const FlowNoticeText *notice, usec_t now) {
        uint64_t to = flow_path_towards(&flow->upkeep.path, flow->peer_address, NOTICE_BYTES);
        FlowMessage message = {
                .code = kind == FLOW_NOTICE_ROTATE ? FLOW_MESSAGE_ROTATE : FLOW_MESSAGE_MOVE,
                .sender = flow->unicast->address,
                .sender_eid = flow->eid,
                .receiver_eid = flow->peer_eid,
                .notice = *notice,
        };

        if (flow_own_lock(flow, to, message.notice.lock) < 0)
                return;

        flow_prove(flow, &message);
        if (message.has_proof)
                (void) flow_send_message(flow->unicast, to, &message, now);
}

/* What we want the peer to know. */
static void say(UnicastFlow *flow, FlowNoticeKind kind, usec_t now) {
        const FlowNotice *notice = &flow->upkeep.notices[kind];

        send_notice(flow, kind, &(FlowNoticeText) { .value = notice->value, .challenge = notice->challenge }, now);
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
        flow_changed(flow);
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
                        say(flow, FLOW_NOTICE_ROTATE, now);
                        break;

                case FLOW_UPKEEP_SAY_MOVE:
                        say(flow, FLOW_NOTICE_MOVE, now);
                        break;

                case FLOW_UPKEEP_FORGET_OLD:
                        forget_old(flow);
                        break;

                case FLOW_UPKEEP_PATH_FAILED:
                        flow->unicast->upkeep_counters.not_followed++;
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

                if (flow_survives_move(flow) && !flow_upkeep_is_told(&flow->upkeep, flow->own_address, u->address))
                        flow_follow_address(flow, now);
        }
}

/* A move that nobody has understood yet asks already. */
void flow_ask(UnicastFlow *flow, usec_t now) {
        if (flow->unicast->is_member && flow->layer.control.confirmed && !flow->upkeep.notices[FLOW_NOTICE_MOVE].active)
                flow_follow_address(flow, now);
}

void flow_probe(UnicastFlow *flow, usec_t now) {
        if (flow_upkeep_should_probe(&flow->upkeep, &flow->liveness, now))
                flow_ask(flow, now);
}

void flow_upkeep_begin(UnicastFlow *flow, usec_t now) {
        if (!flow->layer.control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->unicast->upkeep, now);
        liveness_proven(&flow->liveness, now);

        /* Who asked for the flow says something first, and so shows that it has the keys. */
        if (flow->layer.control.confirmed)
                flow_follow_address(flow, now);
}

/* -- that come -- */

/* The peer understood what we said, or wants to be shown more. */
static void acknowledged(UnicastFlow *flow, FlowNoticeKind kind, const FlowNoticeText *notice, usec_t heard, usec_t now) {
        if (kind == FLOW_NOTICE_MOVE && notice->challenge != 0) {
                if (flow_upkeep_challenged(&flow->upkeep, notice->value, notice->challenge, now))
                        flow_upkeep_run(flow, now);
                return;
        }
        if (!flow_upkeep_acknowledged(&flow->upkeep, kind, notice->value, heard, now))
                return;

        if (kind == FLOW_NOTICE_MOVE)
                flow->own_address = notice->value;
        else {
                flow->old_eid = flow->eid;
                flow->eid = flow->next_eid;
                flow->next_eid = 0;
                flow->unicast->upkeep_counters.rotated++;
        }
}

static int peer_rotated(UnicastFlow *flow, uint64_t value) {
        if (value < EID_FLOWS || value == UINT64_MAX)
                return -EPROTO;

        flow->peer_eid = value;
        return 0;
}

/* It says so in its own name, which anybody can; only who is there can show what it was asked there. Returns: 0;
 * -EPROTO; an error of the source of randomness. */
static int peer_moved(UnicastFlow *flow, const FlowMessage *message, usec_t now) {
        const FlowNoticeText *notice = &message->notice;
        Unicast *u = flow->unicast;
        uint64_t random;
        int r;

        if (notice->value != message->sender || !unicast_address_fits(u, notice->value) || notice->value == u->address)
                return -EPROTO;
        if (notice->value == flow->peer_address) {
                flow_path_forget(&flow->upkeep.path);
                return 0;
        }

        r = u->events->random(u->userdata, &random, sizeof(random));
        if (r < 0)
                return r;
        if (!flow_path_named(&flow->upkeep.path, notice->value, notice->challenge, NOTICE_BYTES, random, now))
                return 0;

        u->upkeep_counters.followed++;
        flow->peer_address = notice->value;
        return 0;
}

static void notice_genuine(UnicastFlow *flow, const FlowMessage *message, usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == FLOW_MESSAGE_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;
        const FlowNoticeText *notice = &message->notice;
        FlowNoticeText answer = { .acknowledges = true, .value = notice->value };
        int r = 0;

        if (notice->acknowledges)
                acknowledged(flow, kind, notice, heard, now);
        else
                r = kind == FLOW_NOTICE_ROTATE ? peer_rotated(flow, notice->value) : peer_moved(flow, message, now);
        if (r < 0)
                return counters_drop(&flow->unicast->counters, r == -EPROTO ? DROP_MALFORMED : DROP_NO_MEMORY);

        flow->layer.have_lock = true;
        memcpy(flow->layer.lock, notice->lock, sizeof(flow->layer.lock));

        /* Also where it was said before: then the acknowledgement was lost. */
        if (kind == FLOW_NOTICE_MOVE)
                answer.challenge = flow->upkeep.path.challenge;
        if (!notice->acknowledges)
                send_notice(flow, kind, &answer, now);

        flow_changed(flow);
        unicast_flow_watch_again(flow);
}

void flow_notice_received(Unicast *u, const FlowMessage *message, const LowerFlow *from, usec_t now) {
        UnicastFlow *flow = eids_get(u->eids, message->receiver_eid);
        usec_t heard;
        int r;

        if (!flow) {
                flow_unknown_eid(u, from);
                return flow_send_reset(u, message, from, now);
        }
        if (flow->layer.state == LAYER_FLOW_CLOSED) {
                counters_drop(&u->counters, DROP_FLOW_CLOSED);
                return flow_answer_after_close(flow, now);
        }
        if (!flow_is_live(flow))
                return flow_unknown_eid(u, from);

        r = flow_check_proof(flow, message);
        if (r < 0)
                return flow_drop_unproven(flow, r);

        heard = flow->liveness.heard;
        liveness_proven(&flow->liveness, now);
        fragmented_message_done(&flow->message);
        notice_genuine(flow, message, heard, now);
}
