/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's object: joins the core (ethernet.h) with the interface, the packet socket, the IRM and the clock. */

#include "services/common/layer-file.h"
#include "services/common/layer.h"
#include "services/common/loop-timer.h"
#include "services/ipcp-eth/ethernet.h"
#include "services/ipcp-eth/link.h"
#include "services/ipcp-eth/socket.h"

typedef struct Service {
        Daemon *daemon;                 /* not owned */
        LayerFile *file;                /* not owned */
        Ethernet ethernet;
        Layer *layer;
        Link *link;
        LinkInfo link_info;             /* as last reported */
        FrameSocket *socket;            /* NULL: there is no interface to use */
        int socket_ifindex;             /* what it is bound to */
        uint32_t socket_mtu;            /* what its buffers are made for */
        Capture *capture;               /* not owned; shows frames to whoever asked; NULL: nobody did */
        LoopTimer *timer;
        sd_bus_slot *slots[2];          /* ethernet-bus.c */
} Service;

int service_init(Service *service, Daemon *daemon, LayerFile *file);
void service_done(Service *service);

extern const EthernetEvents service_core_events;        /* service-core.c; userdata is the Service */
extern const LayerOps service_layer_ops;                /* service-layer.c; likewise */

/* service-link.c: what the Link reports. */
void service_link_changed(void *userdata, const LinkInfo *info);

/* ethernet-bus.c: exports the interfaces of this layer on the daemon's bus, if it has one. */
int service_bus_export(Service *service, sd_bus *bus);
void service_bus_changed(Service *service);

/* Prints what "busctl introspect" would see, as XML. */
int service_bus_introspect(void);
