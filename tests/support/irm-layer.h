/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A layer that is killed and comes back, as irm-thread plays it for flows to "layered": the IRM's thread brings it the
 * doorbells and lanes of applications, the test plays the layer's process with the channels that come of it. One flow.
 */

#include "libo7s/channel.h"
#include "libo7s/irm-message.h"

typedef enum IrmLayerMode {
        IRM_LAYER_PRESENT,      /* what asks is attached at once */
        IRM_LAYER_AWAY,         /* what asks waits */
        IRM_LAYER_GONE,         /* what waits is told that it is over; what asks next is refused */
        IRM_LAYER_HOSTILE,      /* the layer's lane is none */
        IRM_LAYER_FORGETFUL,    /* the doorbell hangs up, as that of an IRM that died; the next one is PRESENT */
} IrmLayerMode;

typedef struct IrmLayer IrmLayer;

int irm_layer_new(IrmLayer **ret);
IrmLayer *irm_layer_free(IrmLayer *layer);
DEFINE_CLEANUP(IrmLayer, irm_layer_free);

/* -- for the IRM's thread -- */

/* A flow is asked for, or asked for again. *ret_doorbell: the application's end. Returns: 0; -ESTALE: it is over. */
int irm_layer_ask(IrmLayer *layer, LaneClass class, uint64_t flow_id, int *ret_doorbell);

/* A lane. Returns whether it is that flow's; then it is taken. */
bool irm_layer_take_lane(IrmLayer *layer, uint64_t flow_id, int fd);

/* -- for the test -- */

/* What it says of flows that are attached from now on; name, layer and peer are its own. At first: raw. */
void irm_layer_set_info(IrmLayer *layer, const IrmFlowInfo *info);

/* Flows that are attached for the first time from now on are protected. When they are attached again they are not
 * told once more. */
void irm_layer_set_keys(IrmLayer *layer, const SealKeys *keys);

void irm_layer_set(IrmLayer *layer, IrmLayerMode mode);

/* The layer's end of the flow, once it is attached; the caller's. Channel_free() is a kill, channel_close() before it
 * an orderly end. Waits for up to two seconds, then: NULL. */
Channel *irm_layer_take_channel(IrmLayer *layer);
