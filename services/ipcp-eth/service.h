/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's object: joins the core (ethernet.h) with the interface, the packet socket, the IRM and the clock. */

#include "services/common/layer-file.h"
#include "services/common/layer.h"
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
        sd_event_source *timer;
        usec_t timer_armed;
        sd_bus_slot *slots[2];          /* ethernet-bus.c */
} Service;

int service_init(Service *service, Daemon *daemon, LayerFile *file);
void service_done(Service *service);

/* ethernet-bus.c: exports the interfaces of this layer on the daemon's bus, if it has one. */
int service_bus_export(Service *service, sd_bus *bus);
void service_bus_changed(Service *service);

/* Prints what "busctl introspect" would see, as XML. */
int service_bus_introspect(void);
