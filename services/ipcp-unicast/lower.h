/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The flows of the layers below, through libo7s, on the event loop: we are an application of those layers. Each
 * LowerFlow of the core has a Carrier here, which is one o7s_flow. Flows that others open to us arrive at a listener
 * on whatever names the IRM bound to our unit (the layer's, and the member's own).
 *
 * Packets are read in bounded bursts into buffers with head-room, below the priority of control; a flow for voice
 * comes before one for video, and that before all others.
 */

#include <systemd/sd-event.h>

#include "basic/list.h"
#include "libo7s/o7s.h"
#include "services/common/capture.h"
#include "services/ipcp-unicast/unicast.h"

#define LOWER_BURSTS_PER_TURN 4U
#define LOWER_ACCEPTS_PER_TURN 32U
#define LOWER_LISTEN_RETRY_USEC (100 * USEC_PER_MSEC)
#define LOWER_LISTEN_RETRY_MAX_USEC (2 * USEC_PER_SEC)

/* What a capture calls the two kinds of flows that we have below: what they carry has nothing in common. */
typedef enum LowerInterface {
        LOWER_INTERFACE_DATA,
        LOWER_INTERFACE_MANAGEMENT,
        _LOWER_INTERFACE_MAX,
        _LOWER_INTERFACE_INVALID = -EINVAL,
} LowerInterface;

extern const PcapngInterface lower_interfaces[_LOWER_INTERFACE_MAX];

typedef struct Lower {
        Unicast *unicast;                       /* not owned */
        sd_event *event;
        const char *const *names;               /* of the layers below, as in UnicastConfig.lower; not owned */
        unsigned n_names;
        o7s_listener *listener;                 /* NULL: the IRM is away, or does not let us listen (yet) */
        sd_event_source *listener_io;
        sd_event_source *listener_retry;
        usec_t listener_retry_usec;
        int listener_error;                     /* of the last attempt; each is logged once */
        List carriers;                          /* Carrier.by_lower */
        Packet *packets[UNICAST_BURST_MAX];     /* what is being read */
        size_t packet_room;                     /* bytes that each of them has for data */
        Capture *capture;                       /* not owned; shows packets to whoever asked; NULL: nobody did */
} Lower;

/* names must outlive it. */
int lower_init(Lower *lower, sd_event *event, Unicast *unicast, const char *const *names, unsigned n_names);

/* Closes what is left; the core is not told. */
void lower_done(Lower *lower);

/* Begins to listen. */
int lower_start(Lower *lower);

/* The four of UnicastEvents. */
int lower_allocate(Lower *lower, LowerFlow *flow);
void lower_release(LowerFlow *flow);
unsigned lower_send(LowerFlow *flow, Packet *const *packets, unsigned n);
unsigned lower_queued(const LowerFlow *flow);
