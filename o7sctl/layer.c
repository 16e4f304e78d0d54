/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One layer and its IPCP, see layer.h. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/layer.h"

void layer_view_done(LayerView *view) {
        free(view->path);
        (void) json_object_put(view->properties);
        *view = (LayerView) {};
}

int layer_view_open(Ctl *ctl, const char *name, LayerView *ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(layer_view_done) LayerView view = {};
        const char *path;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "GetLayer", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot look at layer '%s'", name);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_complain_message(r);

        view.path = strdup(path);
        if (!view.path)
                return bus_complain_message(-ENOMEM);

        r = bus_properties(ctl, view.path, BUS_INTERFACE_LAYER, &view.properties);
        if (r > 0)
                return r;

        view.name = member_string(view.properties, "Name");
        view.type = member_string(view.properties, "Type");
        view.state = member_string(view.properties, "State");
        view.reason = member_string(view.properties, "StateReason");
        view.service = member_string(view.properties, "BusName");
        view.address = member_u64(view.properties, "Address");
        *ret = view;
        view = (LayerView) {};
        return 0;
}

int layer_view_open_member(Ctl *ctl, const char *name, LayerView *ret) {
        _cleanup_(layer_view_done) LayerView view = {};
        int r;

        r = layer_view_open(ctl, name, &view);
        if (r > 0)
                return r;

        if (streq(view.state, "created") || streq(view.state, "failed") || streq(view.state, "stopping")) {
                (void) fprintf(stderr, "Layer '%s' is not running: %s. Start it with: o7sctl up %s\n", name,
                               view.reason, name);
                return EXIT_NOT_ACTIVE;
        }
        if (!streq(view.type, "unicast")) {
                (void) fprintf(stderr, "Layer '%s' is of type %s, which has no members, routes or directory.\n", name,
                               view.type);
                return EXIT_FAILED;
        }

        *ret = view;
        view = (LayerView) {};
        return 0;
}

int layer_view_call(Ctl *ctl, const LayerView *view, const char *interface, const char *member, sd_bus_message **ret) {
        int r;

        r = sd_bus_message_new_method_call(ctl->bus, ret, view->service, BUS_PATH_IPCP, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(*ret, false);

        return r < 0 ? bus_complain_message(r) : 0;
}

int layer_view_ask(Ctl *ctl, const LayerView *view, sd_bus_message *call, const char *what, json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *reply = NULL;
        int r;

        r = bus_try(ctl, call, &error, &reply);
        if (r < 0 && (sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))) {
                (void) fprintf(stderr,
                               "%s: layer '%s' is %s, but not on the bus: %s\n  See: systemctl status " O7S_UNIT_PREFIX
                               "%s\n",
                               what, view->name, view->state, view->reason, view->name);
                return EXIT_NOT_ACTIVE;
        }
        if (r < 0)
                return bus_complain(ctl, &error, r, "%s", what);

        r = bus_json_read(reply, ret);
        return r <= 0 ? bus_complain_message(r ?: -ENODATA) : 0;
}

int layer_view_neighbours(Ctl *ctl, const LayerView *view, json_object **ret) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = bus_prepare(ctl, view->path, BUS_INTERFACE_LAYER, "ListNeighbours", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot list the neighbours of layer '%s'", view->name);
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, ret);
        return r < 0 ? bus_complain_message(r) : 0;
}

const char *layer_view_name_of(const LayerView *view, json_object *neighbours, uint64_t address, char buffer[32]) {
        if (address == view->address && address != 0)
                return "(this host)";

        for (size_t i = 0; i < json_object_array_length(neighbours); i++) {
                json_object *row = json_object_array_get_idx(neighbours, i);

                if (item_u64(row, 3) == address && address != 0)
                        return item_string(row, 0);
        }

        (void) snprintf(buffer, 32, "%" PRIu64, address);
        return buffer;
}
