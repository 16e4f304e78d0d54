/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What every layer does alike with an attempt of a flow: how long each of its stages may last, what becomes of the
 * request that the IRM orders, and how often its end is told.
 */

#include "basic/time.h"
#include "services/common/layer-message.h"

#define FLOW_PREPARED_KEEP_USEC (30 * USEC_PER_SEC)     /* the IRM needs milliseconds */
#define FLOW_REQUEST_KEEP_USEC (60 * USEC_PER_SEC)      /* the IRM gives up long before */
#define FLOW_ABANDONED_KEEP_USEC (25 * USEC_PER_SEC)    /* longer than an acceptor keeps a request */
#define FLOW_ANSWERED_KEEP_USEC (30 * USEC_PER_SEC)     /* the IRM needs milliseconds */
#define FLOW_CLOSED_KEEP_USEC (120 * USEC_PER_SEC)      /* a peer that missed the close says something every 30 s */

/* A close may be lost: it is sent three times, and again in answer to data, at most once in this time. */
#define FLOW_CLOSE_REPEATS 2U
#define FLOW_CLOSE_REPEAT_USEC (150 * USEC_PER_MSEC)
#define FLOW_CLOSE_SPACING_USEC 100U    /* between the repetitions of many: a program with thousands of flows may end */
#define FLOW_CLOSE_ANSWER_USEC USEC_PER_SEC

/* How far an attempt in state starting has come. */
typedef enum FlowStage {
        FLOW_STAGE_ORDERED,             /* its request goes out as soon as its name is found */
        FLOW_STAGE_PREPARING,           /* its name is being found, and then the IRM is told */
        FLOW_STAGE_PREPARED,            /* the IRM knows, and is to say what to send */
} FlowStage;

/* What the IRM wants to be sent, while the way there is looked for. */
typedef struct FlowRequest {
        uint8_t *oap;                   /* owned; NULL: none, or sent */
        size_t oap_size;
} FlowRequest;

/* Returns: 0; -ENOMEM. */
int flow_request_take(FlowRequest *request, const LayerMessage *order);
void flow_request_done(FlowRequest *request);

/* A peer's negative response, for the IRM: what else a peer says must not pass for an error of this host. */
int32_t flow_refusal(int32_t response);

/* Until a close is repeated first, where so many flows have yet to say theirs for the last time: the closes of many at
 * once overrun the peer, so their repetitions come one by one. */
static inline usec_t flow_close_repeat_usec(unsigned n_closing) {
        return FLOW_CLOSE_REPEAT_USEC + (usec_t) n_closing * FLOW_CLOSE_SPACING_USEC;
}
