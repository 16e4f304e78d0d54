/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every IPCP shares: the connection to the IRM (layer-message.h), the layer's state in words, and the upper side
 * of its flows (upper.h). What a layer does by itself is behind LayerOps; all calls of it carry the time.
 *
 * The connection comes back by itself, at once, when the IRM was restarted: what is established goes on and is told
 * to the new IRM with RESUME, everything half made is forgotten on both sides (LayerOps.irm_lost).
 *
 * A process that is killed leaves its established flows in the state of layer-restore.h. The next one makes them
 * again and tells the IRM with REATTACH; until the application has attached again, a flow has no upper side and drops
 * what comes for it.
 */

#include "services/common/capture.h"
#include "services/common/daemon.h"
#include "services/common/flow-binding.h"
#include "services/common/layer-flow.h"
#include "services/common/layer-message.h"
#include "services/common/layer-restore.h"
#include "services/common/upper.h"

typedef struct LayerOps {
        /* Down, on the packet's walk; see upper.h. */
        upper_transmit_t transmit;

        /* Takes a burst of what came from the network and rings no bell. Returns whether there was any. NULL: all of it
         * rings. Called where the loop looks before it sleeps. */
        bool (*look)(void *userdata);

        /* How much of a flow is taken now; NULL: always all there is. Called before transmit. */
        upper_budget_t budget;

        /* What HELLO says: layer_type, hash_algorithm, mtu, oap_max. */
        void (*describe)(void *userdata, LayerMessage *hello);

        /* The names that are to be answered for. After welcome the IRM tells all of them anew. */
        void (*welcome)(void *userdata);
        int (*register_name)(void *userdata, const uint8_t *hash, size_t hash_size);
        void (*unregister_name)(void *userdata, const uint8_t *hash, size_t hash_size);

        /* Orders; answered by layer_query_done(), layer_reply(), layer_failed(), later or from within. */
        void (*query)(void *userdata, const LayerMessage *order, usec_t now);
        /* Takes the endpoint id that the flow will have, and finds out what both hosts will see of its request or
         * reply; answered by layer_prepared(), later or from within. NULL: a layer that binds nothing. */
        void (*prepare)(void *userdata, const LayerMessage *order, usec_t now);
        void (*request)(void *userdata, const LayerMessage *order, usec_t now);
        int (*accept)(void *userdata, const LayerMessage *order,
                      usec_t now); /* < 0: no flow, and the IRM is to be told */
        void (*refuse)(void *userdata, const LayerMessage *order, usec_t now);
        void (*abort)(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now);

        /* The application's end is there: from now on the flow carries data. Its keys are in the flow. */
        void (*established)(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now);

        /* The flow is over on our side; the peer is to be told. */
        void (*close)(void *userdata, LayerFlow *flow, usec_t now);

        /* All counters back to 0, those of flows aside. NULL: it has none. */
        void (*reset_statistics)(void *userdata);

        /* The largest packet of a flow from now on, as MaxPacketSize= of the file; 0: as the network below allows.
         * What comes of it is told by layer_set_packet_max(). NULL: it is fixed. */
        void (*want_packet_max)(void *userdata, uint32_t packet_max);

        /* Packets are to be shown to this, each by the interface that it is one of; NULL: nobody looks (any more). */
        void (*watch)(void *userdata, Capture *capture);
        const PcapngInterface *interfaces;
        unsigned n_interfaces;          /* 0: there is nothing to see */

        /* An operator's order about members, answered by layer_order_done(). NULL: a layer that takes none. */
        void (*order)(void *userdata, const LayerMessage *order, usec_t now);

        /* The IRM knows nothing of our neighbours: it is to be told all of them. May be NULL. */
        void (*tell_neighbours)(void *userdata, usec_t now);

        void (*irm_lost)(void *userdata, usec_t now);

        /* Flows that survive a kill of our process; both NULL: all of them end with it. Of an established flow: what
         * restore_flow() needs to know beside what is common. Returns: how many bytes; < 0: it cannot be kept. */
        ssize_t (*save_flow)(void *userdata, const LayerFlow *flow, uint8_t ret_bytes[LAYER_FLOW_BYTES_MAX]);

        /* What a process before us kept by layer_keep_block(), before its flows. Checked as little as these. Not
         * called where there is none; may be NULL. */
        void (*restore_block)(void *userdata, const uint8_t *bytes, size_t size, usec_t now);

        /* Makes that flow again, in the layer's table and with its endpoint id; what is common follows by itself, but
         * may be looked at. The bytes passed a checksum and are not to be trusted further. Returns: 0; < 0: it is
         * over. */
        int (*restore_flow)(void *userdata, const LayerFlowRecord *record, usec_t now, LayerFlow **ret);

        /* A layer below us (Over= of our file) is now in this state; NULL where there never is one. */
        void (*lower_changed)(void *userdata, const char *lower, LayerType type, LayerState state, const char *reason,
                              usec_t now);
} LayerOps;

