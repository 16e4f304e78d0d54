/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Layers on the bus, see irm-bus-layer.h. What takes long is an operation there: an object that the call names, and a
 * signal when it has ended, which is asked for before the call, so that it cannot be missed.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ouroboros/errno.h>

#include "libo7s/bus-names.h"
#include "libo7s-compat/irm-bus-call.h"
#include "libo7s-compat/irm-bus-layer.h"

#define OPERATION_USEC UINT64_C(20000000)       /* as long as Ouroboros waits */
#define OVER_MAX 16U                            /* that a layer may have */
#define REMOVE_TRIES 100U
#define REMOVE_PAUSE_NSEC 20000000

/* Of a call about a layer. */
static int call_number(const sd_bus_error *error, int r) {
        if (sd_bus_error_has_name(error, BUS_ERROR_PREFIX "WrongState"))
                return -EIPCPSTATE;

        return irm_bus_error_number(error, r);
}

/* -- operations -- */

typedef struct Operation {
        const char *path;               /* NULL: not known yet */
        int result;                     /* -EINPROGRESS: it has not ended */
} Operation;

/* Of an operation that has failed: that is not o7s-irm's fault. */
static int operation_number(const char *name) {
        const sd_bus_error error = { .name = name };
        int r = call_number(&error, 0);

        return r == -EIRMD ? -EIPCP : r;
}

static int operation_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *path, *state, *name;
        Operation *o = userdata;

        if (!o->path || sd_bus_message_read(signal, "oss", &path, &state, &name) < 0 || strcmp(path, o->path) != 0)
                return 0;

        o->result = strcmp(state, "done") == 0 ? 0 : operation_number(name);
        return 0;
}

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * UINT64_C(1000000) + (uint64_t) now.tv_nsec / 1000;
}

static int operation_wait(IrmBus *bus, const Operation *o) {
        uint64_t deadline = now_usec() + OPERATION_USEC;

        while (o->result == -EINPROGRESS) {
                uint64_t now = now_usec();
                int r;

                r = sd_bus_process(bus->bus, NULL);
                if (r == 0 && now >= deadline)
                        return -ETIMEDOUT;
                if (r == 0)
                        r = sd_bus_wait(bus->bus, deadline - now);
                if (r < 0 && r != -EINTR)
                        return -EIRMD;
        }

        return o->result;
}

/* Sends a call whose answer is an operation, and waits for that.. */
static int operate(IrmBus *bus, sd_bus_message *call, int appended) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        Operation o = { .result = -EINPROGRESS };
        int r;

        if (appended < 0)
                return appended == -ENOMEM ? -ENOMEM : -EINVAL;
        if (sd_bus_match_signal(bus->bus, &slot, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "OperationRemoved",
                                operation_removed, &o) < 0)
                return -EIRMD;

        r = sd_bus_call(bus->bus, call, 0, &error, &reply);
        if (r < 0)
                return call_number(&error, r);
        if (sd_bus_message_read(reply, "o", &o.path) < 0)
                return -EIRMD;

        return operation_wait(bus, &o);
}

/* -- a layer's process -- */

static int change(IrmBus *bus, const char *member, const char *layer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, member, &call);
        return r < 0 ? r : operate(bus, call, sd_bus_message_append(call, "st", layer, (uint64_t) 0));
}

int irm_bus_start_layer(IrmBus *bus, const char *layer) {
        return change(bus, "StartLayer", layer);
}

int irm_bus_stop_layer(IrmBus *bus, const char *layer) {
        return change(bus, "StopLayer", layer);
}

static int append_over(sd_bus_message *call, const IrmLayer *over, size_t n_over) {
        int r;

        r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "Layer.Over");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n_over && i < OVER_MAX; i++)
                r = sd_bus_message_append(call, "s", over[i].name);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(call);

        return r;
}

int irm_bus_create_layer(IrmBus *bus, const char *layer, const char *member, const IrmLayer *over, size_t n_over) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "CreateLayer", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "s", layer);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}{sv}", "Layer.Type", "s", "unicast", "Layer.Member", "s", member);
        if (r >= 0)
                r = append_over(call, over, n_over);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", (uint64_t) 0);

        return irm_bus_call_send(bus, call, r, NULL);
}

static int remove_layer(IrmBus *bus, const char *layer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = irm_bus_call_new(bus, "RemoveLayer", &call);
        if (r < 0)
                return r;
        if (sd_bus_message_append(call, "st", layer, (uint64_t) 0) < 0)
                return -ENOMEM;

        r = sd_bus_call(bus->bus, call, 0, &error, NULL);
        return r < 0 ? call_number(&error, r) : 0;
}

/* systemd knows that a process is gone a little before o7s-irm does. */
int irm_bus_remove_layer(IrmBus *bus, const char *layer) {
        const struct timespec pause = { .tv_nsec = REMOVE_PAUSE_NSEC };
        int r;

        for (unsigned i = 0; (r = remove_layer(bus, layer)) == -EIPCPSTATE && i < REMOVE_TRIES; i++)
                (void) nanosleep(&pause, NULL);

        return r;
}

/* -- orders -- */

static int order_new(IrmBus *bus, const char *layer, const char *member, sd_bus_message **ret) {
        char *path = NULL;
        int r;

        if (sd_bus_path_encode(BUS_PATH_LAYER, layer, &path) < 0)
                return -ENOMEM;

        r = sd_bus_message_new_method_call(bus->bus, ret, BUS_NAME_IRM, path, BUS_INTERFACE_LAYER, member);
        free(path);
        return r < 0 ? -ENOMEM : 0;
}

int irm_bus_enroll(IrmBus *bus, const char *layer, const char *via) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = order_new(bus, layer, "Enroll", &call);
        return r < 0 ? r : operate(bus, call, sd_bus_message_append(call, "sa{sv}t", via, 0, (uint64_t) 0));
}

int irm_bus_connect(IrmBus *bus, const char *layer, const char *neighbour, const char *component) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = order_new(bus, layer, "Connect", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "sasa{sv}t", neighbour, 1, component, 0, (uint64_t) 0);
        return operate(bus, call, r);
}

int irm_bus_disconnect(IrmBus *bus, const char *layer, const char *neighbour, const char *component) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = order_new(bus, layer, "Disconnect", &call);
        if (r < 0)
                return r;

        return operate(bus, call, sd_bus_message_append(call, "sast", neighbour, 1, component, (uint64_t) 0));
}

/* -- the list -- */

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
