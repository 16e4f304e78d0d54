/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an IPCP knows in its next life: its established flows, one block of bytes of the layer itself, and the key of
 * its reset tokens. All are in a memfd that the service manager keeps (state-store.h), written before anybody is told
 * of what they are about. An orderly end closes all flows, and leaves nothing but the key.
 *
 * Of a flow: what is common, and up to LAYER_FLOW_BYTES_MAX bytes that mean something to the layer alone (endpoint
 * ids, the peer's address). What is read back was checked for range here; the layer checks its own bytes. State that
 * makes its process end all the same would do so for ever: after LAYER_TRIALS_MAX quick ends in a row it is given up,
 * with its flows.
 */

#include "basic/time.h"
#include "services/common/layer-flow.h"

#define LAYER_FLOW_BYTES_MAX 128U
#define LAYER_BLOCK_BYTES_MAX 4096U
#define LAYER_TRIALS_MAX 3U
#define LAYER_TRIAL_USEC USEC_PER_SEC   /* who lived longer did not end because of what was kept */
#define LAYER_KEPT_FLOWS_MAX 65536U     /* further ones end with the process */

typedef struct Daemon Daemon;

/* Kinds of the store. */
enum {
        LAYER_KEPT_FLOW,
        LAYER_KEPT_BLOCK,
        LAYER_KEPT_TRIAL,
        LAYER_KEPT_KEY,
        _LAYER_KEPT_MAX,
};

/* A flow of before. */
typedef struct LayerFlowRecord {
        LayerFlowKey key;
        uint32_t uid;
        LaneClass lane_class;
        o7s_qos qos;
        CloseTokens tokens;
        FlowControl control;
        bool have_lock;
        uint8_t lock[FLOW_RESET_BYTES];
        size_t size;
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
} LayerFlowRecord;

/* What the service manager kept of the last process, or a new and empty store, which it will keep. Returns: 0; -ENOMEM,
 * -EMFILE and errors of mmap(). */
int layer_store_open(Daemon *daemon, StateStore **ret);

/* The same for a descriptor; taken, also on failure. -EBADMSG: not a store of this version. */
int layer_store_from_fd(int fd, StateStore **ret);
int layer_store_new(StateStore **ret);

/* Another process begins with this state. Returns: whether it may be used; false: too many before us ended at once. */
bool layer_store_begin(StateStore *store, usec_t now);

/* Keeps an established flow until it is closed (layer_flow_set_state()); one that is kept already is written anew.
 * Returns: 0; -ENOSPC: too many; -EMSGSIZE. */
int layer_store_flow(StateStore *store, LayerFlow *flow, const uint8_t *bytes, size_t size);

/* The flows that are there, slot after slot, from *position (0 at first) on. Those that make no sense are removed.
 * Returns: 1: *ret is the one in slot *ret_slot; 0: that was all. */
int layer_store_next_flow(StateStore *store, uint32_t *position, LayerFlowRecord *ret, uint32_t *ret_slot);

/* Makes a flow of before, which the layer has entered into its table, established again: in every respect but that the
 * application is not attached. */
void layer_flow_restore(LayerFlow *flow, const LayerFlowRecord *record, StateStore *store, uint32_t slot);

/* The key of reset tokens: of before, or a new one, which is then kept. A host that had to give up its state has it
 * still: it is for flows that were lost that it is there. Returns: 0; an error of getrandom(). */
int layer_store_key(StateStore *store, uint8_t ret_key[FLOW_RESET_KEY_BYTES]);

/* Keeps the bytes of the layer; they replace those of before. Returns: 0; -EMSGSIZE. */
int layer_store_set_block(StateStore *store, const void *bytes, size_t size);

/* Returns: how many there are; 0: none. */
size_t layer_store_get_block(const StateStore *store, uint8_t ret_bytes[LAYER_BLOCK_BYTES_MAX]);
