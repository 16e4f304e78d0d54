/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The pace of a lossy flow. Its receiver acknowledges nothing, so there is no model of the path as frct-congestion.h
 * has one, and no way to learn what the path takes: what is lost nobody reports, and what a mark says is too little.
 * What is known is what the application asked for. So this does not hold a flow to a rate, it takes the edge off what
 * is written at once, a picture of many packets, say: that leaves evenly within the spread, a small part of the delay
 * that was asked for, and faster where the rate that was asked for is more than that.
 *
 *      written    ||||||||||||||||||
 *      sent       |||||||| | | | | | | | | |        eight at once, the others within the spread
 *                 │◄───── spread ─────►│
 *
 * Nobody who writes packet by packet waits: eight are free, and come back at twice the rate of the flow itself in the
 * last quarter of a second, and at one per spread at least. A flow that asked for neither delay nor bandwidth is not
 * paced: there is nothing to say how much later its packets may be. Pure; bytes and ns.
 */

#include "basic/time.h"

typedef struct FrctPacer {
        nsec_t spread;                  /* 0: there is no pace */
        uint64_t asked;                 /* bytes per second */
        uint64_t needed;                /* to send in time what waits; stays until nothing does */
        uint64_t recent;                /* what the flow had, in the span before this one */
        nsec_t span_at;
        uint64_t span_bytes;
        nsec_t paid;                    /* for all that was sent up to here */
} FrctPacer;

void frct_pacer_init(FrctPacer *p, nsec_t spread, uint64_t asked, nsec_t now);

/* When the next packet may leave. */
nsec_t frct_pacer_at(const FrctPacer *p, nsec_t now);

/* One left; waiting: bytes that wait still. */
void frct_pacer_sent(FrctPacer *p, size_t size, size_t waiting, nsec_t now);
