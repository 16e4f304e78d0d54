/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IPCPs as programs for Ouroboros see them. There, a process is made first, told its configuration afterwards, and meant
 * by its pid. Here a layer is a description, which systemd starts, and its process comes last: so the IPCPs that run can
 * be listed, for the calls that want the pid of one, and making and changing them is -ENOTSUP.
 */

#include <stdio.h>

#include <ouroboros/irm.h>

#include "libo7s-compat/compat.h"
#include "libo7s-compat/irm-bus-layer.h"

static void irm_bus_closep(IrmBus **bus) {
        *bus = irm_bus_close(*bus);
}

typedef struct Layers {
        IrmLayer *items;
        ssize_t n;
} Layers;

static void layers_done(Layers *layers) {
        if (layers->n > 0)
                layers->items = irm_layers_free(layers->items, (size_t) layers->n);
}

/* -- the list -- */

static enum ipcp_type type_from_string(const char *text) {
        static const struct {
                const char *name;
                enum ipcp_type type;
        } types[] = {
                { "unicast", IPCP_UNICAST },
                { "broadcast", IPCP_BROADCAST },
                { "eth-llc", IPCP_ETH_LLC },
                { "eth-dix", IPCP_ETH_DIX },
                { "eth", IPCP_ETH_DIX },
                { "udp4", IPCP_UDP4 },
                { "udp6", IPCP_UDP6 },
                { "udp", IPCP_UDP4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcmp(types[i].name, text) == 0)
                        return types[i].type;

        return IPCP_INVALID;
}

static struct ipcp_list_info info_of(const IrmLayer *layer) {
        struct ipcp_list_info info = { .pid = layer->pid, .type = type_from_string(layer->type) };

        (void) snprintf(info.name, sizeof(info.name), "%s", layer->name);
        (void) snprintf(info.layer, sizeof(info.layer), "%s", layer->is_member ? layer->name : "Not enrolled.");
        return info;
}

_public_ ssize_t irm_list_ipcps(struct ipcp_list_info **ipcps) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(irm_bus_closep) IrmBus *bus = NULL;
        _cleanup_(layers_done) Layers layers = {};
        struct ipcp_list_info *infos = NULL;
        int r;

        if (!ipcps)
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        layers.n = irm_bus_list_layers(bus, &layers.items);
        if (layers.n < 0)
                return layers.n;

        if (layers.n > 0) {
                infos = calloc((size_t) layers.n, sizeof(*infos));
                if (!infos)
                        return -ENOMEM;
        }
        for (ssize_t i = 0; i < layers.n; i++)
                infos[i] = info_of(&layers.items[i]);

        *ipcps = infos;
        return layers.n;
}

/* -- what is done with files and systemd here -- */

_public_ pid_t irm_create_ipcp(const char *name, enum ipcp_type type) {
        (void) name;
        (void) type;
        return -ENOTSUP;
}

_public_ int irm_destroy_ipcp(pid_t pid) {
        (void) pid;
        return -ENOTSUP;
}

_public_ int irm_bootstrap_ipcp(pid_t pid, const struct ipcp_config *conf) {
        (void) pid;
        (void) conf;
        return -ENOTSUP;
}

_public_ int irm_enroll_ipcp(pid_t pid, const char *dst) {
        (void) pid;
        (void) dst;
        return -ENOTSUP;
}

_public_ int irm_connect_ipcp(pid_t pid, const char *component, const char *dst, qosspec_t qs) {
        (void) pid;
        (void) component;
        (void) dst;
        (void) qs;
        return -ENOTSUP;
}

_public_ int irm_disconnect_ipcp(pid_t pid, const char *component, const char *dst) {
        (void) pid;
        (void) component;
        (void) dst;
        return -ENOTSUP;
}
