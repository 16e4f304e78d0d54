/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the layer shows on its own bus name. It only shows: whatever changes something is a method of the IRM, where
 * polkit can tell who asks.
 */

#include <stdio.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/common/bus-error.h"
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

static int append_counter(sd_bus_message *reply, const char *prefix, const char *name, uint64_t value) {
        char key[64];

        (void) snprintf(key, sizeof(key), "%s%s", prefix, name);
        return sd_bus_message_append(reply, "{st}", key, value);
}

/* Drop reasons appear once they have happened. */
static int append_counters(sd_bus_message *reply, const char *prefix, const Counters *c) {
        int r;

        r = append_counter(reply, prefix, "rx-packets", c->rx_packets);
        if (r < 0)
                return r;

        r = append_counter(reply, prefix, "rx-bytes", c->rx_bytes);
        if (r < 0)
                return r;

        r = append_counter(reply, prefix, "tx-packets", c->tx_packets);
        if (r < 0)
                return r;

        r = append_counter(reply, prefix, "tx-bytes", c->tx_bytes);
        if (r < 0)
                return r;

        for (DropReason reason = 0; reason < _DROP_REASON_MAX; reason++) {
                char key[64];

                if (c->drops[reason] == 0)
                        continue;

                (void) snprintf(key, sizeof(key), "%sdrop-", prefix);
                r = append_counter(reply, key, drop_reason_to_string(reason), c->drops[reason]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int append_gauges(sd_bus_message *reply, Service *s) {
        const Ethernet *e = &s->ethernet;
        int r;

        r = append_counter(reply, "", "flows", layer_upper(s->layer)->n_flows);
        if (r < 0)
                return r;

        r = append_counter(reply, "", "names-registered", ethernet_n_registered(e));
        if (r < 0)
                return r;

        r = append_counter(reply, "", "names-cached", map_size(e->names.by_hash));
        if (r < 0)
                return r;

        return append_counter(reply, "", "endpoints-free", shim_endpoints_n_free(e->endpoints));
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

        r = append_counters(reply, "frames-", &s->ethernet.counters);
        if (r < 0)
                return r;

        upper_sum_counters(layer_upper(s->layer), &flows);
        r = append_counters(reply, "flows-", &flows);
        if (r < 0)
                return r;

        r = append_gauges(reply, s);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;

        return sd_bus_send(NULL, reply, NULL);
}

static const sd_bus_vtable statistics_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetAll", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", counters), method_get_all,
                                SD_BUS_VTABLE_UNPRIVILEGED),
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

/* -- introspection without a bus: both ends of a connection to ourselves -- */

static int connect_to_ourselves(sd_bus **ret_server, sd_bus **ret_client) {
        _cleanup_(sd_bus_unrefp) sd_bus *server = NULL, *client = NULL;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;

        r = sd_bus_new(&server);
        if (r >= 0)
                r = sd_bus_set_fd(server, fds[0], fds[0]);
        if (r < 0) {
                (void) safe_close(fds[0]);
                (void) safe_close(fds[1]);
                return r;
        }

        r = sd_bus_new(&client);
        if (r >= 0)
                r = sd_bus_set_fd(client, fds[1], fds[1]);
        if (r < 0) {
                (void) safe_close(fds[1]);
                return r;
        }

        r = sd_bus_set_server(server, true, (sd_id128_t) { .bytes = { 1 } });
        if (r < 0)
                return r;

        r = sd_bus_set_anonymous(server, true);
        if (r < 0)
                return r;

        r = sd_bus_set_anonymous(client, true);
        if (r < 0)
                return r;

        r = sd_bus_start(server);
        if (r < 0)
                return r;

        r = sd_bus_start(client);
        if (r < 0)
                return r;

        *ret_server = TAKE_PTR(server);
        *ret_client = TAKE_PTR(client);
        return 0;
}

static int introspected(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        bool *done = userdata;
        const char *xml;
        int r;

        *done = true;

        r = -sd_bus_message_get_errno(reply);
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "s", &xml);
        if (r < 0)
                return r;

        (void) fputs(xml, stdout);
        return 0;
}

int service_bus_introspect(void) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *ethernet = NULL, *statistics = NULL;
        _cleanup_(sd_bus_close_unrefp) sd_bus *server = NULL, *client = NULL;
        Service nobody = {};            /* introspection reads no property */
        sd_bus_slot *slots[2] = {};
        bool done = false;
        int r;

        r = connect_to_ourselves(&server, &client);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to ourselves: %m");

        r = export_objects(server, &nobody, slots);
        ethernet = slots[0];
        statistics = slots[1];
        if (r < 0)
                return log_error_errno(r, "Failed to export the layer: %m");

        r = sd_bus_call_method_async(client, NULL, NULL, BUS_PATH_IPCP, "org.freedesktop.DBus.Introspectable",
                                     "Introspect", introspected, &done, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to ask ourselves: %m");

        /* Both ends live in this thread, so neither may wait for long. */
        while (!done) {
                int moved;

                moved = sd_bus_process(server, NULL);
                r = sd_bus_process(client, NULL);
                if (moved < 0 || r < 0)
                        return log_error_errno(moved < 0 ? moved : r, "Failed to talk to ourselves: %m");
                if (moved == 0 && r == 0)
                        (void) sd_bus_wait(client, USEC_PER_MSEC);
        }

        return 0;
}
