/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The records of layer-restore.h. In the store there are no enums and no booleans: what is read there may be any
 * bytes. */

#include "basic/log.h"
#include "basic/random.h"
#include "services/common/daemon.h"
#include "services/common/layer-restore.h"
#include "services/common/message-id.h"

#define LAYER_STORE_FD_NAME "state"
#define LAYER_STORE_VERSION 3U

typedef struct KeptFlow {
        uint64_t flow_id;
        uint64_t attempt;
        uint64_t bandwidth_bps;
        uint32_t uid;
        uint32_t lane_class;
        uint32_t delay_ms;
        uint32_t availability_nines;
        uint32_t loss;
        uint32_t ber;
        uint32_t in_order;
        uint32_t max_gap_ms;
        uint32_t timeout_ms;
        uint32_t have_own;
        uint32_t have_peer;
        uint32_t size;
        uint32_t have_control;
        uint32_t confirmed;
        uint32_t have_lock;
        uint64_t sent;
        uint64_t received;
        uint8_t send[LAYER_CONTROL_KEY_BYTES];
        uint8_t receive[LAYER_CONTROL_KEY_BYTES];
        uint8_t lock[FLOW_RESET_BYTES];
        uint8_t own[CLOSE_TOKEN_BYTES];
        uint8_t peer[CLOSE_TOKEN_BYTES];
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
} KeptFlow;

typedef struct KeptBlock {
        uint32_t size;
        uint8_t bytes[LAYER_BLOCK_BYTES_MAX];
} KeptBlock;

typedef struct KeptTrial {
        uint64_t started;               /* CLOCK_MONOTONIC: when the last process began with this state */
        uint64_t n;                     /* how many in a row did so, each soon after the one before */
} KeptTrial;

typedef struct KeptKey {
        uint8_t key[FLOW_RESET_KEY_BYTES];
} KeptKey;

static const StateStoreFormat layer_store_format = {
        .name = "o7s-layer-state",
        .version = LAYER_STORE_VERSION,
        .n_kinds = _LAYER_KEPT_MAX,
        .kinds = {
                [LAYER_KEPT_FLOW] = { sizeof(KeptFlow), LAYER_KEPT_FLOWS_MAX },
                [LAYER_KEPT_BLOCK] = { sizeof(KeptBlock), 1 },
                [LAYER_KEPT_TRIAL] = { sizeof(KeptTrial), 1 },
                [LAYER_KEPT_KEY] = { sizeof(KeptKey), 1 },
        },
};

int layer_store_new(StateStore **ret) {
        return state_store_new(&layer_store_format, ret);
}

int layer_store_from_fd(int fd, StateStore **ret) {
        return state_store_open(&layer_store_format, fd, ret);
}

bool layer_store_begin(StateStore *store, usec_t now) {
        KeptTrial trial = {}, next = { .started = now, .n = 1 };
        bool has_trial = state_store_get(store, LAYER_KEPT_TRIAL, 0, &trial) > 0;

        if (has_trial && trial.started <= now && now - trial.started < LAYER_TRIAL_USEC)
                next.n = trial.n + 1;

        if (has_trial)
                state_store_update(store, LAYER_KEPT_TRIAL, 0, &next);
        else
                (void) state_store_put(store, LAYER_KEPT_TRIAL, &next);
        return next.n <= LAYER_TRIALS_MAX;
}

/* The key outlives state that is given up. Returns: 0; < 0: there is none that could be used. */
static int open_kept(Daemon *daemon, KeptKey *ret_key, bool *ret_have_key, StateStore **ret) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        int fd, r;

        fd = daemon_take_fd(daemon, LAYER_STORE_FD_NAME);
        if (fd < 0)
                return fd;

        r = layer_store_from_fd(fd, &store);
        if (r < 0)
                (void) log_with_errno(LOG_WARNING, r, LOG_FIELDS(MESSAGE_STATE_LOST),
                                      "The state of before cannot be used, starting anew: %m");
        else if (!layer_store_begin(store, time_now())) {
                log_with(LOG_ERR, LOG_FIELDS(MESSAGE_STATE_LOST),
                         "Processes that began with the state of before ended at once, %u in a "
                         "row: starting anew, without its flows.", LAYER_TRIALS_MAX);
                *ret_have_key = state_store_get(store, LAYER_KEPT_KEY, 0, ret_key) > 0;
                r = -ECANCELED;
        }
        if (r < 0) {
                (void) daemon_forget_fd(daemon, LAYER_STORE_FD_NAME);
                return r;
        }

        *ret = TAKE_PTR(store);
        return 0;
}

