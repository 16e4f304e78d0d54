/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One reliable flow, not protected, through a layer that the test plays: what it drops and marks, and with which size
 * of packets it comes back after it was killed. The peer is an Frct of its own behind that layer. Failures end the
 * test.
 */

#include "libo7s/frct.h"
#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"

#define LAYERED_FLOW_MTU 1400U
#define LAYERED_FLOW_PATIENCE (60 * NSEC_PER_SEC)

/* How a program learns of events. */
typedef enum Way {
        WAY_ASK,                        /* o7s_flow_events(), whenever it likes */
        WAY_DESCRIPTOR,                 /* the same, but only when the descriptor says so */
        WAY_SET,
} Way;

typedef struct LayeredFlow {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end; NULL: killed */
        o7s_flow *flow;                 /* never waits */
        Frct *peer;
        size_t path_max;                /* what the flow sends that is larger is dropped */
        bool marks;                     /* what passes met congestion, either way */
        uint64_t n_marked;              /* of the packets towards the flow */
        uint32_t marked_heard;          /* what the flow said of that last */
        uint64_t n_read;                /* bytes, by the peer */
} LayeredFlow;

void layered_flow_open(LayeredFlow *l);
void layered_flow_close(LayeredFlow *l);

/* The layer's process is killed; layered_flow_restarts() once it is to come back, and again until that returns true. */
void layered_flow_kill(LayeredFlow *l, uint32_t mtu);
bool layered_flow_restarts(LayeredFlow *l);

/* The layer and the peer, which reads all that comes, have their turn, and a moment for the engine. */
void layered_flow_run(LayeredFlow *l);

void layered_flow_stats(const LayeredFlow *l, struct o7s_flow_stats *ret);

/* Looks once, without waiting, as a program of that kind does; set: what the flow is in, for WAY_SET. Returns: the
 * events. */
uint32_t layered_flow_look(o7s_flow *flow, o7s_set *set, Way way);