typedef struct Layer Layer;

/* The outcome of prepare: of an attempt, or (reference not 0) of a request of another host. */
typedef struct LayerPrepared {
        uint64_t flow_id;
        uint32_t attempt;
        uint64_t reference;
        int32_t result;                 /* < 0: no flow */
        const FlowBinding *binding;     /* NULL: there is none */
        const uint8_t *lock; /* reference: of the token by which we can end the flow after we lost it
                                (flow-control.h); NULL: none */
} LayerPrepared;

/* flows belong to the implementation. */
int layer_new(Daemon *daemon, const char *name, const LayerOps *ops, void *userdata, LayerFlows *flows, Layer **ret);
Layer *layer_free(Layer *layer);
DEFINE_CLEANUP(Layer, layer_free);

/* Takes over the flows of a process before us that was killed, and what it kept by layer_keep_block(). Before
 * layer_start(), once the layer can make flows. Returns: 0; -ENOMEM and errors of mmap(). */
int layer_restore(Layer *layer);

/* The key of our reset tokens, FLOW_RESET_KEY_BYTES; after layer_restore(). */
const uint8_t *layer_reset_key(const Layer *layer);

/* What the layer has to say of an established flow to a process after us changed: it is kept before this returns.
 * Where that fails, and for a flow in any other state, nothing happens: it ends with our process. */
void layer_keep_flow(Layer *layer, LayerFlow *flow);

/* Bytes of the layer itself for a process after us; they replace those of before. size 0: nothing. Kept once this
 * returns, if layer_restore() was called before. Returns: 0; -EMSGSIZE: more than LAYER_BLOCK_BYTES_MAX. */
int layer_keep_block(Layer *layer, const void *bytes, size_t size);

/* Has the daemon's loop look for what the network and applications bring before it sleeps. */
void layer_look_before_sleep(Layer *layer);

/* Connects, or begins to try. */
int layer_start(Layer *layer);

/* State and its reason, one sentence: to the IRM, to STATUS=, to the log where the state or the reason is new. */
void layer_set_state(Layer *layer, LayerState state, const char *format, ...) _printf_(3, 4);
LayerState layer_state(const Layer *layer);
const char *layer_state_reason(const Layer *layer);
bool layer_is_connected(const Layer *layer);
Upper *layer_upper(Layer *layer);

/* The largest packet of a flow changed: buffers follow, then the IRM and the applications hear of it. 0: there is no
 * network. Returns: 0; -ENOMEM: all is as it was, and may be tried again. */
int layer_set_packet_max(Layer *layer, uint32_t packet_max);

/* Whether the network below takes packets at all: what applications are told. It does until this says otherwise. */
void layer_set_down(Layer *layer, bool down);

/* Our address in the layer, 0: we are no member (any more), and which layer it is (NULL: that is not known). Told to
 * the IRM where it is new. */
void layer_set_member(Layer *layer, uint64_t address, const uint8_t id[LAYER_ID_BYTES]);

/* -- what the implementation reports -- */

/* The end of an order; text is a sentence without a full stop. result <= 0. */
void layer_order_done(Layer *layer, uint64_t query_id, int32_t result, const char *text);

/* A neighbour is new, other than before, or (LAYER_NEIGHBOUR_DOWN) gone. lower and text may be "". */
void layer_neighbour(Layer *layer, const LayerNeighbour *neighbour, const char *name, const char *lower,
                     const char *text);

void layer_prepared(Layer *layer, const LayerPrepared *prepared);

/* Result 0 makes our lane and hands it to the IRM. binding: as the reply came; may be NULL. Returns: 0; < 0: no lane,
 * and the IRM knows. */
int layer_reply(Layer *layer, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                const FlowBinding *binding);
void layer_failed(Layer *layer, uint64_t flow_id, uint32_t attempt, int32_t result);
void layer_incoming(Layer *layer, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                    const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer);
void layer_incoming_gone(Layer *layer, uint64_t reference);
void layer_query_done(Layer *layer, uint64_t query_id, int32_t result);

/* The flow ended by itself: the application and the IRM hear of it. */
void layer_down(Layer *layer, LayerFlow *flow, CloseReason reason);
