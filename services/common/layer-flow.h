/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow as every layer knows it: what the IRM calls it, how far it has come, and what belongs to it on this side.
 * Layers embed it in their own flow objects. One flow of the IRM may have several attempts, each of them a LayerFlow;
 * at most one is ever established. Pure.
 *
 *   outgoing   starting → requested → answered → established → closed
 *                   │          └→ abandoned ──────────────────────┘
 *                   └→ (closed from every state)
 *   incoming   starting → answered → established → closed
 */

#include "basic/enum.h"
#include "basic/list.h"
#include "basic/map.h"
#include "libo7s/doorbell.h"
#include "libo7s/drop.h"
#include "services/common/cube.h"
#include "services/common/flow-control.h"
#include "services/common/layer-message.h"
#include "services/common/state-store.h"

#define LAYER_ATTEMPTS_MAX 8U           /* of one flow; the IRM makes three */

typedef enum LayerFlowState {
        LAYER_FLOW_STARTING,            /* finding out where to send the request, or about to answer one */
        LAYER_FLOW_REQUESTED,           /* waiting for the peer's reply */
        LAYER_FLOW_ABANDONED,           /* the IRM gave up waiting; a reply still goes to it, for its token */
        LAYER_FLOW_ANSWERED,            /* the IRM has the answer and our lane; the application's is awaited */
        LAYER_FLOW_ESTABLISHED,
        LAYER_FLOW_CLOSED,              /* remembered for stragglers, until its time is over */
        _LAYER_FLOW_STATE_MAX,
        _LAYER_FLOW_STATE_INVALID = -EINVAL,
} LayerFlowState;

DECLARE_ENUM_NAMES(layer_flow_state, LayerFlowState);

typedef struct UpperFlow UpperFlow;

/* What identifies an attempt; without padding, as it is a key. */
typedef struct LayerFlowKey {
        uint64_t flow_id;
        uint64_t attempt;
} LayerFlowKey;

typedef struct LayerFlow {
        LayerFlowKey key;
        ListNode by_table;              /* LayerFlows.all */
        LayerFlowState state;
        LaneClass lane_class;
        uint32_t uid;                   /* of the application, once established */
        bool of_layer;                  /* the application is a layer: nobody holds it to what it asked for */
        bool demoted;                   /* it sends more than it asked for, see upper.h; says layer_flow_cube() */
        o7s_qos qos;                    /* as asked for; what counts on the wire */
        o7s_qos granted;                /* what the layer does for it, for the IRM's answer */
        CloseTokens tokens;
        FlowControl control;            /* what proves messages about it; wiped when it is closed */
        bool have_lock;
        uint8_t lock[FLOW_RESET_BYTES]; /* the peer's: the reset token that fits ends the flow */
        Lane *lane;                     /* ours, until both lanes are joined in the upper side; owned */
        uint32_t packet_max;            /* that the IRM knew of when it got our lane: the application begins with it */
        bool down;                      /* there is no way to the peer, though there may be to others */
        UpperFlow *upper;               /* while established; owned. NULL: the application has yet to attach again */
        StateStore *store;              /* not owned; where it is kept for our next life, see layer-restore.h; NULL:
                                         * it is not */
        uint32_t store_slot;
} LayerFlow;

/* All flows of a layer, by key. Does not own them. */
typedef struct LayerFlows {
        Map *by_key;
        List all;
} LayerFlows;

int layer_flows_init(LayerFlows *flows);

/* All flows must have left. */
void layer_flows_done(LayerFlows *flows);

/* Adds a flow with state starting. One that is closed already gives its key away. Returns: 0; -EEXIST; -ENOMEM. */
int layer_flows_add(LayerFlows *flows, LayerFlow *flow, uint64_t flow_id, uint32_t attempt);

/* Takes a flow out, also one that was never added. */
void layer_flows_remove(LayerFlows *flows, LayerFlow *flow);

LayerFlow *layer_flows_get(const LayerFlows *flows, uint64_t flow_id, uint32_t attempt);

/* Established attempt of a flow; NULL where there is none. */
LayerFlow *layer_flows_get_established(const LayerFlows *flows, uint64_t flow_id);

/* Whether the table of legal moves has this one. */
bool layer_flow_state_may_follow(LayerFlowState from, LayerFlowState to);

/* The one place where a flow's state changes. One that is closed is no longer kept, and its keys are gone: what is to
 * be said with them about its end is made before. */
void layer_flow_set_state(LayerFlow *flow, LayerFlowState state);

/* Where its packets go: the cube of its QoS, or best effort. */
static inline Cube layer_flow_cube(const LayerFlow *flow) {
        return flow->demoted ? CUBE_BEST_EFFORT : cube_from_qos(&flow->qos);
}

/* Compares in constant time. Returns whether the peer showed our token. */
bool layer_flow_token_matches(const LayerFlow *flow, const uint8_t token[CLOSE_TOKEN_BYTES]);

/* The peer said with which lock its reset token goes from now on. fits: this one is what it goes with. */
void layer_flow_set_lock(LayerFlow *flow, const uint8_t lock[FLOW_RESET_BYTES]);
bool layer_flow_reset_fits(const LayerFlow *flow, const uint8_t token[FLOW_RESET_BYTES]);
