/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The far side of a flow through a layer that the test plays: what the other host's IRM says, and what the layer then
 * has of the flow.
 */

#include "libo7s/doorbell.h"
#include "libo7s/lane.h"
#include "tests/unit/irm/irm-fixture.h"

#define LAYER_END_DELAY_MS 100U         /* that the layer grants */

/* The layer's side of an established flow: its own lane, and what came with ESTABLISHED. */
typedef struct LayerEnd {
        Lane *lane;
        int fds[LAYER_FDS_MAX];
} LayerEnd;

/* Says yes to a request, as the other host's IRM would, and what the layer does for the flow. */
void layer_end_answer(int layer, const LayerMessage *request, const uint8_t token[CLOSE_TOKEN_BYTES], LayerEnd *end);

/* A listener has accepted: what the layer then does, to the end. */
void layer_end_confirm(int layer, const LayerMessage *accept, LayerEnd *end);
void layer_end_close(LayerEnd *end);
