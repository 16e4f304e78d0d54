/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the layer shows on its own bus name: routing, here, traces (trace-bus.c), the directory (directory-bus.c) and
 * counters (statistics.c). It only shows. Orders are methods of the IRM, where polkit can tell who asks; Recompute
 * and Refresh, which change nothing but spend time, are for root. Trace sends packets, for whoever asks: few, and
 * answered or not within seconds.
 */

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/common/bus-error.h"
#include "services/common/bus-introspect.h"
#include "services/common/bus-option.h"
#include "services/ipcp-unicast/bus-call.h"

/* -- properties: what a layer is made of is known once we are in it -- */

static int property_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        uint64_t value = 0;

        if (streq(property, "RoutingVersion"))
                value = s->unicast.routing_version;
        else if (s->unicast.is_member && streq(property, "Address"))
                value = s->unicast.address;
        else if (s->unicast.is_member)
                value = routing_statistics(s->unicast.routing)->last_computation_usec;

        return sd_bus_message_append(reply, "t", value);
}

static int property_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        const LayerConfig *layer = s->unicast.is_member ? &s->unicast.layer : &s->unicast.config.initial;
        const char *text;

        if (streq(property, "Routing"))
                text = forwarding_policy_to_string((ForwardingPolicy) layer->forwarding);
        else if (streq(property, "Congestion"))
                text = congestion_policy_to_string((CongestionPolicy) layer->congestion);
        else
                text = layer->address_policy == 0 ? "flat-random" : "";

        return sd_bus_message_append(reply, "s", strempty(text));
}

/* As far as it was seen when we were enrolled: the other's clock minus ours, in µs, and who that was. */
static int property_clock(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "(xs)", s->unicast.clock_offset_usec, s->unicast.clock_peer);
}

static int property_max_ttl(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        const LayerConfig *layer = s->unicast.is_member ? &s->unicast.layer : &s->unicast.config.initial;

        return sd_bus_message_append(reply, "y", (uint8_t) layer->ttl_max);
}

/* -- routes and links -- */

static int read_filter(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        if (!streq(key, "Destination"))
                return bus_error_set(error, -EINVAL, "Routes cannot be filtered by '%s', only by 'Destination'", key);

        return sd_bus_message_read(message, "v", "t", target);
}

