/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connecting to neighbours and letting go of them, as an operator orders it. */

#include "services/ipcp-unicast/unicast.h"

int join_connect(Join *join, const char *name, int lower, bool management, bool data, usec_t now) {
        Unicast *u = join->unicast;
        JoinTarget *t;
        int r;

        if (!u || !u->is_member)
                return -EBUSY;
        if (!flow_name_is_valid_on_wire(name) || lower >= (int) u->config.n_lower || (!management && !data))
                return -EINVAL;

        lower = MAX(lower, -1);
        list_for_each(t, &join->targets, by_join)
                if (!t->implicit && t->lower == lower && streq(t->name, name)) {
                        if (t->management >= management && t->data >= data)
                                return -EEXIST;

                        t->management |= management;
                        t->data |= data;
                        join_target_look(join, t, now);
                        return 0;
                }

        r = join_target_new(join, name, lower, now, &t);
        if (r < 0)
                return r;

        t->management = management;
        t->data = data;
        join_target_look(join, t, now);
        unicast_update_state(u, now);
        return 0;
}

/* Flows with this neighbour, over the layer of the target, or over all. */
static unsigned close_flows(Unicast *u, uint64_t address, int lower, bool management, bool data, usec_t now) {
        unsigned n_closed = 0;
        bool again;

        /* One at a time: closing one may end others. */
        do {
                LowerFlow *flow;

                again = false;
                list_for_each(flow, &u->lower_flows, by_unicast) {
                        if (!flow->neighbour || flow->neighbour->address != address ||
                            (lower >= 0 && flow->lower != (unsigned) lower) ||
                            !(flow->purpose == LOWER_MANAGEMENT ? management : data))
                                continue;

                        lower_flow_close(flow, now);
                        n_closed++;
                        again = true;
                        break;
                }
        } while (again);

        return n_closed;
}

/* Takes the components away; a target without any goes, and so does what it was opening. */
static void target_reduce(Join *join, JoinTarget *t, bool management, bool data, usec_t now) {
        LowerFlow *flow = t->flow;

        t->management &= !management;
        t->data &= !data;
        if (flow && (flow->purpose == LOWER_MANAGEMENT ? management : data)) {
                t->flow = NULL;
                t->retry = now;
                lower_flow_close(flow, now);
        }
        if (!t->management && !t->data)
                join_target_free(join, t);
        else
                join_target_look(join, t, now);
}

int join_disconnect(Join *join, const char *name, bool management, bool data, usec_t now) {
        Unicast *u = join->unicast;
        JoinTarget *t, *following;
        const Neighbour *n;
        bool found = false;

        if (!u || !u->is_member)
                return -EBUSY;
        if (!management && !data)
                return -EINVAL;

        list_for_each_safe(t, following, &join->targets, by_join) {
                uint64_t address = t->address;
                int lower = t->lower;

                if (!streq(t->name, name))
                        continue;

                found = true;
                target_reduce(join, t, management, data, now);
                if (address != ADDRESS_NONE)
                        (void) close_flows(u, address, lower, management, data, now);
        }

        /* A neighbour by its own name, whoever connected. An implicit target that it satisfied would bring it back:
         * that one goes with it. */
        list_for_each(n, &u->neighbours, by_unicast) {
                uint64_t address = n->address;

                if (!n->extended || !streq(n->member, name))
                        continue;

                found = true;
                list_for_each_safe(t, following, &join->targets, by_join)
                        if (t->implicit && t->address == address)
                                target_reduce(join, t, management, data, now);
                (void) close_flows(u, address, -1, management, data, now);
                break;
        }

        unicast_update_state(u, now);
        return found ? 0 : -ENOENT;
}
