/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of flow-state.h. */

#include "services/irm/flow-state.h"

static const char *const flow_state_table[_FLOW_STATE_MAX] = {
        [FLOW_SEARCHING] = "searching",
        [FLOW_OFFERED] = "offered",
        [FLOW_REQUESTED] = "requested",
        [FLOW_ANSWERED] = "answered",
        [FLOW_QUEUED] = "queued",
        [FLOW_PROPOSED] = "proposed",
        [FLOW_ACCEPTING] = "accepting",
        [FLOW_ESTABLISHED] = "established",
        [FLOW_SUSPENDED] = "suspended",
        [FLOW_RETURNED] = "returned",
        [FLOW_CLOSED] = "closed",
};

DEFINE_ENUM_NAMES(flow_state, FlowState);

static const char *const flow_event_table[_FLOW_EVENT_MAX] = {
        [FLOW_EVENT_ACCEPTOR] = "acceptor",
        [FLOW_EVENT_ROUTE] = "route",
        [FLOW_EVENT_RETRACT] = "retract",
        [FLOW_EVENT_CALLER_LANE] = "caller-lane",
        [FLOW_EVENT_ACCEPTOR_LANE] = "acceptor-lane",
        [FLOW_EVENT_LAYER_LANE] = "layer-lane",
        [FLOW_EVENT_GIVE_UP] = "give-up",
        [FLOW_EVENT_LOST] = "lost",
        [FLOW_EVENT_END] = "end",
};

DEFINE_ENUM_NAMES(flow_event, FlowEvent);

static const char *const flow_action_table[_FLOW_ACTION_MAX] = {
        [FLOW_DO_NOTHING] = "nothing",
        [FLOW_DO_OFFER] = "offer",
        [FLOW_DO_REQUEST] = "request",
        [FLOW_DO_SEARCH] = "search",
        [FLOW_DO_KEEP_LANE] = "keep-lane",
        [FLOW_DO_COMPLETE] = "complete",
        [FLOW_DO_ACCEPT] = "accept",
        [FLOW_DO_ESTABLISH] = "establish",
        [FLOW_DO_SUSPEND] = "suspend",
        [FLOW_DO_RETURN] = "return",
        [FLOW_DO_REATTACH] = "reattach",
        [FLOW_DO_FAIL] = "fail",
        [FLOW_DO_REFUSE] = "refuse",
        [FLOW_DO_FINISH] = "finish",
        [FLOW_DO_PUNISH] = "punish",
};

DEFINE_ENUM_NAMES(flow_action, FlowAction);

