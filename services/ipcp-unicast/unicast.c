/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The member as a whole: what it is made of before it joined (ways down, names, tables of flows) and what it gets
 * when it did (an address, routing, forwarding, the directory), and how these tell each other what happens.
 */

#include <stdio.h>
#include <syslog.h>

#include "services/ipcp-unicast/echo.h"
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

static void membership_done(Unicast *u) {
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
                membership_done(u);
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

/* -- state -- */

/* How many neighbours that somebody asked for by name are not there. */
static unsigned count_missing(const Unicast *u, const JoinTarget **ret_first) {
        const JoinTarget *target;
        unsigned n = 0;

        list_for_each(target, &u->join.targets, by_join) {
                if (target->implicit || (target->address != ADDRESS_NONE && neighbour_find(u, target->address)))
                        continue;
                if (n++ == 0)
                        *ret_first = target;
        }

        return n;
}

/* Those that are just becoming neighbours are neither. */
static unsigned count_up(const Unicast *u, unsigned *ret_n_lost) {
        const Neighbour *neighbour;
        unsigned n = 0;

        *ret_n_lost = 0;
        list_for_each(neighbour, &u->neighbours, by_unicast) {
                n += neighbour->state == NEIGHBOUR_UP;
                *ret_n_lost += neighbour_is_lost(neighbour);
        }

        return n;
}

static void report_state(Unicast *u, LayerState state, const char *text) {
        if (u->state == state && streq(u->state_text, text))
                return;

        u->state = state;
        (void) copy_string(u->state_text, sizeof(u->state_text), text);
        u->events->state(u->userdata, state, text);
}

void unicast_update_state(Unicast *u, usec_t now) {
        const JoinTarget *missing = NULL;
        char text[sizeof(u->state_text)];
        unsigned n_missing, n_up, n_lost;

        if (!u->is_member) {
                join_describe(&u->join, now, text, sizeof(text));
                return report_state(u, join_has_failed(&u->join)     ? LAYER_FAILED
                                       : u->config.bootstrap ? LAYER_BOOTSTRAPPING
                                                             : LAYER_ENROLLING, text);
        }

        n_missing = count_missing(u, &missing);
        if (n_missing > 0) {
                (void) snprintf(text, sizeof(text), "%u of its neighbours missing: %.100s (%.200s)", n_missing,
                                missing->name, missing->problem[0] ? missing->problem : "being connected");
                return report_state(u, LAYER_DEGRADED, text);
        }

        n_up = count_up(u, &n_lost);
        if (n_up + n_lost == 0 && !u->config.bootstrap) {
                join_describe(&u->join, now, text, sizeof(text));
                return report_state(u, LAYER_DEGRADED, text);
        }

        if (n_up + n_lost == 0)
                (void) snprintf(text, sizeof(text), "first member of %.63s, no neighbour yet", u->layer.layer);
        else if (n_up == 0)
                (void) snprintf(text, sizeof(text), "member of %.63s, out of reach of its neighbour%s", u->layer.layer,
                                n_lost == 1 ? "" : "s");
        else if (n_lost > 0)
                (void) snprintf(text, sizeof(text), "member of %.63s with %u neighbour%s, and %u out of reach",
                                u->layer.layer, n_up, n_up == 1 ? "" : "s", n_lost);
        else
                (void) snprintf(text, sizeof(text), "member of %.63s with %u neighbour%s", u->layer.layer, n_up,
                                n_up == 1 ? "" : "s");
        report_state(u, n_up == 0 && n_lost > 0 ? LAYER_DEGRADED : LAYER_ONLINE, text);
}

/* -- an address that is not ours alone -- */

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

        membership_done(u);
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

/* -- what an operator asks for -- */

void unicast_reset_statistics(Unicast *u) {
        u->counters = (Counters) {};
        u->upkeep_counters = (FlowUpkeepCounters) {};
        u->reassembly.n_completed = u->reassembly.n_timed_out = 0;
        u->allocation_usec = (Durations) {};
        u->n_forwarded = 0;
        u->n_scans = 0;
        u->lower_peers.n_refused = 0;
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                u->cubes[cube] = (CubeCounters) {};

        if (u->is_member) {
                routing_reset_statistics(u->routing);
                directory_reset_statistics(u->directory);
        }
}

/* -- time -- */

void unicast_expire(Unicast *u, usec_t now) {
        Expiry *expiry;

        u->now = now;

        while ((expiry = expiry_pop(&u->lower_expiries, now)))
                lower_flow_expire(container_of(expiry, LowerFlow, expiry), now);
        while ((expiry = expiry_pop(&u->expiries, now)))
                flow_expire(container_of(expiry, UnicastFlow, expiry), now);

        incoming_expire(u, now);
        reassembly_expire(&u->reassembly, now);
        join_expire(&u->join, now);
        hello_expire(u, now);
        echo_expire(u, now);

        if (u->is_member) {
                routing_expire(u->routing, now);
                directory_expire(u->directory, now);
        }
        if (u->has_conflict && join_give_way(&u->join, now))
                unicast_address_conflict(u, "link-state messages", now);
}

usec_t unicast_next(const Unicast *u) {
        usec_t next = MIN(expiry_next(&u->expiries), expiry_next(&u->lower_expiries));

        if (u->has_conflict)
                next = MIN(next, u->join.next_conflict);

        next = MIN(next, incoming_next(u));
        next = MIN(next, reassembly_next(&u->reassembly));
        next = MIN(next, join_next(&u->join));
        next = MIN(next, hello_next(u));
        next = MIN(next, echo_next(u));
        if (!u->is_member)
                return next;

        next = MIN(next, routing_next(u->routing));
        return MIN(next, directory_next(u->directory));
}

/* -- life -- */

void unicast_leave(Unicast *u, usec_t now) {
        u->now = now;
        end_flows(u, CLOSE_LAYER_DOWN, false, now);
        if (u->is_member)
                routing_leave(u->routing, now);
}

void unicast_done(Unicast *u) {
        if (u->flows.by_key)
                flow_allocator_done(u);

        while (u->lower_flows.next && !list_is_empty(&u->lower_flows))
                lower_flow_close(list_first(&u->lower_flows, LowerFlow, by_unicast), u->now);
        if (u->join.targets.next)
                join_done(&u->join);

        u->echo = echo_free(u->echo);
        membership_done(u);
        layer_flows_done(&u->flows);
        expiry_done(&u->expiries);
        expiry_done(&u->lower_expiries);
        u->eids = eids_free(u->eids);
        u->registered = map_free(u->registered);
        u->neighbours_by_address = map_free(u->neighbours_by_address);
        u->incoming_by_reference = map_free(u->incoming_by_reference);
        u->incoming_by_peer = map_free(u->incoming_by_peer);
        u->message = packet_free(u->message);
}

static int make_tables(Unicast *u) {
        Map **maps[] = { &u->registered, &u->neighbours_by_address, &u->incoming_by_reference, &u->incoming_by_peer };
        int r;

        r = layer_flows_init(&u->flows);
        if (r < 0)
                return r;

        r = eids_new(&u->eids);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(maps); i++) {
                r = map_new(maps[i]);
                if (r < 0)
                        return r;
        }

        return packet_new(DIRECTORY_MESSAGE_BYTES_MAX, &u->message);
}

