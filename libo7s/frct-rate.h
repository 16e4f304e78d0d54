/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How fast a path delivers. Each packet remembers how much had been delivered when it was sent; when it is
 * acknowledged, what was delivered since, over the time that this took (or that it took to send, if that was longer),
 * is a sample of the rate. A sample of a flow that had nothing more to send is marked as such: the path may be
 * faster. Pure; bytes and ns.
 */

#include "basic/time.h"

/* What a packet carries from its transmission to its acknowledgement. */
typedef struct FrctFlight {
        uint64_t delivered;             /* when it was sent: bytes delivered so far, and when the last of them was */
        nsec_t delivered_at;
        nsec_t first_sent_at;           /* of the flight that it belongs to */
        nsec_t sent_at;
        size_t in_flight;               /* with this packet */
        bool application_limited;
} FrctFlight;

typedef struct FrctRateSample {
        uint64_t rate;                  /* bytes per second; 0: none could be taken */
        uint64_t delivered;             /* between the newest packet's transmission and now */
        uint64_t prior_delivered;       /* when the newest packet was sent */
        size_t acknowledged;            /* newly, in bytes and in packets */
        unsigned n_acknowledged;
        size_t lost;                    /* newly */
        unsigned n_lost;
        size_t in_flight;               /* when the newest packet was sent, or one of the lost if that is all there
                                         * is */
        bool application_limited;
} FrctRateSample;

typedef struct FrctRate {
        uint64_t delivered;             /* all that was acknowledged so far */
        nsec_t delivered_at;
        nsec_t first_sent_at;
        uint64_t limited_until;         /* until so much is delivered, samples are limited by the application; 0: not */
        FrctRateSample sample;          /* of what came since frct_rate_take() */
        nsec_t send_elapsed, delivery_elapsed;
} FrctRate;

void frct_rate_init(FrctRate *r, nsec_t now);

/* in_flight: without this packet. */
void frct_rate_sent(FrctRate *r, size_t size, size_t in_flight, nsec_t now, FrctFlight *ret);
void frct_rate_application_limited(FrctRate *r, size_t in_flight);

void frct_rate_acknowledged(FrctRate *r, size_t size, const FrctFlight *flight, nsec_t now);
void frct_rate_lost(FrctRate *r, size_t size, const FrctFlight *flight);

/* The sample of everything since the last call. floor: the round trip; rates over less time are mere chance. */
void frct_rate_take(FrctRate *r, nsec_t floor, FrctRateSample *ret);
