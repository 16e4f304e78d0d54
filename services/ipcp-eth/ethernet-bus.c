/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the layer shows on its own bus name. It only shows: whatever changes something is a method of the IRM, where
 * polkit can tell who asks.
 */

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/common/bus-introspect.h"
#include "services/common/statistics-bus.h"
#include "services/ipcp-eth/service.h"

/* -- org.o7s.ipcp1.Ethernet -- */

static int get_interface(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "s", s->file->interface);
}

static int get_ifindex(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "i", s->link_info.ifindex);
}

static int get_hardware_address(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        bool known = s->link_info.ifindex != 0;

        return sd_bus_message_append_array(reply, 'y', s->link_info.address.bytes, known ? FRAME_ADDRESS_BYTES : 0);
}

static int get_ether_type(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        bool used = s->file->framing == FRAMING_DIX;

        return sd_bus_message_append(reply, "q", used ? s->file->ethertype : 0);
}

static int get_framing(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "s", framing_to_string(s->file->framing));
}

static int get_carrier(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;

        return sd_bus_message_append(reply, "b", s->link_info.ifindex != 0 && s->link_info.carrier);
}

/* There is no XDP path: the socket is always a packet socket. */
static int get_xdp_mode(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "no");
}

static const sd_bus_vtable ethernet_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Interface", "s", get_interface, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Ifindex", "i", get_ifindex, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("HardwareAddress", "ay", get_hardware_address, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("EtherType", "q", get_ether_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Framing", "s", get_framing, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Carrier", "b", get_carrier, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("XdpMode", "s", get_xdp_mode, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

/* -- org.o7s.ipcp1.Statistics -- */

static int append_values(sd_bus_message *reply, Service *s) {
        const Ethernet *e = &s->ethernet;
        const struct {
                const char *name;
                uint64_t value;
        } values[] = {
                { "flows", layer_upper(s->layer)->n_flows },
                { "names-registered", ethernet_n_registered(e) },
                { "names-cached", map_size(e->names.by_hash) },
                { "endpoints-free", shim_endpoints_n_free(e->endpoints) },
                { "endpoints-rotated", e->upkeep_counters.rotated },
                { "peers-followed", e->upkeep_counters.followed },
                { "peers-not-followed", e->upkeep_counters.not_followed },
                { "resets-sent", e->upkeep_counters.resets_sent },
                { "resets-taken", e->upkeep_counters.resets_taken },
                { "messages-reassembled", e->reassembly.n_completed },
                { "messages-incomplete", e->reassembly.n_timed_out },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(values); i++)
                r = statistics_append(reply, "", values[i].name, values[i].value);

        return r;
}

static int method_get_all(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Service *s = userdata;
        Counters flows;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(reply, 'a', "{st}");
        if (r < 0)
                return r;

        if (s->socket)
                s->ethernet.counters.drops[DROP_QUEUE_FULL] += frame_socket_lost(s->socket);

        r = statistics_append_counters(reply, "frames-", &s->ethernet.counters);
        if (r < 0)
                return r;

        upper_sum_counters(layer_upper(s->layer), &flows);
        r = statistics_append_counters(reply, "flows-", &flows);
        if (r < 0)
                return r;

        r = statistics_append(reply, "flows-", "demoted", layer_upper(s->layer)->n_demoted);
        if (r < 0)
                return r;

        r = append_values(reply, s);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;

        return sd_bus_send(NULL, reply, NULL);
}

static int method_get_histogram(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const Service *s = userdata;
        const NamedDurations known[] = {
                { "allocation", &s->ethernet.allocation_usec },
                { "query", &s->ethernet.query_usec },
        };

        return statistics_reply_histogram(message, known, ELEMENTSOF(known), error);
}

static const sd_bus_vtable statistics_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetAll", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", counters), method_get_all,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetHistogram", SD_BUS_ARGS("s", which), SD_BUS_RESULT("at", buckets, "at", counts),
                                method_get_histogram, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* -- the object -- */

static int export_objects(sd_bus *bus, Service *service, sd_bus_slot *ret_slots[2]) {
        int r;

        r = sd_bus_add_object_vtable(bus, &ret_slots[0], BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET, ethernet_vtable,
                                     service);
        if (r < 0)
                return r;

        return sd_bus_add_object_vtable(bus, &ret_slots[1], BUS_PATH_IPCP, BUS_INTERFACE_STATISTICS, statistics_vtable,
                                        service);
}

int service_bus_export(Service *service, sd_bus *bus) {
        int r;

        r = export_objects(bus, service, service->slots);
        if (r < 0)
                return log_error_errno(r, "Failed to export the layer on the bus: %m");

        return 0;
}

void service_bus_changed(Service *service) {
        if (service->daemon->bus)
                (void) sd_bus_emit_properties_changed(service->daemon->bus, BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET,
                                                      "Ifindex", "HardwareAddress", "Carrier", NULL);
}

/* -- introspection without a bus -- */

static int export_nobody(sd_bus *bus, void *userdata) {
        Service *nobody = userdata;

        return export_objects(bus, nobody, nobody->slots);
}

int service_bus_introspect(void) {
        Service nobody = {};            /* introspection reads no property */
        int r;

        r = bus_introspect_ourselves(BUS_PATH_IPCP, export_nobody, &nobody);
        for (size_t i = 0; i < ELEMENTSOF(nobody.slots); i++)
                sd_bus_slot_unref(nobody.slots[i]);

        return r;
}
