/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether there is a way to the peers of our flows, which their applications are told. All flows are looked at after
 * neighbours or routes have changed, once for all that changed at the same time. That there is none is told only when
 * it has lasted for a while: the layer finds another way in less than that, where there is one. A way that is back is
 * told at once.
 */

#include "services/ipcp-unicast/flow.h"

void unicast_ways_changed(Unicast *u) {
        if (u->events->way)
                u->ways_at = MIN(u->ways_at, u->now);
}

/* To ourselves nothing leads. */
static bool has_way(const UnicastFlow *flow) {
        const Unicast *u = flow->unicast;

        return u->is_member && (flow->peer_address == u->address || unicast_has_way(u, flow->peer_address));
}

static void tell(UnicastFlow *flow, bool down) {
        Unicast *u = flow->unicast;

        flow->has_no_way = down;
        u->events->way(u->userdata, flow, !down);
}

/* Returns when to look again; USEC_INFINITY: when something changes. */
static usec_t look(UnicastFlow *flow, usec_t now) {
        usec_t due;

        if (has_way(flow)) {
                flow->no_way_since = 0;
                if (flow->has_no_way)
                        tell(flow, false);
                return USEC_INFINITY;
        }

        if (flow->has_no_way)
                return USEC_INFINITY;
        if (flow->no_way_since == 0)
                flow->no_way_since = now;

        due = usec_add(flow->no_way_since, UNICAST_NO_WAY_USEC);
        if (now < due)
                return due;

        tell(flow, true);
        return USEC_INFINITY;
}

void flow_way_begin(UnicastFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;

        if (u->events->way)
                u->ways_at = MIN(u->ways_at, look(flow, now));
}

void flow_ways_expire(Unicast *u, usec_t now) {
        LayerFlow *flow;
        usec_t next = USEC_INFINITY;

        if (now < u->ways_at)
                return;

        u->ways_at = USEC_INFINITY;
        list_for_each(flow, &u->flows.all, by_table)
                if (flow->state == LAYER_FLOW_ESTABLISHED)
                        next = MIN(next, look(unicast_flow(flow), now));
        u->ways_at = MIN(u->ways_at, next);
}
