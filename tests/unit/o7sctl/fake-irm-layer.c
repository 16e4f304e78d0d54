/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layers of the small o7s-irm. */

#include <fcntl.h>

#include "tests/unit/o7sctl/fake-irm-internal.h"

const FakeLayer fake_layers[FAKE_LAYERS] = {
        { NULL, "lan", "online", "", SERVICE_LAN, 2, "eth", {}, "home", 0, 0 },
        /* does not run */
        { NULL, "lab", "degraded", "no carrier on eth1", BUS_NAME_IPCP_PREFIX ".lab", 0, "eth", {}, "home", 0, 0 },
        { NULL, "home", "online", "member of home with 2 neighbours", SERVICE_HOME, 1, "unicast", { "lan", "lab" }, "",
          4711, 2 },
        { NULL, "far", "failed", "its process has ended", BUS_NAME_IPCP_PREFIX ".far", 0, "unicast", {}, "", 0, 0 },
};

static int get_layer_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;

        return sd_bus_message_append(reply, "s", streq(property, "Name")      ? l->name
                                                 : streq(property, "State")   ? l->state
                                                 : streq(property, "Type")    ? l->type
                                                 : streq(property, "BusName") ? l->service
                                                                              : l->reason);
}

/* A layer with a member in it has one. */
static int get_layer_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        static const uint8_t id[] = { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf5 };
        const FakeLayer *l = userdata;

        return sd_bus_message_append_array(reply, 'y', id, l->address != 0 ? sizeof(id) : 0);
}

static int get_layer_list(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;
        bool over = streq(property, "Over");
        const char *first = over ? strempty(l->over[0]) : l->used_by, *second = over ? strempty(l->over[1]) : "";

        return sd_bus_message_append(reply, "as", !isempty(first) + !isempty(second), first, second);
}

static int list_neighbours(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ssstxxtta{sv})", 3, "home.gamma", "up", "mgmt dt", UINT64_C(1187),
                                          INT64_C(8900), INT64_C(1700000000000000), UINT64_C(20971520),
                                          UINT64_C(9437184), 1, "Over", "s", "lan", "home.beta", "up", "mgmt dt",
                                          UINT64_C(9923), INT64_C(1200), INT64_C(1700000000000000), UINT64_C(1024),
                                          UINT64_C(2048), 1, "Over", "s", "lan", "home.delta", "trying", "",
                                          UINT64_C(0), INT64_C(-1), INT64_C(1700000000000000), UINT64_C(0),
                                          UINT64_C(0), 2, "Over", "s", "lab", "Reason", "s", "no answer in 5 s");
}

/* A stream of a few bytes, which ends at once. */
static int capture(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;
        int ends[2], r;

        if (!streq(l->state, "online"))
                return fake_error(e, "WrongState", "It is not there");
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;

        r = write(ends[1], "packets", strlen("packets")) < 0 ? -errno : 0;
        (void) close(ends[1]);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "h", ends[0]);
        (void) close(ends[0]);
        return r;
}

/* Operation 4 ends well at the first look, 5 badly. */
static int order(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *key = "", *over = "";
        const FakeLayer *l = userdata;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_skip(m, "as");
        if (r >= 0 && streq(sd_bus_message_get_member(m), "Connect"))
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r >= 0 && streq(sd_bus_message_get_member(m), "Connect"))
                r = sd_bus_message_read(m, "{sv}", &key, "s", &over);
        if (r < 0)
                return r;

        fake_note(l->fake, sd_bus_message_get_member(m), name, over);
        return sd_bus_reply_method_return(
                m, "o", streq(name, "home.delta") ? BUS_PATH_OPERATION "/5" : BUS_PATH_OPERATION "/4");
}

static const sd_bus_vtable layer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListNeighbours", NULL, "a(ssstxxtta{sv})", list_neighbours, 0),
        SD_BUS_METHOD("Capture", "a{sv}t", "h", capture, 0),
        SD_BUS_METHOD("Connect", "sasa{sv}t", "o", order, 0),
        SD_BUS_METHOD("Disconnect", "sast", "o", order, 0),
        SD_BUS_PROPERTY("Name", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("Type", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("State", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("StateReason", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("Id", "ay", get_layer_id, 0, 0),
        SD_BUS_PROPERTY("NFlows", "u", NULL, offsetof(FakeLayer, n_flows), 0),
        SD_BUS_PROPERTY("Address", "t", NULL, offsetof(FakeLayer, address), 0),
        SD_BUS_PROPERTY("NNeighbours", "u", NULL, offsetof(FakeLayer, n_neighbours), 0),
        SD_BUS_PROPERTY("Over", "as", get_layer_list, 0, 0),
        SD_BUS_PROPERTY("UsedBy", "as", get_layer_list, 0, 0),
        SD_BUS_PROPERTY("BusName", "s", get_layer_text, 0, 0),
        SD_BUS_VTABLE_END,
};

int fake_add_layers(Fake *f) {
        static FakeLayer layers[FAKE_LAYERS];
        int r = 0;

        memcpy(layers, fake_layers, sizeof(layers));
        for (size_t i = 0; r >= 0 && i < FAKE_LAYERS; i++) {
                _cleanup_free_ char *path = NULL;

                layers[i].fake = f;
                (void) sd_bus_path_encode(BUS_PATH_LAYER, layers[i].name, &path);
                r = sd_bus_add_object_vtable(f->bus, NULL, path, BUS_INTERFACE_LAYER, layer_vtable, &layers[i]);
        }

        return r;
}
