/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The life of a flow as one total table: every event in every state has an outcome, so that nothing that a
 * client, a layer or a clock does at the wrong moment needs a thought of its own. Pure: the table says what
 * to do, flow.c, connect.c and accept.c do it.
 *
 *   asked for here      SEARCHING -> OFFERED (a listener of this host) or REQUESTED (a layer)
 *                       -> ANSWERED, the other side's lane is there -> ESTABLISHED
 *   asked for elsewhere QUEUED -> PROPOSED (a listener has the offer) -> ACCEPTING (the layer answers the
 *                       other host) -> ESTABLISHED
 *
 *   the layer's process was killed
 *                       ESTABLISHED -> SUSPENDED (waits for the layer) -> RETURNED (the layer's new lane is there, the
 *                       application's is awaited) -> ESTABLISHED
 *
 * The lane of the asking client may come at any time before ANSWERED; it is kept until then.
 */

#include "basic/enum.h"

typedef enum FlowState {
        FLOW_SEARCHING,         /* looking for a listener or a layer that can */
        FLOW_OFFERED,           /* a listener of this host has the offer */
        FLOW_REQUESTED,         /* a layer carries our request */
        FLOW_ANSWERED,          /* the other side is ready, the asking client's lane is missing */
        FLOW_QUEUED,            /* from a layer; nobody accepts yet */
        FLOW_PROPOSED,          /* from a layer; a listener has the offer */
        FLOW_ACCEPTING,         /* from a layer; accepted, the layer has not yet confirmed */
        FLOW_ESTABLISHED,
        FLOW_SUSPENDED,         /* its layer's process is gone, or its application says so; the next one may have it */
        FLOW_RETURNED,          /* the layer has it again and waits for the application */
        FLOW_CLOSED,
        _FLOW_STATE_MAX,
        _FLOW_STATE_INVALID = -EINVAL,
} FlowState;

DECLARE_ENUM_NAMES(flow_state, FlowState);

typedef enum FlowEvent {
        FLOW_EVENT_ACCEPTOR,            /* a listener is there that can take it */
        FLOW_EVENT_ROUTE,               /* a layer said that it reaches the name */
        FLOW_EVENT_RETRACT,             /* whoever had it cannot after all */
        FLOW_EVENT_CALLER_LANE,         /* the asking client's lane; once suspended, that of the application,
                                         * whichever end it is */
        FLOW_EVENT_ACCEPTOR_LANE,       /* the listener's lane: it accepts */
        FLOW_EVENT_LAYER_LANE,          /* the layer's lane: it has an answer, or has sent ours */
        FLOW_EVENT_GIVE_UP,             /* cancelled, too late, or nobody can */
        FLOW_EVENT_LOST,                /* the process of its layer ended without closing it */
        FLOW_EVENT_END,                 /* closed by a side, by its death, by its layer or by an operator */
        _FLOW_EVENT_MAX,
        _FLOW_EVENT_INVALID = -EINVAL,
} FlowEvent;

DECLARE_ENUM_NAMES(flow_event, FlowEvent);

typedef enum FlowAction {
        FLOW_DO_NOTHING,        /* too late or too early, and harmless */
        FLOW_DO_OFFER,          /* to the listener; where a layer has the request, abort it first */
        FLOW_DO_REQUEST,        /* to the layer */
        FLOW_DO_SEARCH,         /* go on looking */
        FLOW_DO_KEEP_LANE,      /* the caller's lane came before it was needed */
        FLOW_DO_COMPLETE,       /* the other side is there: feed the caller's lane again if it is kept */
        FLOW_DO_ACCEPT,         /* tell the layer to answer */
        FLOW_DO_ESTABLISH,      /* hand both ends out */
        FLOW_DO_SUSPEND,        /* wait for the layer, for a time */
        FLOW_DO_RETURN,         /* wait for the application: feed its lane again if it is kept */
        FLOW_DO_REATTACH,       /* hand both ends out, again */
        FLOW_DO_FAIL,           /* tell the caller, withdraw from whoever has it */
        FLOW_DO_REFUSE,         /* tell the layer, withdraw from whoever has it */
        FLOW_DO_FINISH,         /* an established flow is over: tell the layer */
        FLOW_DO_PUNISH,         /* the sender broke the protocol: it loses its connection */
        _FLOW_ACTION_MAX,
        _FLOW_ACTION_INVALID = -EINVAL,
} FlowAction;

DECLARE_ENUM_NAMES(flow_action, FlowAction);

typedef struct FlowMove {
        FlowState next;
        FlowAction action;
} FlowMove;

/* What happens in a state at an event. Total over both enums. */
FlowMove flow_move(FlowState state, FlowEvent event) _const_;

/* Whether a flow in this state counts as pending. */
static inline bool flow_state_is_pending(FlowState state) {
        return state < FLOW_ESTABLISHED;
}
