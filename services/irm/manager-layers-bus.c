/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about layers: unpack, look up, authorise, act, reply. */

#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/layer-create.h"
#include "services/irm/manager-bus.h"

int method_list_layers(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *m = userdata;
        size_t position;
        Layer *l;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssso)");
        if (r < 0)
                return r;

        map_for_each(l, m->layers, position) {
                _cleanup_free_ char *path = NULL, *unit = NULL, *service = NULL;

                r = layer_path(l, &path);
                if (r >= 0)
                        r = bus_layer_unit(l->name, &unit);
                if (r >= 0)
                        r = bus_layer_service(l->name, &service);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(ssssso)", l->name, layer_kind_name(l),
                                                  layer_state_to_string(l->state), unit, service, path);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_with_layer(sd_bus_message *message, const Layer *l) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = layer_path(l, &path);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", path);
}

int method_get_layer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        Layer *l;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;

        r = bus_find_layer(userdata, name, &l, error);
        return r < 0 ? r : reply_with_layer(message, l);
}

int method_get_layer_by_pid(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        size_t position;
        uint32_t pid;
        Layer *l;
        int r;

        r = sd_bus_message_read(message, "u", &pid);
        if (r < 0)
                return r;

        map_for_each(l, m->layers, position)
                if (l->process && (uint32_t) l->process->key.pid == pid)
                        return reply_with_layer(message, l);

        return bus_error_set_named(error, "NoSuchLayer", "Process %u serves no layer", pid);
}

/* -- making and removing -- */

int method_create_layer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        Layer *l;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = layer_config_read(message, &text, error);
        if (r >= 0)
                r = bus_read_flags(message, BUS_FLAG_DRY_RUN, &flags, error);
        if (r < 0)
                return r;
        if (!layer_name_is_valid(name))
                return bus_error_set(error, -EINVAL,
                                     "'%s' cannot be the name of a layer: letters, digits, '.', '_' and '-'", name);

        r = layer_create_check(name, text, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_MANAGE_LAYER, NULL, name, "create", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        l = layer_find(m, name);
        if (l && (l->file || l->link))
                return bus_error_set_named(error, "LayerExists", "There is a layer '%s' already; it is %s", name,
                                           layer_state_to_string(l->state));
        if (flags & BUS_FLAG_DRY_RUN)
                return sd_bus_reply_method_return(message, "o", BUS_PATH_IRM);

        r = layer_config_write(m, name, text);
        if (r >= 0)
                r = layer_get(m, name, &l);
        if (r < 0)
                return bus_error_set(error, r, "Cannot write the file of layer '%s': %s", name, strerror(-r));

        layer_reload_file(l);
        layer_set_state(l, l->state, "Made on the bus; start it: o7sctl up %s", name);
        return reply_with_layer(message, l);
}

int method_remove_layer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        Layer *l;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_layer(m, name, &l, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_MANAGE_LAYER, NULL, name, "remove", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (l->link)
                return bus_error_set_named(error, "WrongState", "Layer '%s' is %s; stop it first: o7sctl down %s", name,
                                           layer_state_to_string(l->state), name);

        r = layer_config_remove(m, name);
        if (r == -ENOENT)
                return bus_error_set_named(error, "WrongState", "Layer '%s' was not made on the bus; remove its file %s"
                                           LAYER_FILE_SUFFIX, name, name);
        if (r < 0)
                return bus_error_set(error, r, "Cannot remove the file of layer '%s': %s", name, strerror(-r));

        layer_reload_file(l);
        layer_settle(l);
        return sd_bus_reply_method_return(message, NULL);
}

/* -- starting and stopping -- */

static int change_layer(sd_bus_message *message, Manager *m, OperationKind kind, sd_bus_error *error) {
        bool start = kind == OPERATION_START_LAYER;
        _cleanup_free_ char *path = NULL;
        const char *name;
        Operation *o;
        uint64_t flags;
        Layer *l;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_flags(message, BUS_FLAG_NO_WAIT, &flags, error);
        if (r < 0)
                return r;
        if (!layer_name_is_valid(name))
                return bus_error_set(error, -EINVAL, "'%s' cannot be the name of a layer", name);

        r = bus_authorize(m, message, POLKIT_MANAGE_LAYER, NULL, name, start ? "start" : "stop", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        /* A file that was written since we looked counts: only the bus of systemd is told by reloading. */
        if (start) {
                r = layer_get(m, name, &l);
                if (r < 0)
                        return bus_error_set(error, r, "Cannot start layer '%s': %s", name, strerror(-r));
                layer_reload_file(l);
                layer_settle(l);
        }
        r = bus_find_layer(m, name, &l, error);
        if (r < 0)
                return r;

        r = operation_new(m, kind, name, start, flags & BUS_FLAG_NO_WAIT, &o);
        if (r < 0)
                return bus_error_set(error, r, "Cannot %s layer '%s': %s", start ? "start" : "stop", name,
                                     strerror(-r));

        r = operation_path(o, &path);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", path);
}

int method_start_layer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return change_layer(message, userdata, OPERATION_START_LAYER, error);
}

int method_stop_layer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return change_layer(message, userdata, OPERATION_STOP_LAYER, error);
}
