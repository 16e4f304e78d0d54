/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of a listener. listener.c makes it and accepts from it, listener-connection.c hears what the IRM says,
 * listener-offer.c has what was offered and is not a flow yet. All of it under the listener's mutex.
 */

#include <pthread.h>

#include "basic/list.h"
#include "basic/time.h"
#include "libo7s/flow.h"
#include "libo7s/irm-message.h"
#include "libo7s/lane.h"
#include "libo7s/listener.h"
#include "libo7s/pollable.h"
#include "libo7s/process.h"

#define LISTENER_RECONNECT_USEC (100 * USEC_PER_MSEC)

typedef struct Offer {
        ListNode by_listener;
        uint64_t flow_id;
        LaneClass lane_class;
        Lane *own_lane;                 /* NULL: not made yet, too many others */
        IrmFlowInfo info;
} Offer;

struct o7s_listener {
        Handle handle;
        unsigned n_refs;                /* atomic */
        uint64_t flags;                 /* of the flows to come */
        Pollable pollable;
        pthread_mutex_t mutex;          /* guards all that follows */
        int fd;                         /* the connection; -1: the IRM is away */
        int timer_fd;                   /* while it is away */
        bool heard;                     /* this connection has said something */
        int error;                      /* the IRM no longer lets us serve the name: what accept says from now on */
        List offers;
        unsigned n_offers;
        unsigned n_lanes;
        o7s_flow *ready;                /* established and not accepted yet */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char text[IRM_TEXT_BYTES_MAX];
};

/* -- listener-offer.c -- */

Offer *offer_free(o7s_listener *listener, Offer *offer);
Offer *offer_find(o7s_listener *listener, uint64_t flow_id);

/* One more, unless it makes no sense; it is answered in its turn. */
void offer_receive(o7s_listener *listener, const IrmMessage *message);

/* Makes a flow of an offer and what the other side brought. Takes the doorbell, also on failure. */
int offer_establish(o7s_listener *listener, Offer *offer, const IrmMessage *message, int lane_fd, int doorbell_fd,
                    o7s_flow **ret);

/* Answers those that waited for their turn. One that cannot be answered goes to somebody else. */
void listener_answer_offers(o7s_listener *listener);
void listener_forget_offers(o7s_listener *listener);

/* -- listener-connection.c -- */

/* What asks the IRM to let us serve the name. */
IrmMessage listener_message(const o7s_listener *listener);

/* Takes messages until there is a flow, or nothing more. */
void listener_pump(o7s_listener *listener);
