/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which state of a layer may follow which. The table is for what an IPCP reports and for what systemd says of its unit:
 * a layer comes up only through STARTING, so that nobody sees it online without having seen it start, and leaves
 * for FAILED, STARTING (restarted) or CREATED (gone) from anywhere, because processes die in every state.
 */

#include "services/common/layer-state.h"

static const char *const layer_state_table[_LAYER_STATE_MAX] = {
        [LAYER_CREATED] = "created",
        [LAYER_STARTING] = "starting",
        [LAYER_BOOTSTRAPPING] = "bootstrapping",
        [LAYER_ENROLLING] = "enrolling",
        [LAYER_ONLINE] = "online",
        [LAYER_DEGRADED] = "degraded",
        [LAYER_STOPPING] = "stopping",
        [LAYER_FAILED] = "failed",
};

DEFINE_ENUM_NAMES(layer_state, LayerState);

#define BIT(state) (1U << (state))
#define ENDS (BIT(LAYER_STOPPING) | BIT(LAYER_FAILED) | BIT(LAYER_STARTING) | BIT(LAYER_CREATED))

static const uint16_t layer_state_next[_LAYER_STATE_MAX] = {
        [LAYER_CREATED] = BIT(LAYER_STARTING) | BIT(LAYER_FAILED),
        [LAYER_STARTING] = BIT(LAYER_BOOTSTRAPPING) | BIT(LAYER_ENROLLING) | BIT(LAYER_ONLINE) |
                           BIT(LAYER_DEGRADED) | ENDS,
        [LAYER_BOOTSTRAPPING] = BIT(LAYER_ONLINE) | BIT(LAYER_DEGRADED) | ENDS,
        [LAYER_ENROLLING] = BIT(LAYER_ONLINE) | BIT(LAYER_DEGRADED) | ENDS,
        [LAYER_ONLINE] = BIT(LAYER_DEGRADED) | BIT(LAYER_ENROLLING) | ENDS,
        [LAYER_DEGRADED] = BIT(LAYER_ONLINE) | BIT(LAYER_ENROLLING) | ENDS,
        [LAYER_STOPPING] = BIT(LAYER_CREATED) | BIT(LAYER_FAILED) | BIT(LAYER_STARTING),
        [LAYER_FAILED] = BIT(LAYER_STARTING) | BIT(LAYER_CREATED),
};

bool layer_state_may_follow(LayerState from, LayerState to) {
        if ((int) from < 0 || from >= _LAYER_STATE_MAX || (int) to < 0 || to >= _LAYER_STATE_MAX)
                return false;

        return from == to || layer_state_next[from] & BIT(to);
}
