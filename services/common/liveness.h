/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keepalives and peer death of one flow (docs/WIRE.md): with the QoS timeout T, an empty packet goes out after T/4 in
 * which nothing was sent, and the peer counts as dead after T in which nothing at all arrived. T = 0 disables both.
 * The packet's walk only stores two times.
 */

#include "basic/time.h"

typedef struct Liveness {
        usec_t timeout_usec;            /* 0: neither keepalives nor death */
        usec_t sent;                    /* when we last sent anything */
        usec_t heard;                   /* when anything last arrived */
} Liveness;

typedef enum LivenessEvent {
        LIVENESS_NOTHING,
        LIVENESS_SEND,             /* send an empty packet and call liveness_sent() */
        LIVENESS_DEAD,
} LivenessEvent;

static inline void liveness_init(Liveness *l, uint32_t timeout_ms, usec_t now) {
        *l = (Liveness) {
                .timeout_usec = timeout_ms * USEC_PER_MSEC,
                .sent = now,
                .heard = now,
        };
}

static inline void liveness_sent(Liveness *l, usec_t now) {
        l->sent = now;
}

static inline void liveness_heard(Liveness *l, usec_t now) {
        l->heard = now;
}

/* What is due at now. */
LivenessEvent liveness_expire(const Liveness *l, usec_t now);

/* When to ask again at the latest; never earlier than needed. */
usec_t liveness_next(const Liveness *l);
