/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's object: joins the core (unicast.h) with the layers below, the IRM and the clock. */

#include "services/common/layer-file.h"
#include "services/common/layer.h"
#include "services/common/loop-timer.h"
#include "services/ipcp-unicast/echo.h"
#include "services/ipcp-unicast/lower.h"
#include "services/ipcp-unicast/neighbour-report.h"
#include "services/ipcp-unicast/order.h"
#include "services/ipcp-unicast/unicast.h"

typedef struct Service {
        Daemon *daemon;                 /* not owned */
        LayerFile *file;                /* not owned */
        char *member;                   /* our own name below: Member=, or LAYER.HOSTNAME; owned */
        UnicastNeighbourConfig *neighbours;     /* of the file; owned */
        Unicast unicast;
        bool has_unicast;               /* unicast is made */
        uint64_t kept_sequence;         /* service-state.c: our links' numbers stay below it; 0: nothing is kept */
        Layer *layer;
        Lower lower;
        uint32_t packet_max;            /* as the core last said; 0: no neighbour yet */
        LoopTimer *timer;
        NeighbourReport report;         /* service-report.c */
        Orders orders;
        sd_event_source *report_soon;
        sd_event_source *report_slowly;
        EchoTrace *measuring;           /* a neighbour's round trip; not owned */
        unsigned next_measured;
        sd_bus_slot *slots[4];          /* unicast-bus.c, directory-bus.c */
        List bus_calls;                 /* BusCall.by_service: methods that wait for an answer of others */
        unsigned n_bus_calls;
        uint64_t last_bus_lookup;
} Service;

int service_init(Service *service, Daemon *daemon, LayerFile *file);
void service_done(Service *service);

/* Becomes a member, or begins to try. After service_bus_export(), so that nothing is missed there. */
int service_start(Service *service);

extern const UnicastEvents service_core_events;         /* service-core.c; userdata is the Service */
extern const LayerOps service_layer_ops;                /* service-layer.c; likewise */

/* service-config.c: what the file says, as the core wants it. Strings stay the file's, or ours. */
int service_config(Service *service, UnicastConfig *ret);
void service_config_done(Service *service);

/* service-state.c: what our next life has to know. restore: makes us the member that an earlier life was, with its
 * flows. keep: cheap where nothing changed. forget: an orderly end; all but our address. */
int service_restore(Service *service);
void service_keep_state(Service *service);
void service_forget_state(Service *service);

/* service-state.c: members of LayerOps. */
void service_restore_block(void *userdata, const uint8_t *bytes, size_t size, usec_t now);
ssize_t service_save_flow(void *userdata, const LayerFlow *flow, uint8_t ret_bytes[LAYER_FLOW_BYTES_MAX]);
int service_restore_flow(void *userdata, const LayerFlowRecord *record, usec_t now, LayerFlow **ret);

/* service-report.c: orders of operators, and what the IRM is told of neighbours; members of LayerOps. */
void service_order(void *userdata, const LayerMessage *order, usec_t now);
void service_tell_neighbours(void *userdata, usec_t now);
int service_report_init(Service *service);
void service_report_done(Service *service);

/* Neighbours or what we are may be others than before: the IRM hears of it at the next turn of the loop. */
void service_report_later(Service *service);

/* unicast-bus.c: exports the interfaces of this layer on the daemon's bus, if it has one. */
int service_bus_export(Service *service, sd_bus *bus);

/* Callers that still wait hear that the layer ends. Before the core goes. */
void service_bus_done(Service *service);

/* directory-bus.c: as UnicastEvents.found. */
void service_bus_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses);

/* Something that properties show changed. */
void service_bus_changed(Service *service);

/* The signals of the interfaces; arguments as those of UnicastEvents. */
void service_bus_neighbour_changed(Service *service, const char *name, const char *before, const char *after,
                                   const char *reason);
void service_bus_routes_changed(Service *service, uint64_t version, unsigned n_added, unsigned n_removed,
                                unsigned n_changed);

/* Prints what "busctl introspect" would see, as XML. */
int service_bus_introspect(void);
