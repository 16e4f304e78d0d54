/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow between the two hosts of a pair, through a layer that can change what it carries: what is at either end when
 * all is said.
 */

#include "tests/unit/irm/host-pair.h"

/* What the layer does to what it carries. */
typedef enum Tamper {
        HONEST,
        REQUEST_BINDING,        /* another endpoint id than the one that was said */
        REPLY_BINDING,
        REQUEST_BYTE,
        REPLY_BYTE,
        STRIP_REQUEST,          /* without key exchange and extension, as from an old host */
        STRIP_REPLY,
} Tamper;

typedef struct Outcome {
        int result;
        bool offered;
        unsigned n_attempts;
        int refusal;            /* what the asked host says to the other one; 0: nothing */
        IrmMessage asking;
        IrmMessage asked;
        LayerControl asking_control;
        LayerControl asked_control;
        uint8_t reset[LAYER_RESET_BYTES];
} FlowOutcome;

/* Where the asked host says nothing the asking side gives up after a while, as toward a name that is not there. */
void pair_flow_run(HostPair *pair, Tamper tamper, FlowOutcome *ret);
