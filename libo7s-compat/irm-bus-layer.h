/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Layers of org.o7s.irm1, and waiting for what takes long. Returns are those of irm-bus.h, and -EIPCPSTATE where the
 * layer is in the wrong state, -ETIMEDOUT where it is not done in time, -EIPCP where it failed.
 */

#include "libo7s-compat/irm-bus.h"

typedef struct IrmLayer {
        char *name;
        char *type;                     /* "unicast", "eth-dix" and so on; "eth" where it is not known any closer */
        bool is_member;                 /* of what it is for: flows can be had */
        pid_t pid;
} IrmLayer;

/* The layers of which there is a process. Returns: how many. */
ssize_t irm_bus_list_layers(IrmBus *bus, IrmLayer **ret);
IrmLayer *irm_layers_free(IrmLayer *layers, size_t n);

/* A unicast layer in which this host goes by the name of member, over these layers. -EEXIST: there is one. */
int irm_bus_create_layer(IrmBus *bus, const char *layer, const char *member, const IrmLayer *over, size_t n_over);
int irm_bus_remove_layer(IrmBus *bus, const char *layer);

/* Until it is online; until its process is gone. */
int irm_bus_start_layer(IrmBus *bus, const char *layer);
int irm_bus_stop_layer(IrmBus *bus, const char *layer);

/* Orders to the member of a running layer. component: "mgmt", "dt". */
int irm_bus_enroll(IrmBus *bus, const char *layer, const char *via);
int irm_bus_connect(IrmBus *bus, const char *layer, const char *neighbour, const char *component);
int irm_bus_disconnect(IrmBus *bus, const char *layer, const char *neighbour, const char *component);
