/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The states of a layer, as the bus, STATUS= and o7sctl show them. */

#include "basic/enum.h"

typedef enum LayerState {
        LAYER_CREATED,          /* a file or CreateLayer made it known; no IPCP runs */
        LAYER_STARTING,
        LAYER_BOOTSTRAPPING,
        LAYER_ENROLLING,
        LAYER_ONLINE,
        LAYER_DEGRADED,         /* serves, but something is missing: the reason says what */
        LAYER_STOPPING,
        LAYER_FAILED,
        _LAYER_STATE_MAX,
        _LAYER_STATE_INVALID = -EINVAL,
} LayerState;

DECLARE_ENUM_NAMES(layer_state, LayerState);

/* Whether the table of legal moves has this one. Equal states are legal (the reason changes). */
bool layer_state_may_follow(LayerState from, LayerState to);
