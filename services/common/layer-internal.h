/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The object behind layer.h, and what its files call of each other:
 *
 *   layer.c            the object, its state in words, what was before it
 *   layer-report.c     what goes to the IRM
 *   layer-dispatch.c   what comes from the IRM
 */

#include "services/common/layer-irm.h"
#include "services/common/layer.h"

struct Layer {
        Daemon *daemon;                 /* not owned */
        char *name;
        const LayerOps *ops;
        void *userdata;
        LayerFlows *flows;              /* not owned */
        LayerIrm irm;
        Upper upper;
        LayerState state;
        char *reason;
        uint32_t mtu;
        uint64_t address;               /* of the member; 0: none */
        bool have_id;
        uint8_t id[LAYER_ID_BYTES];     /* see LayerConfig; 0 where there is none */
        StateStore *store;              /* for the next process; NULL: nothing is kept */
        uint8_t reset_key[FLOW_RESET_KEY_BYTES];
        Capture *capture;               /* NULL: a layer whose packets cannot be shown */
};

/* layer-report.c */
void layer_send(Layer *layer, const LayerMessage *message);
void layer_send_hello(Layer *layer);
void layer_send_state(Layer *layer);
void layer_send_down(Layer *layer, uint64_t flow_id, CloseReason reason);

/* What the IRM is to know of an established flow: that it goes on, or that it waits for its application. */
void layer_send_flow(Layer *layer, LayerFlow *flow);

/* layer-dispatch.c */
void layer_dispatch(Layer *layer, const LayerMessage *message, int fds[LAYER_FDS_MAX], usec_t now);
