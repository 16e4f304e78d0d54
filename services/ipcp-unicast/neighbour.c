/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Members next to us. A neighbour is made by its first open flow and goes with its last; what it is to routing and
 * forwarding follows from its flows in one place, neighbour_update(), whatever happened to them.
 */

#include <stdio.h>
#include <syslog.h>

#include "services/ipcp-unicast/unicast.h"

static const char *const neighbour_state_table[_NEIGHBOUR_STATE_MAX] = {
        [NEIGHBOUR_DOWN]   = "down",
        [NEIGHBOUR_TRYING] = "trying",
        [NEIGHBOUR_UP]     = "up",
};

DEFINE_ENUM_NAMES(neighbour_state, NeighbourState);

Neighbour *neighbour_find(const Unicast *u, uint64_t address) {
        return map_get(u->neighbours_by_address, &address, sizeof(address));
}

Neighbour *neighbour_by_hop(const Unicast *u, uint32_t hop) {
        return hop < NEIGHBOURS_MAX ? u->hops[hop] : NULL;
}

static bool has_any_flow(const Neighbour *n) {
        return neighbour_has(n, LOWER_MANAGEMENT, -1) || neighbour_has(n, LOWER_DATA, -1);
}

/* -- what it is to others -- */

/* The largest packet of a flow of ours, whichever neighbour it takes. Layers that are down for the moment count: a
 * flow's buffers are not made anew for every flap. */
void neighbours_update_packet_max(Unicast *u) {
        size_t header = unicast_pci_bytes(u);
        uint32_t packet_max = UINT32_MAX;
        const LowerFlow *flow;

        list_for_each(flow, &u->lower_flows, by_unicast)
                if (flow->neighbour && flow->purpose == LOWER_DATA)
                        packet_max = MIN(packet_max, flow->packet_max - (uint32_t) header);

        if (packet_max == UINT32_MAX)
                packet_max = 0;
        else if (u->config.packet_max > 0)
                packet_max = MIN(packet_max, u->config.packet_max);

        if (packet_max == u->packet_max)
                return;
        u->packet_max = packet_max;
        u->events->packet_max(u->userdata, packet_max);
}

void unicast_want_packet_max(Unicast *u, uint32_t packet_max) {
        u->config.packet_max = packet_max;
        neighbours_update_packet_max(u);
}

static void set_hop(Unicast *u, const Neighbour *n, uint32_t hop) {
        for (Cube cube = 0; u->is_member && cube < _CUBE_MAX; cube++)
                if (forwarding_set_neighbour(u->forwarding[cube], n->address, hop) < 0)
                        unicast_log_remote(u, LOG_WARNING, "No memory for a neighbour's place in a forwarding table.");
        unicast_ways_changed(u);
}

static void link_up(Neighbour *n, usec_t now) {
        Unicast *u = n->unicast;

        set_hop(u, n, n->hop);
        if (!u->is_member)
                return;
        if (routing_link_up(u->routing, n->address, n->cost, now) < 0)
                unicast_log_remote(u, LOG_WARNING, "No room for the link to member %" PRIu64 " in routing.",
                                   n->address);
        directory_add_peer(u->directory, n->address, now);
}

/* Packets go other ways from this moment on; what that does to all routes comes after. */
static void link_down(Neighbour *n, usec_t now) {
        Unicast *u = n->unicast;

        set_hop(u, n, FORWARDING_NONE);
        if (u->is_member)
                routing_link_down(u->routing, n->address, now);
        unicast_resume_waiting(u, n);
}

static void set_management(Neighbour *n, LowerFlow *flow, usec_t now) {
        Unicast *u = n->unicast;
        LowerFlow *old = n->management_in_use;

        if (old == flow)
                return;

        n->management_in_use = NULL;
        if (!u->is_member)
                return;
        if (old)
                routing_peer_down(u->routing, old->id, now);
        if (!flow)
                return;

        /* Routing may send from within. */
        n->management_in_use = flow;
        if (routing_peer_up(u->routing, flow->id, n->extended, now) < 0) {
                unicast_log_remote(u, LOG_WARNING, "No room for member %" PRIu64 " among those that hear of links.",
                                   n->address);
                n->management_in_use = NULL;
        }
}

