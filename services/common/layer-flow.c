/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "basic/log.h"
#include "services/common/layer-restore.h"

static const char *const layer_flow_state_table[_LAYER_FLOW_STATE_MAX] = {
        [LAYER_FLOW_STARTING] = "starting",
        [LAYER_FLOW_REQUESTED] = "requested",
        [LAYER_FLOW_ABANDONED] = "abandoned",
        [LAYER_FLOW_ANSWERED] = "answered",
        [LAYER_FLOW_ESTABLISHED] = "established",
        [LAYER_FLOW_CLOSED] = "closed",
};

DEFINE_ENUM_NAMES(layer_flow_state, LayerFlowState);

static const uint8_t flow_next[_LAYER_FLOW_STATE_MAX] = {
        [LAYER_FLOW_STARTING]    = 1U << LAYER_FLOW_REQUESTED | 1U << LAYER_FLOW_ANSWERED | 1U << LAYER_FLOW_CLOSED,
        [LAYER_FLOW_REQUESTED]   = 1U << LAYER_FLOW_ANSWERED | 1U << LAYER_FLOW_ABANDONED | 1U << LAYER_FLOW_CLOSED,
        [LAYER_FLOW_ABANDONED]   = 1U << LAYER_FLOW_CLOSED,
        [LAYER_FLOW_ANSWERED]    = 1U << LAYER_FLOW_ESTABLISHED | 1U << LAYER_FLOW_CLOSED,
        [LAYER_FLOW_ESTABLISHED] = 1U << LAYER_FLOW_CLOSED,
        [LAYER_FLOW_CLOSED]      = 0,
};

int layer_flows_init(LayerFlows *flows) {
        *flows = (LayerFlows) {};
        list_init(&flows->all);
        return map_new(&flows->by_key);
}

void layer_flows_done(LayerFlows *flows) {
        if (!flows->by_key)
                return;

        assert(list_is_empty(&flows->all));
        flows->by_key = map_free(flows->by_key);
}

int layer_flows_add(LayerFlows *flows, LayerFlow *flow, uint64_t flow_id, uint32_t attempt) {
        LayerFlow *old = layer_flows_get(flows, flow_id, attempt);
        int r;

        if (old && old->state == LAYER_FLOW_CLOSED)
                layer_flows_remove(flows, old);

        flow->key = (LayerFlowKey) { .flow_id = flow_id, .attempt = attempt };
        flow->state = LAYER_FLOW_STARTING;
        list_init(&flow->by_table);

        r = map_put(flows->by_key, &flow->key, sizeof(flow->key), flow);
        if (r < 0)
                return r;

        list_append(&flows->all, &flow->by_table);
        return 0;
}

void layer_flows_remove(LayerFlows *flows, LayerFlow *flow) {
        if (!flow->by_table.next || !list_is_linked(&flow->by_table))
                return;

        (void) map_remove(flows->by_key, &flow->key, sizeof(flow->key));
        list_unlink(&flow->by_table);
}

LayerFlow *layer_flows_get(const LayerFlows *flows, uint64_t flow_id, uint32_t attempt) {
        const LayerFlowKey key = { .flow_id = flow_id, .attempt = attempt };

        return map_get(flows->by_key, &key, sizeof(key));
}

LayerFlow *layer_flows_get_established(const LayerFlows *flows, uint64_t flow_id) {
        for (uint32_t attempt = 0; attempt < LAYER_ATTEMPTS_MAX; attempt++) {
                LayerFlow *flow = layer_flows_get(flows, flow_id, attempt);

                if (flow && flow->state == LAYER_FLOW_ESTABLISHED)
                        return flow;
        }

        return NULL;
}

bool layer_flow_state_may_follow(LayerFlowState from, LayerFlowState to) {
        return flow_next[from] & 1U << to;
}

void layer_flow_set_state(LayerFlow *flow, LayerFlowState state) {
        assert(layer_flow_state_may_follow(flow->state, state));        /* a bug of ours, never the peer's */

        log_debug("Flow %" PRIu64 ".%" PRIu64 ": %s → %s", flow->key.flow_id, flow->key.attempt,
                  layer_flow_state_to_string(flow->state), layer_flow_state_to_string(state));
        flow->state = state;

        if (state != LAYER_FLOW_CLOSED)
                return;

        flow_control_wipe(&flow->control);
        state_store_remove(TAKE_PTR(flow->store), LAYER_KEPT_FLOW, flow->store_slot);
}

bool layer_flow_token_matches(const LayerFlow *flow, const uint8_t token[CLOSE_TOKEN_BYTES]) {
        bool equal = flow_control_equal(flow->tokens.own, token, CLOSE_TOKEN_BYTES);

        return flow->tokens.have_own && equal;
}

void layer_flow_set_lock(LayerFlow *flow, const uint8_t lock[FLOW_RESET_BYTES]) {
        flow->have_lock = true;
        memcpy(flow->lock, lock, sizeof(flow->lock));
}

bool layer_flow_reset_fits(const LayerFlow *flow, const uint8_t token[FLOW_RESET_BYTES]) {
        return flow->have_lock && flow_reset_fits(flow->lock, token);
}
