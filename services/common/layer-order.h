/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Orders of operators that every layer takes in the same way, whatever its type: about its counters, and its
 * properties. */

#include "services/common/layer.h"

/* The packet size of LAYER_ORDER_SET_PROPERTIES that means: as the network below allows. */
#define LAYER_PACKET_MAX_AUTO UINT32_MAX

bool layer_order_is_common(LayerOrder order);

/* Returns: 0; < 0: nothing has changed; text is a sentence in any case. LAYER_ORDER_CAPTURE takes the descriptor. */
int layer_order_carry_out(const LayerOps *ops, void *userdata, Upper *upper, Capture *capture,
                          const LayerMessage *order, int *fd, char ret_text[LAYER_TEXT_BYTES_MAX]);