#define MOVE(state, what)                                                                                         \
        { FLOW_##state, FLOW_DO_##what }

/* Rows are states, columns events, in the order of the enum: acceptor, route, retract, caller-lane, acceptor-lane,
 * layer-lane, give-up, lost, end. Every cell is written out; the compiler checks their number, the test their sense. */
static const FlowMove flow_table[_FLOW_STATE_MAX][_FLOW_EVENT_MAX] = {
        [FLOW_SEARCHING] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(OFFERED, OFFER),
                [FLOW_EVENT_ROUTE] = MOVE(REQUESTED, REQUEST),
                [FLOW_EVENT_RETRACT] = MOVE(SEARCHING, SEARCH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(SEARCHING, KEEP_LANE),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(SEARCHING, NOTHING),          /* crossed with our withdrawal */
                [FLOW_EVENT_LAYER_LANE] = MOVE(SEARCHING, NOTHING),             /* crossed with our abort */
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, FAIL),
                [FLOW_EVENT_LOST] = MOVE(SEARCHING, NOTHING),                   /* pending ones look for another way */
                [FLOW_EVENT_END] = MOVE(CLOSED, FAIL),
        },
        [FLOW_OFFERED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(OFFERED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(OFFERED, NOTHING),                    /* a listener here was first */
                [FLOW_EVENT_RETRACT] = MOVE(SEARCHING, SEARCH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(OFFERED, KEEP_LANE),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(ANSWERED, COMPLETE),
                [FLOW_EVENT_LAYER_LANE] = MOVE(OFFERED, NOTHING),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, FAIL),
                [FLOW_EVENT_LOST] = MOVE(OFFERED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, FAIL),
        },
        [FLOW_REQUESTED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(OFFERED, OFFER),                   /* came up while the layer still asks */
                [FLOW_EVENT_ROUTE] = MOVE(REQUESTED, REQUEST),                  /* the next attempt */
                [FLOW_EVENT_RETRACT] = MOVE(SEARCHING, SEARCH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(REQUESTED, KEEP_LANE),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(REQUESTED, NOTHING),
                [FLOW_EVENT_LAYER_LANE] = MOVE(ANSWERED, COMPLETE),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, FAIL),
                [FLOW_EVENT_LOST] = MOVE(REQUESTED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, FAIL),
        },
        [FLOW_ANSWERED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(ANSWERED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(ANSWERED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, FAIL),                      /* it was there, and died */
                [FLOW_EVENT_CALLER_LANE] = MOVE(ESTABLISHED, ESTABLISH),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(ANSWERED, PUNISH),            /* a second lane */
                [FLOW_EVENT_LAYER_LANE] = MOVE(ANSWERED, NOTHING),              /* answer to another attempt */
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, FAIL),
                [FLOW_EVENT_LOST] = MOVE(ANSWERED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, FAIL),
        },
        [FLOW_QUEUED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(PROPOSED, OFFER),
                [FLOW_EVENT_ROUTE] = MOVE(QUEUED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(QUEUED, SEARCH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(QUEUED, PUNISH),                /* not asked for here */
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(QUEUED, NOTHING),
                [FLOW_EVENT_LAYER_LANE] = MOVE(QUEUED, PUNISH),                 /* before we accepted */
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, REFUSE),
                [FLOW_EVENT_LOST] = MOVE(QUEUED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, REFUSE),
        },
        [FLOW_PROPOSED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(PROPOSED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(PROPOSED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(QUEUED, SEARCH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(PROPOSED, PUNISH),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(ACCEPTING, ACCEPT),
                [FLOW_EVENT_LAYER_LANE] = MOVE(PROPOSED, PUNISH),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, REFUSE),
                [FLOW_EVENT_LOST] = MOVE(PROPOSED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, REFUSE),
        },
        [FLOW_ACCEPTING] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(ACCEPTING, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(ACCEPTING, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, REFUSE),                    /* the answer may be under way */
                [FLOW_EVENT_CALLER_LANE] = MOVE(ACCEPTING, PUNISH),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(ACCEPTING, PUNISH),
                [FLOW_EVENT_LAYER_LANE] = MOVE(ESTABLISHED, ESTABLISH),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, REFUSE),
                [FLOW_EVENT_LOST] = MOVE(ACCEPTING, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, REFUSE),
        },
        [FLOW_ESTABLISHED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(ESTABLISHED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(ESTABLISHED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, FINISH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(ESTABLISHED, PUNISH),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(ESTABLISHED, PUNISH),
                [FLOW_EVENT_LAYER_LANE] = MOVE(ESTABLISHED, NOTHING),           /* answer to another attempt */
                [FLOW_EVENT_GIVE_UP] = MOVE(ESTABLISHED, NOTHING),              /* a clock that crossed the success */
                [FLOW_EVENT_LOST] = MOVE(SUSPENDED, SUSPEND),
                [FLOW_EVENT_END] = MOVE(CLOSED, FINISH),
        },
        [FLOW_SUSPENDED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(SUSPENDED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(SUSPENDED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, FINISH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(SUSPENDED, KEEP_LANE),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(SUSPENDED, PUNISH),
                [FLOW_EVENT_LAYER_LANE] = MOVE(RETURNED, RETURN),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, FINISH),                    /* the layer did not come back */
                [FLOW_EVENT_LOST] = MOVE(SUSPENDED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, FINISH),
        },
        [FLOW_RETURNED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(RETURNED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(RETURNED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, FINISH),
                [FLOW_EVENT_CALLER_LANE] = MOVE(ESTABLISHED, REATTACH),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(RETURNED, PUNISH),
                /* a newer lane takes the place of the older */
                [FLOW_EVENT_LAYER_LANE] = MOVE(RETURNED, NOTHING),
                [FLOW_EVENT_GIVE_UP] = MOVE(RETURNED, NOTHING),                 /* a clock that crossed the return */
                [FLOW_EVENT_LOST] = MOVE(SUSPENDED, SUSPEND),
                [FLOW_EVENT_END] = MOVE(CLOSED, FINISH),
        },
        [FLOW_CLOSED] = {
                [FLOW_EVENT_ACCEPTOR] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_ROUTE] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_RETRACT] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_CALLER_LANE] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_ACCEPTOR_LANE] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_LAYER_LANE] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_GIVE_UP] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_LOST] = MOVE(CLOSED, NOTHING),
                [FLOW_EVENT_END] = MOVE(CLOSED, NOTHING),
        },
};

FlowMove flow_move(FlowState state, FlowEvent event) {
        assert(state >= 0 && state < _FLOW_STATE_MAX);
        assert(event >= 0 && event < _FLOW_EVENT_MAX);

        return flow_table[state][event];
}