int unicast_init(Unicast *u, const UnicastConfig *config, const UnicastEvents *events, void *userdata, usec_t now) {
        int r;

        *u = (Unicast) {
                .config = *config,
                .events = events,
                .userdata = userdata,
                .now = now,
                .state = _LAYER_STATE_INVALID,
                .hello = { .send = USEC_INFINITY, .judge = USEC_INFINITY },
        };

        list_init(&u->lower_flows);
        list_init(&u->neighbours);
        list_init(&u->tombstones);
        list_init(&u->lookups);
        list_init(&u->incoming);
        list_init(&u->answered);
        list_init(&u->join.targets);
        limit_init(&u->limit, config->key, UNICAST_SENDER_RATE, UNICAST_SENDER_BURST, UNICAST_TOTAL_RATE,
                   UNICAST_TOTAL_BURST);

        limit_init(&u->reset_limit, config->key, UNICAST_RESET_RATE, UNICAST_RESET_BURST, UNICAST_RESET_TOTAL_RATE,
                   UNICAST_RESET_TOTAL_BURST);
        reassembly_init(&u->reassembly, config->key);
        u->upkeep = config->upkeep.usec > 0 ? config->upkeep : FLOW_UPKEEP_LIMITS;

        /* Until we know better, as names may be registered before we are a member. */
        u->hash_size = hash_size(config->initial.hash);

        r = make_tables(u);
        if (r < 0)
                unicast_done(u);
        return r;
}

int unicast_restore(Unicast *u, const LayerConfig *layer, uint64_t address, uint64_t sequence, usec_t now) {
        if (address == ADDRESS_NONE)
                return -EINVAL;

        u->address = address;
        u->sequence = sequence;
        return unicast_become_member(u, layer, now);
}

void unicast_start(Unicast *u, usec_t now) {
        u->now = now;
        join_start(&u->join, u, now);
        unicast_update_state(u, now);
}
