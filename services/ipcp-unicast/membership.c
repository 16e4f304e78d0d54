/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a member gets when it joined: an address, routing, forwarding, the directory, and how these tell the others what
 * happens. And how that ends: because somebody else has the address, or in an orderly way.
 */

#include <syslog.h>

#include "services/ipcp-unicast/flow.h"

/* -- what routing wants -- */

static LowerFlow *management_peer(Unicast *u, uint64_t peer) {
        Neighbour *n;

        list_for_each(n, &u->neighbours, by_unicast)
                if (n->management_in_use && n->management_in_use->id == peer)
                        return n->management_in_use;

        return NULL;
}

static bool routing_send(void *userdata, uint64_t peer, const uint8_t *message, size_t size) {
        LowerFlow *flow = management_peer(userdata, peer);

        return flow && lower_flow_send(flow, message, size);
}

static void routing_routes_changed(void *userdata, const Route *routes, size_t n_routes, unsigned n_added,
                                   unsigned n_removed, unsigned n_changed) {
        Unicast *u = userdata;

        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                if (forwarding_replace(u->forwarding[cube], routes, n_routes) < 0)
                        unicast_log(u, LOG_WARNING, "No memory for %zu routes: the old ones stay.", n_routes);

        unicast_ways_changed(u);
        u->events->routes(u->userdata, ++u->routing_version, n_added, n_removed, n_changed);
}

static void routing_conflict(void *userdata) {
        Unicast *u = userdata;

        /* Not from within routing, which is about to go. */
        u->has_conflict = true;
}

static const RoutingEvents routing_events = {
        .send = routing_send,
        .routes = routing_routes_changed,
        .conflict = routing_conflict,
};

/* -- what the directory wants -- */

static void directory_send(void *userdata, uint64_t address, const uint8_t *message, size_t size) {
        Unicast *u = userdata;

        (void) unicast_send_message(u, address, EID_DIRECTORY, message, size, u->now);
}

static void directory_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses,
                            size_t n_addresses) {
        Unicast *u = userdata;

        if (lookup & UNICAST_LOOKUP_OPERATOR)
                return u->events->found(u->userdata, lookup, error, addresses, n_addresses);

        flow_found(u, lookup, error, addresses, n_addresses, u->now);
}

static int directory_random(void *userdata, uint64_t *ret) {
        Unicast *u = userdata;

        return u->events->random(u->userdata, ret, sizeof(*ret));
}

static uint64_t directory_unix_time(void *userdata, usec_t now) {
        Unicast *u = userdata;

        return u->events->realtime_nsec(u->userdata, now) / (NSEC_PER_USEC * USEC_PER_SEC);
}

static const DirectoryEvents directory_events = {
        .send = directory_send,
        .found = directory_found,
        .random = directory_random,
        .unix_time = directory_unix_time,
};

/* -- becoming a member -- */

void unicast_end_membership(Unicast *u) {
        u->is_member = false;
        u->routing = routing_free(u->routing);
        u->directory = directory_free(u->directory);
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                u->forwarding[cube] = forwarding_free(u->forwarding[cube]);
}

static int make_address(Unicast *u) {
        unsigned bits = 8U * u->format.address_bytes;
        uint64_t random;
        int r;

        /* From an earlier life, in which the layer may have been another one. */
        if (u->address != ADDRESS_NONE && (bits >= 64 || u->address >> bits == 0))
                return 0;

        r = u->events->random(u->userdata, &random, sizeof(random));
        if (r < 0)
                return r;

        u->address = address_from_random(random, u->format.address_bytes);
        return 0;
}

static int make_routing(Unicast *u, usec_t now) {
        const RoutingConfig config = {
                .address = u->address,
                .recalculate_usec = u->layer.recalculate_sec * USEC_PER_SEC,
                .update_usec = u->layer.update_sec * USEC_PER_SEC,
                .timeout_usec = u->layer.timeout_sec * USEC_PER_SEC,
                .sequence = u->sequence,
                .alternates = u->layer.forwarding == FORWARDING_ALTERNATES,
        };
        int r;

        for (Cube cube = 0; cube < _CUBE_MAX; cube++) {
                r = forwarding_new((ForwardingPolicy) u->layer.forwarding, u->config.key, &u->forwarding[cube]);
                if (r < 0)
                        return r;
        }

        return routing_new(&config, &routing_events, u, now, &u->routing);
}

