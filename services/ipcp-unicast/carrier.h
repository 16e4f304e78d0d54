/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow of a layer below: an o7s_flow on the event loop, and the LowerFlow of the core that it is for.
 *
 * The core may let go of a flow while it is told something about it. A carrier that is in the middle of that is only
 * cut off from its flow then, and freed when it is out again.
 */

#include "services/common/daemon.h"
#include "services/ipcp-unicast/lower.h"

/* Between control and data: whoever wants to be our neighbour, and what keeps neighbours, before what they send. */
#define LOWER_PRIORITY_MANAGEMENT (DAEMON_PRIORITY_DATA - 3)

typedef struct Carrier {
        Lower *lower;                   /* not owned */
        LowerFlow *flow;                /* not owned; NULL: let go of */
        o7s_flow *o7s;
        sd_event_source *io;
        int64_t priority;
        bool up;
        bool armed;                     /* waits for room */
        bool busy;                      /* inside carrier_ready() */
        bool noisy;                     /* says more than MANAGEMENT_RATE_MAX */
        usec_t second;                  /* when the one began in which n_read were read */
        unsigned n_read;
        ListNode by_lower;              /* Lower.carriers */
} Carrier;

/* Takes the flow of libo7s, also on failure. */
int carrier_new(Lower *lower, o7s_flow *o7s, Carrier **ret);
Carrier *carrier_free(Carrier *carrier);
DEFINE_CLEANUP(Carrier, carrier_free);

/* Takes the flow away from its carrier. */
LowerFlow *carrier_cut(Carrier *carrier);

/* To whoever captures packets. */
void carrier_show(const Carrier *carrier, bool outgoing, Packet *const *packets, unsigned n);

/* Buffers for the largest packets of all flows. Returns: 0; -ENOMEM: as they were. */
int lower_make_room(Lower *lower, size_t room);

/* -- lower-listener.c -- */

int lower_listener_init(Lower *lower);
void lower_listener_done(Lower *lower);
