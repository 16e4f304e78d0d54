/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which of a neighbour's flows are there, and which of them packets and messages take. */

#include "services/ipcp-unicast/unicast.h"

static const List *flows_of(const Neighbour *n, LowerPurpose purpose, Cube cube) {
        return purpose == LOWER_MANAGEMENT ? &n->management : &n->data[cube];
}

const LowerFlow *neighbour_has_flow(const Neighbour *n, LowerPurpose purpose, Cube cube, int lower,
                                    const LowerFlow *except) {
        const List *list = flows_of(n, purpose, cube);
        const LowerFlow *flow;

        list_for_each(flow, list, by_neighbour)
                if (flow != except && (lower < 0 || flow->lower == (unsigned) lower))
                        return flow;

        return NULL;
}

bool neighbour_has(const Neighbour *n, LowerPurpose purpose, int lower) {
        if (purpose == LOWER_MANAGEMENT)
                return neighbour_has_flow(n, purpose, CUBE_BEST_EFFORT, lower, NULL);

        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                if (neighbour_has_flow(n, purpose, cube, lower, NULL))
                        return true;

        return false;
}

/* Data transfer of best effort tells for all flows over the same layer below. */
static bool way_is_lost(const Neighbour *n, const LowerFlow *flow) {
        const LowerFlow *other;
        bool lost = false;

        if (flow->purpose == LOWER_DATA && flow->cube == CUBE_BEST_EFFORT)
                return hello_is_lost(&flow->hello);

        list_for_each(other, &n->data[CUBE_BEST_EFFORT], by_neighbour) {
                if (other->lower != flow->lower)
                        continue;
                if (!hello_is_lost(&other->hello))
                        return false;
                lost = true;
        }

        return lost;
}

/* The first whose layer below works, and leads to the neighbour. */
static LowerFlow *first_usable(const Neighbour *n, const List *list) {
        LowerFlow *flow;

        list_for_each(flow, list, by_neighbour)
                if (n->unicast->lower_is_up[flow->lower] && !way_is_lost(n, flow))
                        return flow;

        return NULL;
}

LowerFlow *neighbour_data_flow(Neighbour *n, Cube cube) {
        LowerFlow *flow;

        flow = first_usable(n, &n->data[cube]);
        if (!flow && cube != CUBE_BEST_EFFORT)
                flow = first_usable(n, &n->data[CUBE_BEST_EFFORT]);

        /* A foreign member may have connected with a better QoS than best effort, and no other flow. */
        for (Cube other = 0; !flow && other < _CUBE_MAX; other++)
                flow = first_usable(n, &n->data[other]);

        return flow;
}

LowerFlow *neighbour_management_flow(const Neighbour *n) {
        return first_usable(n, &n->management);
}

bool neighbour_is_lost(const Neighbour *n) {
        return n->state == NEIGHBOUR_TRYING && neighbour_has(n, LOWER_DATA, -1);
}
