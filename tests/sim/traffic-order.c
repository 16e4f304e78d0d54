/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the IRM of a member says to its core, as far as exchanges need it. */

#include "tests/sim/traffic-internal.h"

#define IRM_USEC 200U /* from a layer to the IRM and back */

static CloseTokens tokens_of(uint64_t id, bool server) {
        CloseTokens tokens = { .have_own = true, .have_peer = true };
        Dice dice;

        dice_init(&dice, id, 7);
        dice_bytes(&dice, server ? tokens.own : tokens.peer, CLOSE_TOKEN_BYTES);
        dice_bytes(&dice, server ? tokens.peer : tokens.own, CLOSE_TOKEN_BYTES);
        return tokens;
}

LayerFlow *traffic_flow_of(const Member *m, uint64_t flow_id, uint32_t attempt, LayerFlowState state) {
        LayerFlow *flow = m->alive ? layer_flows_get(&m->unicast.flows, flow_id, attempt) : NULL;

        return flow && flow->state == state ? flow : NULL;
}

bool traffic_send(Traffic *t, Member *m, LayerFlow *flow, const Content *content) {
        UnicastFlow *unicast = unicast_flow(flow);
        usec_t now = t->world->timeline.now;

        if (unicast_budget(&m->unicast, unicast, 1, now) == 0)
                return false;

        packet_reset(t->packet);
        memcpy(packet_append(t->packet, sizeof(*content)), content, sizeof(*content));
        (void) unicast_transmit(&m->unicast, unicast, &t->packet, 1, now);
        return true;
}

static void give_accept(Order *o, usec_t now) {
        Traffic *t = o->traffic;
        Member *m = o->member;

        t->order = (LayerMessage) {
                .type = LAYER_ACCEPT,
                .reference = o->reference,
                .flow_id = o->flow_id,
                .tokens = tokens_of(o->flow_id >> 4, true),
                .qos = O7S_QOS_RAW,
                .oap_size = OAP_RESPONSE_BYTES,
        };
        memcpy(t->order.oap, &o->flow_id, sizeof(o->flow_id));
        (void) unicast_accept(&m->unicast, &t->order, now);
}

static void give_established(Order *o, usec_t now) {
        LayerFlow *flow = traffic_flow_of(o->member, o->flow_id, o->attempt, LAYER_FLOW_ANSWERED);
        bool server = o->flow_id & SERVER_END;
        CloseTokens tokens = tokens_of(o->flow_id >> 4, server);
        Exchange *e = exchange_get(o->traffic, o->flow_id >> 4);

        if (!flow) {
                if (e && !server)
                        e->allocated = false; /* it ended meanwhile: the next attempt follows in its time */
                return;
        }

        unicast_established(&o->member->unicast, flow, &tokens, now);
        if (server || !e)
                return;

        e->state = EXCHANGE_TALKING;
        e->allocated = true;
        e->allocation_usec = now - e->begin;
        timeline_set(&o->traffic->world->timeline, &e->event, now);
}

static void give_abort(Order *o, usec_t now) {
        CloseTokens tokens = tokens_of(o->flow_id >> 4, false);
        LayerFlow *flow = layer_flows_get(&o->member->unicast.flows, o->flow_id, o->attempt);

        if (flow && flow->state != LAYER_FLOW_CLOSED)
                unicast_abort(&o->member->unicast, flow, &tokens, now);
}

static void give_return(Order *o) {
        LayerFlow *flow = traffic_flow_of(o->member, o->flow_id, 0, LAYER_FLOW_ESTABLISHED);

        if (flow)
                (void) traffic_send(o->traffic, o->member, flow, &o->content);
}

static void order_happen(TimelineEvent *event, usec_t now) {
        _cleanup_free_ Order *o = container_of(event, Order, event);

        if (!o->member->alive || o->member->life != o->life)
                return;

        switch (o->type) {

        case ORDER_ACCEPT:
                give_accept(o, now);
                break;

        case ORDER_ESTABLISH:
                give_established(o, now);
                break;

        case ORDER_ABORT:
                give_abort(o, now);
                break;

        case ORDER_RETURN:
                give_return(o);
                break;
        }

        member_plan(o->member);
}

static void order_abandon(TimelineEvent *event) {
        free(container_of(event, Order, event));
}

static const TimelineKind order_kind = { .happen = order_happen, .abandon = order_abandon };

void order_plan(Traffic *t, const Order *order) {
        Order *o;

        o = malloc(sizeof(*o));
        if (!o)
                return;

        *o = *order;
        o->event = (TimelineEvent) { .kind = &order_kind };
        o->traffic = t;
        o->life = o->member->life;
        timeline_set(&t->world->timeline, &o->event, t->world->timeline.now + IRM_USEC);
}
