/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The upper side of a layer: the flows of the applications above it, on an event loop. Step 5 of a packet's walk: a
 * doorbell rings, a burst is taken from the application's lane and handed to LayerOps.transmit.
 *
 * Flows of a cube take turns, one burst each, so that a busy one cannot starve the others. Voice goes before video, and
 * video before the rest, but for every UPPER_LOWEST_EVERY'th burst, which is the lowest's. All of them run below the
 * priority of control. Where the network below is full for a cube, the rest of a burst is held, its flows wait, and
 * lanes fill up behind it; other cubes go on. Where a layer has a budget for each flow, one that has used up its own
 * waits alone.
 *
 * A flow of voice or video that sends more than it asked for (policer.h) is demoted: as a whole, from one burst to the
 * next, it takes its turns with best effort, and layer_flow_cube() has the layer treat its packets so, until it has
 * recovered. Nothing of it is dropped for that, and nothing overtakes in here: packets leave its lane in their order,
 * and it changes queues only while none of its packets is held. Past the layer (in the kernel's queues and at other
 * hosts) the one that is first in the better queue after a recovery may overtake, as it may whenever a way changes; the
 * silence that a recovery takes makes that rare. What the layer itself has to say is not counted.
 *
 * A flow that has nothing more is asked to ring. Where the loop says that it looks before it sleeps (upper_look(),
 * upper_sleep()), up to UPPER_WARM_MAX flows that were served are asked only when it goes to sleep.
 */

#include <systemd/sd-event.h>

#include "basic/list.h"
#include "libo7s/endpoint.h"
#include "services/common/cube.h"
#include "services/common/layer-flow.h"
#include "services/common/policer.h"

#define UPPER_BURST_MAX 32U
#define UPPER_BURSTS_PER_TURN 4U
#define UPPER_LOWEST_EVERY 8U
#define UPPER_WARM_MAX 8U
/* for what an application left behind, at the pace of its budget */
#define UPPER_ENDING_MAX_USEC (5 * USEC_PER_SEC)

typedef struct Upper Upper;

/* Sends a burst. Returns: how many were dealt with; fewer than n: full for this flow's cube, upper_resume() will
 * follow. */
typedef unsigned (*upper_transmit_t)(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now);

/* How many packets of this flow the layer takes now, at most max. 0: none, and upper_flow_resume() will follow. */
typedef unsigned (*upper_budget_t)(void *userdata, LayerFlow *flow, unsigned max, usec_t now);

/* The application's end is over, and what it had written is sent. The flow's upper side is gone already. */
typedef void (*upper_ended_t)(void *userdata, LayerFlow *flow, CloseReason reason, usec_t now);

/* The flows of one cube. */
typedef struct UpperQueue {
        List ready;                     /* UpperFlow.by_ready: have more, or are to be looked at */
        Packet *packets[UPPER_BURST_MAX];
        bool blocked;                   /* the network takes nothing of this cube at the moment */
        UpperFlow *held;                /* whose packets are held; NULL: nobody's, or its flow is gone */
        unsigned held_first;
        unsigned n_held;
} UpperQueue;

struct Upper {
        sd_event *event;
        upper_transmit_t transmit;
        upper_budget_t budget;          /* NULL: as much as there is */
        upper_ended_t ended;
        void *userdata;
        usec_t ending_max_usec;         /* UPPER_ENDING_MAX_USEC, but for tests */

        PathState path;                 /* of the network below, as every flow is told */
        UpperQueue queues[_CUBE_MAX];
        sd_event_source *turn;          /* on while a queue that is not blocked has somebody ready */
        unsigned n_bursts;              /* counts up to UPPER_LOWEST_EVERY, and again */
        List warm;                      /* UpperFlow.by_warm: had nothing more, and will not ring */
        unsigned n_warm, n_warm_max;

        Counters past;                  /* of flows that are gone, and what came for those that have no upper side */
        uint64_t n_demoted;             /* packets of flows beyond what these asked for, since the last reset */
        Counters reset;                 /* the sum at the last reset: flows go on counting, it is taken off */
        List flows;                     /* UpperFlow.by_upper */
        unsigned n_flows;
};

int upper_init(Upper *upper, sd_event *event, upper_transmit_t transmit, upper_ended_t ended, void *userdata);

/* Flows get no further than this allows. Before there are any. */
void upper_set_budget(Upper *upper, upper_budget_t budget);

/* From now on somebody calls upper_look() and upper_sleep(). */
void upper_set_looks(Upper *upper);

/* Serves flows that would not ring, one burst each. Returns whether one had something. */
bool upper_look(Upper *upper);

/* All flows ring from now on. Returns whether none of them has anything. */
bool upper_sleep(Upper *upper);

/* All flows must be gone. */
void upper_done(Upper *upper);

/* Largest packet that the network below takes, for the buffers. Returns: 0; -ENOMEM: they stay as they were. */
int upper_set_packet_max(Upper *upper, size_t packet_max);

/* What applications are told of the network below, each where it is news to it. */
void upper_set_path(Upper *upper, const PathState *path);

/* The same for one flow, whose peer alone may be out of reach. One without an upper side is told with the next. */
void upper_flow_set_down(LayerFlow *flow, bool down);

/* The network takes packets again, of any cube or of all. */
void upper_resume(Upper *upper);

/* The flow's budget is no longer 0. One that does not wait for that, or has no upper side, is fine. */
void upper_flow_resume(LayerFlow *flow);

/* Gives the flow its upper side; takes the endpoint, also on failure. */
int upper_flow_new(Upper *upper, LayerFlow *flow, Endpoint *endpoint);

/* Takes the upper side away, without telling the application. A flow without one is fine. */
void upper_flow_free(LayerFlow *flow);

/* The same after telling it. */
void upper_flow_close(LayerFlow *flow, CloseReason reason);

/* The application closed it: what it had written is sent, and then Upper.ended() comes, never from within. */
void upper_flow_finish(LayerFlow *flow, CloseReason reason);

/* Step 3 of the way up. The packets stay the caller's. marked: they met congestion in this layer. */
void upper_deliver(Upper *upper, LayerFlow *flow, Packet *const *packets, unsigned n, bool marked);

/* Of all flows, present and past. */
void upper_sum_counters(const Upper *upper, Counters *ret);

/* That sum begins anew from 0. What each flow counted stays its own. */
void upper_reset_counters(Upper *upper);
