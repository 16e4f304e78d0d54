/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One layer that a verb is about: where its object is, and its IPCP. */

#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"

typedef struct LayerView {
        char *path;             /* of its object at o7s-irm */
        json_object *properties;        /* of org.o7s.irm1.Layer */
        const char *name;       /* these are in properties */
        const char *type;
        const char *state;
        const char *reason;
        const char *service;    /* of its IPCP */
        uint64_t address;       /* of our member; 0: it is none */
} LayerView;

void layer_view_done(LayerView *view);

/* Looks it up. Complains where there is none. Returns: 0; the exit status. */
int layer_view_open(Ctl *ctl, const char *name, LayerView *ret);

/* The same, of a layer that has members and is running. */
int layer_view_open_member(Ctl *ctl, const char *name, LayerView *ret);

/* A call to its IPCP, which is not started by it. */
int layer_view_call(Ctl *ctl, const LayerView *view, const char *interface, const char *member, sd_bus_message **ret);

/* Sends such a call, and reads the first thing that it returns. Complains. */
int layer_view_ask(Ctl *ctl, const LayerView *view, sd_bus_message *call, const char *what, json_object **ret);

/* Rows of ListNeighbours. Complains. */
int layer_view_neighbours(Ctl *ctl, const LayerView *view, json_object **ret);

/* The names of neighbours by their address; the address itself where it is not one of them, "(this host)" for our
 * own. */
const char *layer_view_name_of(const LayerView *view, json_object *neighbours, uint64_t address, char buffer[32]);
