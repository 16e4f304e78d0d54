/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What asking a layer for a flow (connect-request.c) and hearing its answer (connect-answer.c) have in common. */

#include "services/irm/flow.h"

static inline uint32_t attempt_number(const Attempt *a) {
        return (uint32_t) (a - a->handshake->attempts);
}

LayerMessage attempt_message(const Flow *f, LayerMessageType type, const Attempt *a);

/* Of a flow of this layer that waits for it; NULL: it is an answer to what was aborted meanwhile. */
Attempt *attempt_find(Flow *f, const Layer *l, uint32_t number);

/* The layer forgets the attempts, all but the one that won; UINT32_MAX: none did. */
void attempts_abort(Flow *f, uint32_t keep);

/* The turn of the current layer is over. */
void attempt_give_up_layer(Flow *f, int error, const char *text);

/* To the journal: who was refused (peer; "": nobody has answered), and why. The same, and the layer's turn is over. */
void attempt_report(const Flow *f, const char *peer, int error, const char *text);
void attempt_refuse(Flow *f, const char *peer, int error, const char *text);