static int make_directory(Unicast *u, usec_t now) {
        DirectoryConfig config = {
                .address = u->address,
                .hash = u->layer.hash,
                .alpha = u->layer.alpha,
                .k = u->layer.k,
                .expire_usec = u->layer.expire_sec * USEC_PER_SEC,
                .refresh_usec = u->layer.refresh_sec * USEC_PER_SEC,
                .replicate_usec = u->layer.replicate_sec * USEC_PER_SEC,
        };
        int r;

        r = u->events->random(u->userdata, config.id, hash_size(u->layer.hash));
        if (r < 0)
                return r;
        memcpy(u->directory_id, config.id, sizeof(u->directory_id));

        return directory_new(&config, &directory_events, u, now, &u->directory);
}

int unicast_become_member(Unicast *u, const LayerConfig *config, usec_t now) {
        int r;

        u->now = now;
        if (config->hash != u->config.initial.hash) {
                unicast_log(u, LOG_ERR,
                            "The members of layer %s use %s for names, our file says %s: set Hash= to the former.",
                            config->layer, hash_algorithm_to_string(config->hash),
                            hash_algorithm_to_string(u->config.initial.hash));
                return -EPROTO;
        }

        u->layer = *config;
        u->hash_size = hash_size(config->hash);
        u->format = (PciFormat) {
                .address_bytes = (uint8_t) config->address_bytes,
                .eid_bytes = (uint8_t) config->eid_bytes,
                .ttl_max = (uint8_t) config->ttl_max,
        };

        r = make_address(u);
        if (r >= 0)
                r = make_routing(u, now);
        if (r >= 0)
                r = make_directory(u, now);
        if (r < 0) {
                unicast_end_membership(u);
                return r;
        }

        u->is_member = true;
        r = flow_names_publish(u, now);
        if (r < 0)
                unicast_log(u, LOG_WARNING, "Some names could not be published in the directory.");

        directory_add_peer(u->directory, config->peer, now);
        u->layer.peer = u->address;
        flows_follow_address(u, now);
        unicast_log(u, LOG_INFO, "Member of layer %s with address %" PRIu64 ".", u->layer.layer, u->address);
        u->events->joined(u->userdata);
        unicast_update_state(u, now);
        return 0;
}

/* -- an end to it -- */

/* All of them, or but for those whose peers can be told where we are next. */
static void end_flows(Unicast *u, CloseReason reason, bool moves, usec_t now) {
        LayerFlow *flow, *following;

        list_for_each_safe(flow, following, &u->flows.all, by_table) {
                if (flow->state != LAYER_FLOW_ANSWERED && flow->state != LAYER_FLOW_ESTABLISHED)
                        continue;
                if (!moves || !flow_survives_move(unicast_flow(flow)))
                        unicast_flow_down(unicast_flow(flow), reason, now);
        }
}

void unicast_address_conflict(Unicast *u, const char *where, usec_t now) {
        unicast_log(u, LOG_WARNING,
                    "Another member has our address %" PRIu64 " (seen in %s): joining again with a new one.",
                    u->address, where);

        end_flows(u, CLOSE_LAYER_DOWN, true, now);
        while (!list_is_empty(&u->lower_flows))
                lower_flow_close(list_first(&u->lower_flows, LowerFlow, by_unicast), now);

        unicast_end_membership(u);
        flow_lookups_fail(u, now);
        u->address = ADDRESS_NONE;
        u->sequence = 0;
        u->has_conflict = false;
        if (!u->config.bootstrap)
                u->layer.have_id = false;       /* who is enrolled again is told again */

        join_done(&u->join);
        join_start(&u->join, u, now);
        unicast_update_state(u, now);
}

void unicast_leave(Unicast *u, usec_t now) {
        u->now = now;
        end_flows(u, CLOSE_LAYER_DOWN, false, now);
        if (u->is_member)
                routing_leave(u->routing, now);
}

int unicast_restore(Unicast *u, const LayerConfig *layer, uint64_t address, uint64_t sequence, usec_t now) {
        if (address == ADDRESS_NONE)
                return -EINVAL;

        u->address = address;
        u->sequence = sequence;
        return unicast_become_member(u, layer, now);
}
