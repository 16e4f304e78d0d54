/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keepalives and peer death of one flow (docs/WIRE.md): with the QoS timeout T, an empty packet goes out after T/4 in
 * which nothing was sent, and the peer counts as dead after T in which nothing at all arrived. T = 0 disables both.
 * The packet's walk only stores two times.
 *
 * What arrives is data of the application, or nothing; the layer cannot tell it from what somebody on the way made up,
 * who so could keep a flow for ever whose peer is gone. A peer that has control keys (flow-control.h) can say
 * something that nobody makes up: it is asked to after half of T + LIVENESS_UNPROVEN_USEC without it, and dead after
 * all of that. What is not proven lets a peer live longer by that time, and no more.
 */

#include "basic/time.h"

/* So long that a question, repeated, and its answer get through where half of all messages are lost. */
#define LIVENESS_UNPROVEN_USEC (30 * USEC_PER_SEC)

typedef struct Liveness {
        usec_t timeout_usec;            /* 0: neither keepalives nor death */
        usec_t sent;                    /* when we last sent anything */
        usec_t heard;                   /* when anything last arrived */
        bool proves;                    /* the peer has control keys */
        usec_t proven;                  /* when it last proved that it is there */
        usec_t ask;                     /* when it is to be asked to */
} Liveness;

typedef enum LivenessEvent {
        LIVENESS_NOTHING,
        LIVENESS_SEND,             /* send an empty packet and call liveness_sent() */
        LIVENESS_ASK,              /* ask for a proof, as often as it takes, and call liveness_asked() */
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

/* Half of the time for a proof. */
static inline usec_t liveness_ask_usec(const Liveness *l) {
        return (l->timeout_usec + LIVENESS_UNPROVEN_USEC) / 2;
}

static inline void liveness_asked(Liveness *l, usec_t now) {
        l->ask = usec_add(now, liveness_ask_usec(l));
}

/* The peer has control keys, and has proved that it is there (which counts as heard), or just come to be. */
static inline void liveness_proven(Liveness *l, usec_t now) {
        l->proves = true;
        l->heard = l->proven = now;
        liveness_asked(l, now);
}

/* What is due at now. */
LivenessEvent liveness_expire(const Liveness *l, usec_t now);

/* When to ask again at the latest; never earlier than needed. */
usec_t liveness_next(const Liveness *l);
