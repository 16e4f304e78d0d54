/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the upper side share, and nobody else sees: see upper.h. */

#include "services/common/upper.h"

struct UpperFlow {
        Upper *upper;                   /* not owned */
        UpperQueue *queue;              /* of layer_flow_cube(); upper's */
        LayerFlow *flow;                /* not owned, owns us */
        Endpoint *endpoint;
        sd_event_source *io;
        ListNode by_ready;
        ListNode by_warm;
        ListNode by_upper;
        Policer policer;
        bool paused;                    /* its budget is used up; the layer will resume it */
        bool ending;                    /* the application's end is over; what it wrote is still to be sent */
        CloseReason reason;
        sd_event_source *deadline;      /* while ending, where there is a budget */
};

/* -- upper.c -- */

void upper_add_counters(Counters *sum, const Counters *c);

/* -- upper-turn.c -- */

/* It has something, or is to be looked at. */
void upper_turn_wanted(UpperFlow *u);

/* It is no longer among those that would not ring. */
void upper_turn_forget_warm(UpperFlow *u);

/* For the next turn. Returns: 0; -ENOMEM: the older one goes on. */
int upper_turn_renew(Upper *upper);

/* Handler of the doorbell. */
int upper_turn_rang(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* -- upper-flow.c -- */

/* Now, with u->reason; the flow is gone afterwards. */
void upper_flow_end(UpperFlow *u, usec_t now);

/* As soon as what the application wrote is sent. */
void upper_flow_set_ending(UpperFlow *u, CloseReason reason);

/* Tells the application how the network below is, where that is news to it. */
void upper_flow_tell_path(UpperFlow *u);
