/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals of the bus, see announce.h. A signal that cannot be sent is not worth failing for. */

#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "services/irm/announce.h"

int layer_path(const Layer *l, char **ret) {
        return sd_bus_path_encode(BUS_PATH_LAYER, l->name, ret);
}

int name_path(const Name *n, char **ret) {
        return sd_bus_path_encode(BUS_PATH_NAME, n->name, ret);
}

int operation_path(const Operation *o, char **ret) {
        char id[32];

        (void) snprintf(id, sizeof(id), "%" PRIu64, o->id);
        return sd_bus_path_encode(BUS_PATH_OPERATION, id, ret);
}

static void object_new(sd_bus *bus, const char *path, const char *signal, const char *name) {
        (void) sd_bus_emit_object_added(bus, path);
        if (signal)
                (void) sd_bus_emit_signal(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, signal, "so", name, path);
}

static void object_removed(sd_bus *bus, const char *path, const char *signal, const char *name) {
        (void) sd_bus_emit_object_removed(bus, path);
        if (signal)
                (void) sd_bus_emit_signal(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, signal, "so", name, path);
}

/* -- layers -- */

void announce_layer_new(Layer *l) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = l->manager->bus;

        if (!bus || layer_path(l, &path) < 0)
                return;

        object_new(bus, path, "LayerNew", l->name);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "NLayers", NULL);
}

void announce_layer_removed(Layer *l) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = l->manager->bus;

        if (!bus || layer_path(l, &path) < 0)
                return;

        object_removed(bus, path, "LayerRemoved", l->name);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "NLayers", NULL);
}

void announce_layer_state(Layer *l, LayerState before) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = l->manager->bus;

        if (!bus || layer_path(l, &path) < 0)
                return;

        (void) sd_bus_emit_properties_changed(bus, path, BUS_INTERFACE_LAYER, "State", "StateReason", NULL);
        if (before != l->state)
                (void) sd_bus_emit_signal(bus, path, BUS_INTERFACE_LAYER, "StateChanged", "sss",
                                          layer_state_to_string(before), layer_state_to_string(l->state), l->reason);
}

void announce_layer_changed(Layer *l, const char *property) {
        _cleanup_free_ char *path = NULL;

        if (l->manager->bus && layer_path(l, &path) >= 0)
                (void) sd_bus_emit_properties_changed(l->manager->bus, path, BUS_INTERFACE_LAYER, property, NULL);
}

void announce_neighbour(Layer *l, const char *name, LayerNeighbourState before, LayerNeighbourState now,
                        const char *reason) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = l->manager->bus;

        if (!bus || layer_path(l, &path) < 0)
                return;

        (void) sd_bus_emit_signal(bus, path, BUS_INTERFACE_LAYER, "NeighbourChanged", "ssss", name,
                                  layer_neighbour_state_to_string(before), layer_neighbour_state_to_string(now),
                                  reason);
        (void) sd_bus_emit_properties_changed(bus, path, BUS_INTERFACE_LAYER, "NNeighbours", NULL);
}

/* -- names -- */

void announce_name_new(Name *n) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = n->manager->bus;

        if (!bus || name_path(n, &path) < 0)
                return;

        object_new(bus, path, "NameNew", n->name);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "NNames", NULL);
}

void announce_name_removed(Name *n) {
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = n->manager->bus;

        if (!bus || name_path(n, &path) < 0)
                return;

        object_removed(bus, path, "NameRemoved", n->name);
        (void) sd_bus_emit_properties_changed(bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "NNames", NULL);
}

void announce_name_changed(Name *n, const char *property) {
        _cleanup_free_ char *path = NULL;

        if (n->manager->bus && name_path(n, &path) >= 0)
                (void) sd_bus_emit_properties_changed(n->manager->bus, path, BUS_INTERFACE_NAME, property, NULL);
}

/* -- operations -- */

void announce_operation_new(Operation *o) {
        _cleanup_free_ char *path = NULL;

        if (o->manager->bus && operation_path(o, &path) >= 0)
                object_new(o->manager->bus, path, NULL, NULL);
}

void announce_operation_changed(Operation *o) {
        _cleanup_free_ char *path = NULL;

        if (o->manager->bus && operation_path(o, &path) >= 0)
                (void) sd_bus_emit_properties_changed(o->manager->bus, path, BUS_INTERFACE_OPERATION, "State",
                                                      "Progress", "Steps", "Message", "Error", NULL);
}

/* Announced when it ends, while its object stays for a while: so the caller need not poll. */
void announce_operation_removed(Operation *o) {
        _cleanup_free_ char *path = NULL;
        const ErrorRow *row = o->error < 0 ? error_row(o->error) : NULL;
        char name[256] = "";

        if (row)
                (void) snprintf(name, sizeof(name), BUS_ERROR_PREFIX "%s", strempty(row->bus_name));
        if (!o->manager->bus || operation_path(o, &path) < 0)
                return;

        (void) sd_bus_emit_signal(o->manager->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "OperationRemoved", "osss",
                                  path, operation_state_to_string(o->state), name, o->message);
}

/* -- flows -- */

void announce_flow_new(const Flow *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        Manager *m = f->manager;

        if (!m->bus || !m->subscribers || sd_bus_track_count(m->subscribers) == 0)
                return;
        if (sd_bus_message_new_signal(m->bus, &message, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "FlowNew") < 0)
                return;

        (void) sd_bus_message_append(message, "ta{sv}", f->id, 5, "Name", "s", flow_shown_name(f, name), "Layer", "s",
                                     f->layer ? f->layer->name : "", "Peer", "s", f->peer, "PeerVerified", "b",
                                     (int) f->verified, "Protection", "s", flow_protection(f));
        (void) sd_bus_send(m->bus, message, NULL);
}

void announce_flow_removed(const Flow *f) {
        Manager *m = f->manager;

        if (!m->bus || !m->subscribers || sd_bus_track_count(m->subscribers) == 0)
                return;

        (void) sd_bus_emit_signal(m->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "FlowRemoved", "tsa{sv}", f->id,
                                  close_reason_to_string(f->close_reason), 1, "SinceUSec", "t", f->since);
}

/* -- certificates -- */

void announce_certificate_expiring(Manager *m, const char *name, const char *text, uint64_t expiry_usec) {
        char shown[FLOW_NAME_WIRE_BYTES_MAX + 1];

        (void) copy_string(shown, sizeof(shown), name);
        utf8_mend(shown);
        if (m->bus)
                (void) sd_bus_emit_signal(m->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CertificateExpiring", "sst",
                                          shown, text, expiry_usec);
}
