/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A name's object on the bus. */

#include "libo7s/bus-names.h"
#include "services/irm/announce.h"
#include "services/irm/manager-bus.h"

static int property_name(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;

        return sd_bus_message_append(reply, "s", n->name);
}

static int property_balance(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;

        return sd_bus_message_append(reply, "s", load_balance_to_string(n->balance));
}

static int property_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;

        return sd_bus_message_append(reply, "b", (int) (streq(property, "Local") ? n->local : n->from_file));
}

/* Whether somebody who is bound serves it at the moment. */
static bool binding_serves(const Binding *b) {
        const Acceptor *a;

        list_for_each(a, &b->name->acceptors, by_name)
                if (binding_authorises(b, a->client->process))
                        return true;

        return false;
}

static int property_bindings(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;
        const Binding *b;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        list_for_each(b, &n->bindings, by_name)
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(sss)", binding_kind_to_string(b->kind), b->id,
                                                  b->kind == BINDING_PROGRAM ? "selects"
                                                  : binding_serves(b)        ? "listening"
                                                                             : "idle");

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The state of a registration is that of its layer; the hash is how other hosts ask for it there. */
static int append_registration(sd_bus_message *reply, const Name *n, const char *layer) {
        const Layer *l = layer_find(n->manager, layer);
        char hash[2 * HASH_BYTES_MAX + 1] = "";

        if (l && l->link)
                (void) hex_encode(hash, n->hashes[l->hash], hash_size(l->hash));

        return sd_bus_message_append(reply, "(sss)", layer,
                                     !l                   ? "no such layer"
                                     : layer_is_usable(l) ? "registered"
                                                          : "waiting",
                                     hash);
}

static int property_registered_in(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;
        const Registration *registration;
        size_t position;
        const Layer *l;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        list_for_each(registration, &n->registrations, by_name)
                if (r >= 0)
                        r = append_registration(reply, n, registration->layer);
        map_for_each(l, n->manager->layers, position)
                if (r >= 0 && layer_lists_name(l, n->name) && !registration_find(n, l->name))
                        r = append_registration(reply, n, l->name);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_security(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;
        SecuritySide side = streq(property, "ServerSecurity") ? SECURITY_SERVER : SECURITY_CLIENT;

        return policy_append(reply, &n->security[side].current);
}

static int property_accepting(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;
        uint32_t count = 0;

        for (const ListNode *node = n->acceptors.next; node != &n->acceptors; node = node->next)
                count++;

        return sd_bus_message_append(reply, "u", count);
}

static int property_allowed_users(sd_bus *bus, const char *path, const char *interface, const char *property,
                                  sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Name *n = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n->n_allow_uids; i++) {
                char text[16];

                (void) snprintf(text, sizeof(text), "%u", n->allow_uids[i]);
                r = sd_bus_message_append(reply, "s", text);
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

const sd_bus_vtable name_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", property_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "u", NULL, offsetof(Name, owner), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("FromFile", "b", property_bool, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Local", "b", property_bool, 0, 0),
        SD_BUS_PROPERTY("LoadBalance", "s", property_balance, 0, 0),
        SD_BUS_PROPERTY("MaxFlows", "u", NULL, offsetof(Name, max_flows), 0),
        SD_BUS_PROPERTY("AllowedUsers", "as", property_allowed_users, 0, 0),
        SD_BUS_PROPERTY("Bindings", "a(sss)", property_bindings, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("RegisteredIn", "a(sss)", property_registered_in, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ServerSecurity", "a{ss}", property_security, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ClientSecurity", "a{ss}", property_security, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Accepting", "u", property_accepting, 0, 0),
        SD_BUS_PROPERTY("Pending", "u", NULL, offsetof(Name, n_waiting), 0),
        SD_BUS_PROPERTY("NFlows", "u", NULL, offsetof(Name, n_flows), 0),
        SD_BUS_PROPERTY("AcceptedTotal", "t", NULL, offsetof(Name, accepted_total), 0),
        SD_BUS_PROPERTY("RefusedTotal", "t", NULL, offsetof(Name, refused_total), 0),
        SD_BUS_VTABLE_END,
};

int name_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                     sd_bus_error *error) {
        _cleanup_free_ char *name = NULL;
        Name *n;
        int r;

        r = sd_bus_path_decode(path, BUS_PATH_NAME, &name);
        if (r <= 0)
                return r;

        n = name_find(userdata, name);
        if (!n)
                return 0;

        *ret = n;
        return 1;
}

int name_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Manager *m = userdata;
        size_t count = 0, position;
        char **paths;
        Name *n;

        paths = calloc(map_size(m->names) + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;

        map_for_each(n, m->names, position)
                if (name_path(n, &paths[count]) >= 0)
                        count++;

        *ret = paths;
        return 1;
}