static int append_route(sd_bus_message *reply, const Service *s, const Route *route) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ttuas");
        if (r >= 0)
                r = sd_bus_message_append(reply, "ttu", route->destination, route->cost, route->n_links);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (unsigned i = 0; r >= 0 && i < route->n_hops; i++)
                r = bus_append_member(reply, s, route->hops[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_list_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Route *routes = NULL;
        Service *s = userdata;
        uint64_t destination = 0;
        size_t n = 0;
        int r;

        r = bus_read_options(message, read_filter, &destination, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ttuas)");

        if (s->unicast.is_member)
                routes = routing_routes(s->unicast.routing, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (destination == 0 || routes[i].destination == destination)
                        r = append_route(reply, s, &routes[i]);

        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Round trips are known of our own links only: others do not tell theirs. */
static int64_t link_rtt(const Service *s, const RoutingLink *link) {
        const Neighbour *n = link->own ? neighbour_find(&s->unicast, link->to) : NULL;

        return n && n->rtt_usec > 0 ? (int64_t) n->rtt_usec : -1;
}

static int method_list_links(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Service *s = userdata;
        usec_t now = time_now();
        RoutingLink link;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ttxutb)");

        for (size_t i = 0; r >= 0 && s->unicast.is_member && routing_link(s->unicast.routing, i, now, &link); i++)
                r = sd_bus_message_append(reply, "(ttxutb)", link.from, link.to, link_rtt(s, &link), link.cost,
                                          link.age_usec, (int) link.two_way);

        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_recompute(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Service *s = userdata;
        int r;

        r = bus_check_member(s, error);
        if (r < 0)
                return r;

        routing_recompute(s->unicast.routing, time_now());
        return sd_bus_reply_method_return(message, NULL);
}

/* What enrollment brings (Routing, Congestion, MaxTTL) is told when it comes. */
static const sd_bus_vtable unicast_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListRoutes", SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("a(ttuas)", routes),
                                method_list_routes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListLinks", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ttxutb)", links), method_list_links,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Trace", SD_BUS_ARGS("t", address, "a{sv}", options), SD_BUS_RESULT("a(utsx)", hops),
                                method_trace, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("TraceStatistics", SD_BUS_ARGS("t", address, "a{sv}", options),
                                SD_BUS_RESULT("a(utsuuxxxu)", hops), method_trace_statistics,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Recompute", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_recompute, 0),
        SD_BUS_PROPERTY("Address", "t", property_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AddressAuthority", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Routing", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("RoutingVersion", "t", property_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastRecomputeUSec", "t", property_number, 0, 0),
        SD_BUS_PROPERTY("Congestion", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MaxTTL", "y", property_max_ttl, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ClockOffset", "(xs)", property_clock, 0, 0),
        SD_BUS_SIGNAL_WITH_ARGS("RoutesChanged", SD_BUS_ARGS("t", version, "u", added, "u", removed, "u", changed), 0),
        SD_BUS_VTABLE_END,
};

/* -- the object -- */

static const struct {
        const char *interface;
        const sd_bus_vtable *vtable;
} interfaces[] = {
        { BUS_INTERFACE_UNICAST, unicast_vtable },
        { BUS_INTERFACE_DIRECTORY, directory_vtable },
        { BUS_INTERFACE_STATISTICS, unicast_statistics_vtable },
};

static int export_objects(sd_bus *bus, void *userdata) {
        Service *s = userdata;
        int r = 0;

        static_assert(ELEMENTSOF(interfaces) <= ELEMENTSOF(s->slots), "a slot for each");

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(interfaces); i++)
                r = sd_bus_add_object_vtable(bus, &s->slots[i], BUS_PATH_IPCP, interfaces[i].interface,
                                             interfaces[i].vtable, s);

        return r;
}

int service_bus_export(Service *s, sd_bus *bus) {
        int r;

        list_init(&s->bus_calls);
        r = export_objects(bus, s);
        if (r < 0)
                return log_error_errno(r, "Failed to export the layer on the bus: %m");

        return 0;
}

void service_bus_done(Service *s) {
        bus_calls_fail(s, "The layer is being stopped");
        for (size_t i = 0; i < ELEMENTSOF(s->slots); i++)
                s->slots[i] = sd_bus_slot_unref(s->slots[i]);
}

void service_bus_changed(Service *s) {
        sd_bus *bus = s->daemon->bus;

        service_report_later(s);
        if (!s->unicast.is_member)
                bus_calls_fail(s, "The layer has lost its address and joins again");
        if (!bus)
                return;

        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, "Address", "Routing",
                                              "Congestion", "MaxTTL", NULL);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IPCP, BUS_INTERFACE_DIRECTORY, "Id", NULL);
}

/* Neighbours are the IRM's to announce (NeighbourChanged of the layer's object there), with their rows. */
void service_bus_neighbour_changed(Service *s, const char *name, const char *before, const char *after,
                                   const char *reason) {
        service_report_later(s);
}

void service_bus_routes_changed(Service *s, uint64_t version, unsigned n_added, unsigned n_removed,
                                unsigned n_changed) {
        sd_bus *bus = s->daemon->bus;

        if (!bus)
                return;

        (void) sd_bus_emit_signal(bus, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, "RoutesChanged", "tuuu", version, n_added,
                                  n_removed, n_changed);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, "RoutingVersion", NULL);
}

int service_bus_introspect(void) {
        Service nobody = {};            /* introspection reads no property */
        int r;

        r = bus_introspect_ourselves(BUS_PATH_IPCP, export_objects, &nobody);
        for (size_t i = 0; i < ELEMENTSOF(nobody.slots); i++)
                sd_bus_slot_unref(nobody.slots[i]);

        return r;
}