int layer_store_open(Daemon *daemon, StateStore **ret) {
        _cleanup_(state_store_freep) StateStore *store = NULL;
        bool have_key = false;
        KeptKey key = {};
        int r;

        if (open_kept(daemon, &key, &have_key, ret) >= 0)
                return 0;

        r = layer_store_new(&store);
        if (r >= 0 && have_key)
                (void) state_store_put(store, LAYER_KEPT_KEY, &key);
        explicit_bzero(&key, sizeof(key));
        if (r < 0)
                return r;

        r = daemon_store_fd(daemon, LAYER_STORE_FD_NAME, state_store_fd(store));
        if (r < 0)
                log_warning_errno(r, "The service manager cannot keep our state, flows will end with us: %m");

        *ret = TAKE_PTR(store);
        return 0;
}

/* -- flows -- */

static void kept_flow_wipe(KeptFlow *kept) {
        explicit_bzero(kept, sizeof(*kept));
}

static KeptFlow kept_flow(const LayerFlow *flow) {
        const o7s_qos *qos = &flow->qos;
        KeptFlow kept = {
                .flow_id = flow->key.flow_id,
                .attempt = flow->key.attempt,
                .bandwidth_bps = qos->bandwidth_bps,
                .uid = flow->uid,
                .lane_class = (uint32_t) flow->lane_class,
                .delay_ms = qos->delay_ms,
                .availability_nines = qos->availability_nines,
                .loss = qos->loss,
                .ber = qos->ber,
                .in_order = qos->in_order != 0,
                .max_gap_ms = qos->max_gap_ms,
                .timeout_ms = qos->timeout_ms,
                .have_own = flow->tokens.have_own,
                .have_peer = flow->tokens.have_peer,
                .have_control = flow->control.present,
                .confirmed = flow->control.confirmed,
                .have_lock = flow->have_lock,
                .sent = flow->control.sent,
                .received = flow->control.received,
        };

        memcpy(kept.send, flow->control.send, sizeof(kept.send));
        memcpy(kept.receive, flow->control.receive, sizeof(kept.receive));
        memcpy(kept.lock, flow->lock, sizeof(kept.lock));
        memcpy(kept.own, flow->tokens.own, sizeof(kept.own));
        memcpy(kept.peer, flow->tokens.peer, sizeof(kept.peer));
        return kept;
}

int layer_store_flow(StateStore *store, LayerFlow *flow, const uint8_t *bytes, size_t size) {
        _cleanup_(kept_flow_wipe) KeptFlow kept = {};

        assert(flow->state == LAYER_FLOW_ESTABLISHED);

        if (size > sizeof(kept.bytes))
                return -EMSGSIZE;

        kept = kept_flow(flow);

        if (size > 0)
                memcpy(kept.bytes, bytes, size);
        kept.size = (uint32_t) size;

        if (flow->store) {
                state_store_update(flow->store, LAYER_KEPT_FLOW, flow->store_slot, &kept);
                return 0;
        }

        flow->store_slot = state_store_put(store, LAYER_KEPT_FLOW, &kept);
        if (flow->store_slot == STATE_STORE_NO_SLOT)
                return -ENOSPC;

        flow->store = store;
        return 0;
}

