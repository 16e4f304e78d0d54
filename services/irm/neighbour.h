/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Neighbours of a layer's member on this host, as its IPCP tells them: kept here, so that whoever asks on the bus gets
 * an answer without waiting for a layer that is busy.
 */

#include "services/irm/layer.h"

#define LAYER_NEIGHBOURS_MAX 4096U      /* what a member may tell of one layer */

typedef struct NeighbourRow {
        Layer *layer;                   /* not owned */
        ListNode by_layer;              /* Layer.neighbours */
        LayerNeighbour is;
        char *name;                     /* all three owned, never NULL */
        char *lower;
        char *reason;
} NeighbourRow;

/* LAYER_NEIGHBOUR. Announces what changed. Returns: 0; -E2BIG: too many; -ENOMEM. */
int neighbour_reported(Layer *l, const LayerMessage *message);

/* Nobody knows of them any more; reason (NULL: say nothing) is what is announced. */
void neighbours_forget(Layer *l, const char *reason);

/* "mgmt dt" */
const char *neighbour_components_to_string(uint32_t components);
