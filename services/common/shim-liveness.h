/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keepalives and peer death of one flow (docs/WIRE.md): with the QoS timeout T, an empty packet goes out after T/4 in
 * which nothing was sent, and the peer counts as dead after T in which nothing at all arrived. T = 0 disables both.
 * The packet's walk only stores two times.
 */

#include "basic/time.h"

typedef struct ShimLiveness {
        usec_t timeout_usec;            /* 0: neither keepalives nor death */
        usec_t sent;                    /* when we last sent anything */
        usec_t heard;                   /* when anything last arrived */
} ShimLiveness;

typedef enum ShimLivenessEvent {
        SHIM_LIVENESS_NOTHING,
        SHIM_LIVENESS_SEND,             /* send an empty packet and call shim_liveness_sent() */
        SHIM_LIVENESS_DEAD,
} ShimLivenessEvent;

static inline void shim_liveness_init(ShimLiveness *l, uint32_t timeout_ms, usec_t now) {
        *l = (ShimLiveness) {
                .timeout_usec = timeout_ms * USEC_PER_MSEC,
                .sent = now,
                .heard = now,
        };
}

static inline void shim_liveness_sent(ShimLiveness *l, usec_t now) {
        l->sent = now;
}

static inline void shim_liveness_heard(ShimLiveness *l, usec_t now) {
        l->heard = now;
}

/* What is due at now. */
ShimLivenessEvent shim_liveness_expire(const ShimLiveness *l, usec_t now);

/* When to ask again at the latest; never earlier than needed. */
usec_t shim_liveness_next(const ShimLiveness *l);
