/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A layer's object on the bus. Traffic counters are on the bus name of its IPCP, which has them. */

#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/describe.h"
#include "services/irm/manager-bus.h"

static int property_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *made = NULL;
        const Layer *l = userdata;
        const char *text;

        if (streq(property, "Name"))
                text = l->name;
        else if (streq(property, "Type"))
                text = layer_kind_name(l);
        else if (streq(property, "State"))
                text = layer_state_to_string(l->state);
        else if (streq(property, "StateReason"))
                text = l->reason;
        else if (streq(property, "Hash"))
                text = hash_algorithm_to_string(l->hash);
        else if (streq(property, "Description"))
                text = l->file ? l->file->description : "";
        else {
                int r = streq(property, "Unit") ? bus_layer_unit(l->name, &made) : bus_layer_service(l->name, &made);
                if (r < 0)
                        return r;
                text = made;
        }

        return sd_bus_message_append(reply, "s", strempty(text));
}

static int property_u32(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;
        uint32_t value = l->process ? (uint32_t) l->process->key.pid : 0;

        if (streq(property, "MaxPacketSize"))
                value = l->mtu;
        else if (streq(property, "NFlows"))
                value = l->n_flows;
        else if (streq(property, "NNeighbours"))
                value = l->n_neighbours_up;

        return sd_bus_message_append(reply, "u", value);
}

static int property_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;

        return sd_bus_message_append_array(reply, 'y', l->id, l->have_id ? sizeof(l->id) : 0);
}

static int property_over(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && l->file && i < l->file->over.n; i++)
                r = sd_bus_message_append(reply, "s", l->file->over.items[i]);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static bool lies_over(const Layer *upper, const char *lower) {
        for (size_t i = 0; upper->file && i < upper->file->over.n; i++)
                if (streq(upper->file->over.items[i], lower))
                        return true;

        return false;
}

static int property_used_by(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata, *upper;
        size_t position;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        map_for_each(upper, l->manager->layers, position)
                if (r >= 0 && lies_over(upper, l->name))
                        r = sd_bus_message_append(reply, "s", upper->name);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_names(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;
        size_t position;
        const Name *n;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        map_for_each(n, l->manager->names, position)
                if (r >= 0 && (registration_find(n, l->name) || layer_lists_name(l, n->name)))
                        r = sd_bus_message_append(reply, "s", n->name);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The main file, and the drop-ins behind it. */
static int property_fragment(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;
        const char *const *paths = NULL;
        size_t n = 0;

        if (l->file)
                paths = conf_paths(l->file->conf, &n);

        return sd_bus_message_append(reply, "s", n > 0 ? paths[0] : "");
}

static int property_drop_ins(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;
        const char *const *paths = NULL;
        size_t n = 0;
        int r;

        if (l->file)
                paths = conf_paths(l->file->conf, &n);

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 1; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "s", paths[i]);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_security(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = userdata;

        return policy_append(reply, l->file ? &l->file->security : NULL);
}

static int property_need_reload(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", (int) layer_needs_reload(userdata));
}

static int method_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = describe_layer(userdata, &text);
        return r < 0 ? r : sd_bus_reply_method_return(message, "s", text);
}

const sd_bus_vtable layer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Id", "ay", property_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Type", "s", property_text, 0, 0),
        SD_BUS_PROPERTY("Description", "s", property_text, 0, 0),
        SD_BUS_PROPERTY("State", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateReason", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Unit", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("BusName", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("MainPID", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Hash", "s", property_text, 0, 0),
        SD_BUS_PROPERTY("Over", "as", property_over, 0, 0),
        SD_BUS_PROPERTY("UsedBy", "as", property_used_by, 0, 0),
        SD_BUS_PROPERTY("Names", "as", property_names, 0, 0),
        SD_BUS_PROPERTY("MaxPacketSize", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Address", "t", NULL, offsetof(Layer, address), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NNeighbours", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NFlows", "u", property_u32, 0, 0),
        SD_BUS_PROPERTY("LayerSecurity", "a{ss}", property_security, 0, 0),
        SD_BUS_PROPERTY("FragmentPath", "s", property_fragment, 0, 0),
        SD_BUS_PROPERTY("DropInPaths", "as", property_drop_ins, 0, 0),
        SD_BUS_PROPERTY("NeedReload", "b", property_need_reload, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Bootstrap", SD_BUS_ARGS("a{sv}", config, "t", flags), SD_BUS_RESULT("o", operation),
                                method_layer_bootstrap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Enroll", SD_BUS_ARGS("s", via, "a{sv}", options, "t", flags),
                                SD_BUS_RESULT("o", operation),
                                method_layer_enroll, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("s", neighbour, "as", components, "a{sv}", options, "t", flags),
                                SD_BUS_RESULT("o", operation), method_layer_connect, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("s", neighbour, "as", components, "t", flags),
                                SD_BUS_RESULT("o", operation), method_layer_disconnect, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListNeighbours", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssstxxtta{sv})", neighbours),
                                method_layer_list_neighbours, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetProperties", SD_BUS_ARGS("a{sv}", changes, "t", flags), SD_BUS_NO_RESULT,
                                method_layer_set_properties, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Capture", SD_BUS_ARGS("a{sv}", options, "t", flags), SD_BUS_RESULT("h", fd),
                                method_layer_capture, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ResetStatistics", NULL, NULL, method_layer_reset_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("NeighbourChanged", SD_BUS_ARGS("s", name, "s", old, "s", new, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("StateChanged", SD_BUS_ARGS("s", old, "s", new, "s", reason), 0),
        SD_BUS_VTABLE_END,
};

int layer_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                      sd_bus_error *error) {
        _cleanup_free_ char *name = NULL;
        Layer *l;
        int r;

        r = sd_bus_path_decode(path, BUS_PATH_LAYER, &name);
        if (r <= 0)
                return r;

        l = layer_find(userdata, name);
        if (!l)
                return 0;

        *ret = l;
        return 1;
}

int layer_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Manager *m = userdata;
        size_t n = 0, position;
        char **paths;
        Layer *l;

        paths = calloc(map_size(m->layers) + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;

        map_for_each(l, m->layers, position)
                if (layer_path(l, &paths[n]) >= 0)
                        n++;

        *ret = paths;
        return 1;
}