/* Returns: 0; -EBADMSG: out of range. */
static int record_parse(const KeptFlow *kept, LayerFlowRecord *ret) {
        if (kept->flow_id == 0 || kept->attempt >= LAYER_ATTEMPTS_MAX || kept->lane_class >= _LANE_CLASS_MAX ||
            kept->availability_nines > UINT8_MAX || kept->in_order > 1 || kept->have_own > 1 || kept->have_peer > 1 ||
            kept->have_control > 1 || kept->confirmed > kept->have_control || kept->have_lock > 1 ||
            kept->size > LAYER_FLOW_BYTES_MAX)
                return -EBADMSG;

        *ret = (LayerFlowRecord) {
                .key = { .flow_id = kept->flow_id, .attempt = kept->attempt },
                .uid = kept->uid,
                .lane_class = (LaneClass) kept->lane_class,
                .qos = {
                        .delay_ms = kept->delay_ms,
                        .bandwidth_bps = kept->bandwidth_bps,
                        .availability_nines = (uint8_t) kept->availability_nines,
                        .loss = kept->loss,
                        .ber = kept->ber,
                        .in_order = (uint8_t) kept->in_order,
                        .max_gap_ms = kept->max_gap_ms,
                        .timeout_ms = kept->timeout_ms,
                },
                .tokens = { .have_own = kept->have_own == 1, .have_peer = kept->have_peer == 1 },
                .control = {
                        .present = kept->have_control == 1,
                        .confirmed = kept->confirmed == 1,
                        .sent = kept->sent,
                        .received = kept->received,
                },
                .have_lock = kept->have_lock == 1,
                .size = kept->size,
        };

        memcpy(ret->control.send, kept->send, sizeof(kept->send));
        memcpy(ret->control.receive, kept->receive, sizeof(kept->receive));
        memcpy(ret->lock, kept->lock, sizeof(kept->lock));
        memcpy(ret->tokens.own, kept->own, sizeof(kept->own));
        memcpy(ret->tokens.peer, kept->peer, sizeof(kept->peer));
        memcpy(ret->bytes, kept->bytes, kept->size);
        return 0;
}

int layer_store_next_flow(StateStore *store, uint32_t *position, LayerFlowRecord *ret, uint32_t *ret_slot) {
        while (*position < LAYER_KEPT_FLOWS_MAX) {
                uint32_t slot = (*position)++;
                _cleanup_(kept_flow_wipe) KeptFlow kept = {};

                if (state_store_get(store, LAYER_KEPT_FLOW, slot, &kept) == 0)
                        continue;

                if (record_parse(&kept, ret) < 0) {
                        state_store_remove(store, LAYER_KEPT_FLOW, slot);
                        continue;
                }

                *ret_slot = slot;
                return 1;
        }

        return 0;
}

void layer_flow_restore(LayerFlow *flow, const LayerFlowRecord *record, StateStore *store, uint32_t slot) {
        flow->uid = record->uid;
        flow->lane_class = record->lane_class;
        flow->qos = record->qos;
        flow->tokens = record->tokens;
        flow->control = record->control;
        flow->have_lock = record->have_lock;
        memcpy(flow->lock, record->lock, sizeof(flow->lock));
        flow->store = store;
        flow->store_slot = slot;
        layer_flow_set_state(flow, LAYER_FLOW_ANSWERED);
        layer_flow_set_state(flow, LAYER_FLOW_ESTABLISHED);
}

/* -- the layer's own bytes -- */

int layer_store_key(StateStore *store, uint8_t ret_key[FLOW_RESET_KEY_BYTES]) {
        KeptKey kept = {};
        int r = 0;

        if (state_store_get(store, LAYER_KEPT_KEY, 0, &kept) == 0) {
                r = random_bytes(kept.key, sizeof(kept.key));
                if (r >= 0)
                        (void) state_store_put(store, LAYER_KEPT_KEY, &kept);
        }

        if (r >= 0)
                memcpy(ret_key, kept.key, sizeof(kept.key));
        explicit_bzero(&kept, sizeof(kept));
        return r;
}

int layer_store_set_block(StateStore *store, const void *bytes, size_t size) {
        KeptBlock kept = { .size = (uint32_t) size };
        uint8_t before[LAYER_BLOCK_BYTES_MAX];

        if (size > sizeof(kept.bytes))
                return -EMSGSIZE;

        if (size > 0)
                memcpy(kept.bytes, bytes, size);
        if (layer_store_get_block(store, before) > 0)
                state_store_update(store, LAYER_KEPT_BLOCK, 0, &kept);
        else
                (void) state_store_put(store, LAYER_KEPT_BLOCK, &kept);
        return 0;
}

size_t layer_store_get_block(const StateStore *store, uint8_t ret_bytes[LAYER_BLOCK_BYTES_MAX]) {
        KeptBlock kept;

        if (state_store_get(store, LAYER_KEPT_BLOCK, 0, &kept) == 0 || kept.size > sizeof(kept.bytes))
                return 0;

        memcpy(ret_bytes, kept.bytes, kept.size);
        return kept.size;
}
