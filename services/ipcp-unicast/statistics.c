/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counters of the layer on the bus: of packets, of routing and the directory, and of the queues of each cube. */

#include "services/common/statistics-bus.h"
#include "services/ipcp-unicast/bus-call.h"

typedef struct Value {
        const char *name;
        uint64_t value;
} Value;

static int append_values(sd_bus_message *reply, const char *prefix, const Value *values, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = statistics_append(reply, prefix, values[i].name, values[i].value);

        return r;
}

static int append_routing(sd_bus_message *reply, const RoutingStatistics *s) {
        const Value values[] = {
                { "received", s->received },         { "malformed", s->malformed }, { "stale", s->stale },
                { "flooded", s->flooded },           { "refused", s->refused },     { "withdrawn", s->withdrawn },
                { "computations", s->computations }, { "links", s->n_links },       { "members", s->n_members },
        };

        return append_values(reply, "routing-", values, ELEMENTSOF(values));
}

static int append_directory(sd_bus_message *reply, const DirectoryStatistics *s) {
        const Value values[] = {
                { "received", s->received }, { "malformed", s->malformed }, { "unsolicited", s->unsolicited },
                { "refused", s->refused }, { "sent", s->sent }, { "lookups", s->lookups }, { "stored", s->stored },
                { "lookups-failed", s->lookups_failed }, { "lookup-rounds", s->lookup_rounds },
                { "evicted", s->evicted }, { "contacts", s->n_contacts }, { "entries", s->n_entries },
                { "names", s->n_names },
        };

        return append_values(reply, "directory-", values, ELEMENTSOF(values));
}

static uint64_t count_scanning(const Unicast *u, usec_t now) {
        uint64_t n_scanning = 0;
        Neighbour *n;

        list_for_each(n, &u->neighbours, by_unicast)
                n_scanning += scan_is_on(&n->scan, now);

        return n_scanning;
}

static int append_all(sd_bus_message *reply, Service *s) {
        Unicast *u = &s->unicast;
        const Value values[] = {
                { "flows", layer_upper(s->layer)->n_flows },
                { "lower-flows", u->n_lower_flows },
                { "lower-flows-refused", u->lower_peers.n_refused },
                { "neighbours", u->n_neighbours },
                { "names-registered", map_size(u->registered) },
                { "forwarded", u->n_forwarded },
                { "scans", u->n_scans },
                { "endpoints-rotated", u->upkeep_counters.rotated },
                { "peers-followed", u->upkeep_counters.followed },
                { "peers-not-followed", u->upkeep_counters.not_followed },
                { "resets-sent", u->upkeep_counters.resets_sent },
                { "resets-taken", u->upkeep_counters.resets_taken },
                { "messages-reassembled", u->reassembly.n_completed },
                { "messages-incomplete", u->reassembly.n_timed_out },
                { "scanning-neighbours", count_scanning(u, time_now()) },
        };
        Counters flows;
        int r;

        upper_sum_counters(layer_upper(s->layer), &flows);
        r = statistics_append_counters(reply, "packets-", &u->counters);
        if (r >= 0)
                r = statistics_append_counters(reply, "flows-", &flows);
        if (r >= 0)
                r = statistics_append(reply, "flows-", "demoted", layer_upper(s->layer)->n_demoted);
        if (r >= 0)
                r = append_values(reply, "", values, ELEMENTSOF(values));
        if (r >= 0 && u->is_member)
                r = append_routing(reply, routing_statistics(u->routing));
        if (r >= 0 && u->is_member)
                r = append_directory(reply, directory_statistics(u->directory));

        return r;
}

static int method_get_all(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{st}");
        if (r >= 0)
                r = append_all(reply, userdata);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static uint32_t queue_depth(const Unicast *u, Cube cube) {
        const Neighbour *n;
        uint32_t depth = 0;

        list_for_each(n, &u->neighbours, by_unicast)
                depth += n->queues[cube].n;

        return depth;
}

static int method_get_queues(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Service *s = userdata;
        const Unicast *u = &s->unicast;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sutttt)");
        for (Cube cube = 0; r >= 0 && cube < _CUBE_MAX; cube++)
                r = sd_bus_message_append(reply, "(sutttt)", cube_to_string(cube), queue_depth(u, cube),
                                          u->cubes[cube].in, u->cubes[cube].out, u->cubes[cube].dropped,
                                          u->cubes[cube].marked);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_get_histogram(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        static const Durations none = {};
        const Service *s = userdata;
        const Unicast *u = &s->unicast;
        const NamedDurations known[] = {
                { "allocation", &u->allocation_usec },
                { "lookup", u->is_member ? &directory_statistics(u->directory)->lookup_usec : &none },
                { "computation", u->is_member ? &routing_statistics(u->routing)->computation_usec : &none },
        };

        return statistics_reply_histogram(message, known, ELEMENTSOF(known), error);
}

const sd_bus_vtable unicast_statistics_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetAll", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", counters), method_get_all,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetQueues", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sutttt)", queues), method_get_queues,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistogram", SD_BUS_ARGS("s", which), SD_BUS_RESULT("at", buckets, "at", counts),
                                method_get_histogram, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
