/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The name and the operations of the small o7s-irm. */

#include "tests/unit/o7sctl/fake-irm-internal.h"

#define LOOKS_UNTIL_DONE 3

static int get_bindings(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "a(sss)", 1, "unit", "web.service", "active");
}

static int get_name_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", "web.example");
}

static int get_policy(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        if (streq(property, "ClientSecurity"))
                return sd_bus_message_append(reply, "a{ss}", 0);

        return sd_bus_message_append(reply, "a{ss}", 2, "Encryption", "required", "AllowPeer", "o7s:name:office.*");
}

static const sd_bus_vtable name_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_name_text, 0, 0),
        SD_BUS_PROPERTY("ServerSecurity", "a{ss}", get_policy, 0, 0),
        SD_BUS_PROPERTY("ClientSecurity", "a{ss}", get_policy, 0, 0),
        SD_BUS_PROPERTY("Bindings", "a(sss)", get_bindings, 0, 0),
        SD_BUS_VTABLE_END,
};

static int get_operation(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Fake *f = userdata;
        char number = path[strlen(path) - 1];
        const char *state = number == '2' || number == '5'                    ? "failed"
                            : number == '4'                                   ? "done"
                            : number == '1' && ++f->looks >= LOOKS_UNTIL_DONE ? "done"
                                                                              : "running";

        if (number >= '4' && streq(property, "Message"))
                return sd_bus_message_append(reply, "s", number == '4' ? "home.epsilon is a neighbour"
                                                                       : "home.delta is not a neighbour yet");
        if (number == '5' && streq(property, "Error"))
                return sd_bus_message_append(reply, "(ss)", BUS_ERROR_PREFIX "PeerTimeout",
                                             "home.delta is not a neighbour yet");
        if (streq(property, "Error"))
                return sd_bus_message_append(reply, "(ss)", number == '2' ? BUS_ERROR_PREFIX "ConfigInvalid" : "",
                                             number == '2' ? "broken.layer:3:1: Unknown section" : "");

        return sd_bus_message_append(reply, "s", streq(property, "State") ? state : "waiting for the unit");
}

static const sd_bus_vtable operation_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_operation, 0, 0),
        SD_BUS_PROPERTY("Message", "s", get_operation, 0, 0),
        SD_BUS_PROPERTY("Error", "(ss)", get_operation, 0, 0),
        SD_BUS_VTABLE_END,
};

int fake_add_names(Fake *f) {
        int r;

        r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_NAME "/web_2eexample", BUS_INTERFACE_NAME, name_vtable, f);
        for (char path[] = BUS_PATH_OPERATION "/1"; r >= 0 && path[sizeof(path) - 2] <= '5'; path[sizeof(path) - 2]++)
                r = sd_bus_add_object_vtable(f->bus, NULL, path, BUS_INTERFACE_OPERATION, operation_vtable, f);

        return r;
}
