/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The member as a whole: what it is made of before it joined (ways down, names, tables of flows), and its time. What it
 * gets when it did is in membership.c.
 */

#include "services/ipcp-unicast/echo.h"
#include "services/ipcp-unicast/flow.h"

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
        flow_ways_expire(u, now);
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
        next = MIN(next, u->ways_at);
        if (!u->is_member)
                return next;

        next = MIN(next, routing_next(u->routing));
        return MIN(next, directory_next(u->directory));
}

/* -- life -- */

void unicast_done(Unicast *u) {
        if (u->flows.by_key)
                flow_allocator_done(u);

        while (u->lower_flows.next && !list_is_empty(&u->lower_flows))
                lower_flow_close(list_first(&u->lower_flows, LowerFlow, by_unicast), u->now);
        if (u->join.targets.next)
                join_done(&u->join);

        u->echo = echo_free(u->echo);
        unicast_end_membership(u);
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
                .ways_at = USEC_INFINITY,
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

void unicast_start(Unicast *u, usec_t now) {
        u->now = now;
        join_start(&u->join, u, now);
        unicast_update_state(u, now);
}