static void set_neighbour_state(Neighbour *n, NeighbourState state, const char *reason, usec_t now) {
        NeighbourState before = n->state;
        char name[CEP_MEMBER_BYTES_MAX + 1];

        if (before == state)
                return;

        n->state = state;
        n->since = now;
        (void) neighbour_name(n, name, sizeof(name));
        unicast_log_remote(n->unicast, LOG_INFO, "Neighbour %s (address %" PRIu64 ") is %s: %s.", name, n->address,
                           neighbour_state_to_string(state), reason);
        n->unicast->events->neighbour(n->unicast->userdata, name, neighbour_state_to_string(before),
                                      neighbour_state_to_string(state), reason);
}

static void neighbour_update(Neighbour *n, const char *reason, usec_t now) {
        bool was_up = n->state == NEIGHBOUR_UP, is_up = neighbour_data_flow(n, CUBE_BEST_EFFORT);

        if (was_up && !is_up)
                link_down(n, now);

        set_management(n, neighbour_management_flow(n), now);

        if (!was_up && is_up)
                link_up(n, now);

        set_neighbour_state(n, is_up               ? NEIGHBOUR_UP
                               : has_any_flow(n)   ? NEIGHBOUR_TRYING
                                                   : NEIGHBOUR_DOWN, reason, now);
}

/* -- life -- */

static void neighbour_free(Neighbour *n) {
        Unicast *u = n->unicast;

        unicast_resume_waiting(u, n);
        list_unlink(&n->by_unicast);
        u->n_neighbours--;
        (void) map_remove(u->neighbours_by_address, &n->address, sizeof(n->address));
        u->hops[n->hop] = NULL;
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                queue_done(&n->queues[cube]);
        free(n);
}

static int find_hop(const Unicast *u, uint32_t *ret) {
        for (uint32_t hop = 0; hop < NEIGHBOURS_MAX; hop++)
                if (!u->hops[hop]) {
                        *ret = hop;
                        return 0;
                }

        return -ENOSPC;
}

static int neighbour_new(Unicast *u, uint64_t address, Neighbour **ret) {
        _cleanup_free_ Neighbour *n = NULL;
        uint32_t hop;
        int r;

        r = find_hop(u, &hop);
        if (r < 0)
                return r;

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;

        *n = (Neighbour) {
                .unicast = u,
                .address = address,
                .hop = hop,
                .cost = ROUTING_COST_DEFAULT,
                .state = NEIGHBOUR_DOWN,
        };
        list_init(&n->management);
        list_init(&n->waiting);
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                list_init(&n->data[cube]);

        r = map_put(u->neighbours_by_address, &n->address, sizeof(n->address), n);
        if (r < 0)
                return r;

        list_append(&u->neighbours, &n->by_unicast);
        u->n_neighbours++;
        u->hops[hop] = n;
        *ret = TAKE_PTR(n);
        return 0;
}

/* What the greeting on its latest flow says of it. */
static void learn(Neighbour *n, const LowerFlow *flow) {
        uint32_t cost = join_cost(&n->unicast->join, flow);

        if (flow->cep.peer.member[0] != '\0') {
                (void) copy_string(n->member, sizeof(n->member), flow->cep.peer.member);
                n->extended = true;
        }
        if (flow->outgoing)
                n->rtt_usec = flow->cep.rtt_usec;
        if (cost > 0)
                n->cost = MIN(cost, ROUTING_COST_MAX);
}

