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

/* -- that go out -- */

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

        flow_prove(flow, &message);
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
        if (flow->unicast->is_member && flow_upkeep_should_probe(&flow->upkeep, &flow->liveness, now) &&
            flow->layer.control.confirmed)
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

/* -- that come -- */

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
                flow->unicast->upkeep_counters.rotated++;
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

        flow->unicast->upkeep_counters.followed += value != flow->peer_address;
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
        liveness_heard(&flow->liveness, now);
        fragmented_message_done(&flow->message);
        notice_genuine(flow, message, heard, now);
}
