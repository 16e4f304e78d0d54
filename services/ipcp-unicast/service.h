/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's object: joins the core (unicast.h) with the layers below, the IRM and the clock. */

#include "services/common/layer-file.h"
#include "services/common/layer.h"
#include "services/ipcp-unicast/lower.h"
#include "services/ipcp-unicast/unicast.h"

typedef struct Service {
        Daemon *daemon;                 /* not owned */
        LayerFile *file;                /* not owned */
        char *member;                   /* our own name below: Member=, or LAYER.HOSTNAME; owned */
        UnicastNeighbourConfig *neighbours;     /* of the file; owned */
        Unicast unicast;
        bool has_unicast;               /* unicast is made */
        Layer *layer;
        Lower lower;
        uint32_t packet_max;            /* as the core last said; 0: no neighbour yet */
        sd_event_source *timer;
        usec_t timer_armed;
        sd_bus_slot *slots[4];          /* unicast-bus.c, directory-bus.c */
} Service;

int service_init(Service *service, Daemon *daemon, LayerFile *file);
void service_done(Service *service);

/* Becomes a member, or begins to try. After service_bus_export(), so that nothing is missed there. */
int service_start(Service *service);

/* service-config.c: what the file says, as the core wants it. Strings stay the file's, or ours. */
int service_config(Service *service, UnicastConfig *ret);
void service_config_done(Service *service);

/* service-report.c: orders of operators, and what the IRM is told of neighbours; members of LayerOps. */
void service_order(void *userdata, const LayerMessage *order, usec_t now);
void service_tell_neighbours(void *userdata, usec_t now);

/* unicast-bus.c: exports the interfaces of this layer on the daemon's bus, if it has one. */
int service_bus_export(Service *service, sd_bus *bus);

/* Something that properties show changed. */
void service_bus_changed(Service *service);

/* The signals of the interfaces; arguments as those of UnicastEvents. */
void service_bus_neighbour_changed(Service *service, const char *name, const char *before, const char *after,
                                   const char *reason);
void service_bus_routes_changed(Service *service, uint64_t version, unsigned n_added, unsigned n_removed, unsigned n_changed);

/* Prints what "busctl introspect" would see, as XML. */
int service_bus_introspect(void);