int neighbour_attach(Unicast *u, LowerFlow *flow, usec_t now) {
        uint64_t address = flow->cep.peer.address;
        Neighbour *n = neighbour_find(u, address);
        char reason[LAYER_NAME_BYTES_MAX + 64];
        int r;

        /* At least a message of the flow allocator should fit, or it is no use. */
        if (flow->packet_max <= unicast_pci_bytes(u))
                return -EMSGSIZE;

        if (!n) {
                r = neighbour_new(u, address, &n);
                if (r < 0)
                        return r;
        }

        learn(n, flow);
        flow->neighbour = n;
        if (flow->purpose == LOWER_DATA)
                list_prepend(&n->data[flow->cube], &flow->by_neighbour);
        else if (flow->outgoing)
                list_prepend(&n->management, &flow->by_neighbour);
        else
                list_append(&n->management, &flow->by_neighbour);       /* until neighbour_heard() */

        (void) snprintf(reason, sizeof(reason), "%s flow %s over %s is open", lower_purpose_to_string(flow->purpose),
                        flow->outgoing ? "to it" : "from it", lower_flow_layer(flow));
        if (flow->purpose == LOWER_DATA)
                neighbours_update_packet_max(u);
        neighbour_update(n, reason, now);

        if (flow->purpose == LOWER_DATA) {
                hello_soon(u, now);
                if (flow->outgoing && flow->cube == CUBE_BEST_EFFORT && n->extended)
                        (void) expiry_set(&u->lower_expiries, &flow->expiry, now);
                unicast_drain_queues(u, n, now);
        }

        unicast_update_state(u, now);
        return 0;
}

void neighbour_detach(LowerFlow *flow, const char *reason, usec_t now) {
        Neighbour *n = flow->neighbour;
        Unicast *u = n->unicast;

        list_unlink(&flow->by_neighbour);
        flow->neighbour = NULL;

        neighbour_update(n, reason, now);
        if (!has_any_flow(n))
                neighbour_free(n);
        else
                unicast_drain_queues(u, n, now);        /* another flow may take what this one did not */

        if (flow->purpose == LOWER_DATA)
                neighbours_update_packet_max(u);
        unicast_update_state(u, now);
}

void neighbour_heard(LowerFlow *flow, usec_t now) {
        Neighbour *n = flow->neighbour;

        /* Only ever to a newer one: two that both opened a flow would else follow each other for ever. */
        if (!n->management_in_use || flow == n->management_in_use || flow->opened <= n->management_in_use->opened)
                return;

        list_unlink(&flow->by_neighbour);
        list_prepend(&n->management, &flow->by_neighbour);
        neighbour_update(n, "it uses another management flow", now);
}

void neighbours_lower_changed(Unicast *u, unsigned lower, usec_t now) {
        char reason[LAYER_NAME_BYTES_MAX + 16];
        bool up = u->lower_is_up[lower];
        Neighbour *n;

        (void) snprintf(reason, sizeof(reason), "%.*s is %s", (int) LAYER_NAME_BYTES_MAX, u->config.lower[lower],
                        up ? "back" : "down");

        list_for_each(n, &u->neighbours, by_unicast) {
                neighbour_update(n, reason, now);
                unicast_drain_queues(u, n, now);
        }
}

void neighbour_way_changed(LowerFlow *flow, const char *reason, usec_t now) {
        Neighbour *n = flow->neighbour;
        Unicast *u = n->unicast;

        neighbour_update(n, reason, now);
        unicast_drain_queues(u, n, now);
        unicast_update_state(u, now);
}

/* What a member was under another address. One that is still heard is not ours to cut off, whoever has the name. */
static const Neighbour *past_of(const Neighbour *n) {
        const Neighbour *past;

        list_for_each(past, &n->unicast->neighbours, by_unicast)
                if (past != n && past->extended && n->extended && streq(past->member, n->member) &&
                    neighbour_is_lost(past))
                        return past;

        return NULL;
}

void neighbour_forget_past(const LowerFlow *flow, usec_t now) {
        const Neighbour *past = past_of(flow->neighbour);
        LowerFlow *other, *following;

        if (!past)
                return;

        /* It goes with its last flow; from then on this is but a number that nobody has. */
        list_for_each_safe(other, following, &flow->unicast->lower_flows, by_unicast)
                if (other->neighbour == past && other->lower == flow->lower)
                        lower_flow_give_up(other, "it has begun a new life", now);
}
