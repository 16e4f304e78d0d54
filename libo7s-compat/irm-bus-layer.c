/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layers on the bus, see irm-bus-layer.h. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/errno.h>

#include "libo7s/bus-names.h"
#include "libo7s-compat/irm-bus-call.h"
#include "libo7s-compat/irm-bus-layer.h"

IrmLayer *irm_layers_free(IrmLayer *layers, size_t n) {
        for (size_t i = 0; layers && i < n; i++) {
                free(layers[i].name);
                free(layers[i].type);
        }

        free(layers);
        return NULL;
}

/* For a while o7s-irm remembers that of one that is gone, which may come back. Returns: 0; -ESRCH: there is none. */
static int read_pid(IrmBus *bus, const char *path, pid_t *ret) {
        uint32_t pid = 0;

        if (sd_bus_get_property_trivial(bus->bus, BUS_NAME_IRM, path, BUS_INTERFACE_LAYER, "MainPID", NULL, 'u',
                                        &pid) < 0 || pid == 0)
                return -ESRCH;

        *ret = (pid_t) pid;
        return kill(*ret, 0) < 0 && errno == ESRCH ? -ESRCH : 0;
}

typedef struct LayerList {
        IrmLayer *items;
        size_t n;
} LayerList;

static void layer_list_done(LayerList *list) {
        list->items = irm_layers_free(list->items, list->n);
}

static int layer_list_add(LayerList *list, const char *name, const char *type, const char *state, pid_t pid) {
        IrmLayer *more, *layer;

        more = realloc(list->items, (list->n + 1) * sizeof(*more));
        if (!more)
                return -ENOMEM;

        list->items = more;
        layer = &more[list->n++];
        *layer = (IrmLayer) {
                .name = strdup(name),
                .type = strdup(type),
                .is_member = strcmp(state, "online") == 0 || strcmp(state, "degraded") == 0,
                .pid = pid,
        };

        return layer->name && layer->type ? 0 : -ENOMEM;
}

ssize_t irm_bus_list_layers(IrmBus *bus, IrmLayer **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *name, *type, *state, *unit, *service, *path;
        _cleanup_(layer_list_done) LayerList list = {};
        int r;

        r = irm_bus_call_new(bus, "ListLayers", &call);
        if (r >= 0)
                r = irm_bus_call_send(bus, call, 0, &reply);
        if (r < 0)
                return r;
        if (sd_bus_message_enter_container(reply, 'a', "(ssssso)") < 0)
                return -EIRMD;

        while ((r = sd_bus_message_read(reply, "(ssssso)", &name, &type, &state, &unit, &service, &path)) > 0) {
                pid_t pid;

                if (strcmp(state, "created") == 0 || read_pid(bus, path, &pid) < 0)
                        continue;       /* a file, and no process */

                r = layer_list_add(&list, name, type, state, pid);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return -EIRMD;

        *ret = list.items;
        list.items = NULL;
        return (ssize_t) list.n;
}
