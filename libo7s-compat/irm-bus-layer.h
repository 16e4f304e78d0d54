/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Layers of org.o7s.irm1. Returns are those of irm-bus.h. */

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
