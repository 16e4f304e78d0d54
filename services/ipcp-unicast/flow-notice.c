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

#define NOTICE_BYTES (FLOW_MESSAGE_HEADER_BYTES + FLOW_NOTICE_AND_PROOF_BYTES)

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

static void say(UnicastFlow *flow, FlowNoticeKind kind, usec_t now) {
        const FlowNoticeText notice = flow_upkeep_said(&flow->upkeep, kind);

        send_notice(flow, kind, &notice, now);
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

void flow_ask(UnicastFlow *flow, usec_t now) {
        const Unicast *u = flow->unicast;

        if (!u->is_member || !flow_upkeep_ask(&flow->upkeep, &flow->layer.control, u->address, now))
                return;

        flow_upkeep_run(flow, now);
        unicast_flow_watch_again(flow);
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

static void learn(UnicastFlow *flow, FlowNews news, uint64_t value) {
        switch (news) {

        case FLOW_NEWS_NONE:
                return;

        case FLOW_NEWS_OUR_ENDPOINT:
                flow->old_eid = flow->eid;
                flow->eid = flow->next_eid;
                flow->next_eid = 0;
                flow->unicast->upkeep_counters.rotated++;
                return;

        case FLOW_NEWS_OUR_ADDRESS:
                flow->own_address = value;
                return;

        case FLOW_NEWS_ENDPOINT:
                flow->peer_eid = value;
                return;

        case FLOW_NEWS_ADDRESS:
                flow->peer_address = value;
                flow_way_begin(flow, flow->unicast->now);
                flow->unicast->upkeep_counters.followed++;
                return;
        }
}

/* Whether it says what can be: of a move, the address in whose name it comes. */
static bool is_possible(const UnicastFlow *flow, const FlowMessage *message) {
        uint64_t value = message->notice.value;

        if (message->notice.acknowledges)
                return true;
        if (message->code == FLOW_MESSAGE_ROTATE)
                return value >= EID_FLOWS && value != UINT64_MAX;

        return value == message->sender && value != flow->unicast->address &&
               unicast_address_fits(flow->unicast, value);
}

static void notice_genuine(UnicastFlow *flow, const FlowMessage *message, usec_t heard, usec_t now) {
        FlowNoticeKind kind = message->code == FLOW_MESSAGE_ROTATE ? FLOW_NOTICE_ROTATE : FLOW_NOTICE_MOVE;
        FlowNoticeContext context = { .peer_address = flow->peer_address, .bytes = NOTICE_BYTES, .heard = heard };
        Unicast *u = flow->unicast;
        FlowNoticeText answer;
        FlowNews news;

        if (!is_possible(flow, message))
                return counters_drop(&u->counters, DROP_MALFORMED);
        if (kind == FLOW_NOTICE_MOVE && !message->notice.acknowledges &&
            u->events->random(u->userdata, &context.random, sizeof(context.random)) < 0)
                return counters_drop(&u->counters, DROP_NO_MEMORY);

        news = flow_upkeep_heard(&flow->upkeep, kind, &message->notice, &context, now, &answer);
        learn(flow, news, message->notice.value);
        layer_flow_set_lock(&flow->layer, message->notice.lock);

        if (answer.acknowledges)
                send_notice(flow, kind, &answer, now);
        flow_upkeep_run(flow, now);
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
