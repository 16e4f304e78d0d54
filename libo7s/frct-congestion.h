/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How fast and how much at once: a model of the path made of its delivery rate (windowed maximum) and its round-trip
 * floor (windowed minimum), as BBR has it: start-up doubles the rate until it no longer grows, drains the queue that
 * this made, then cycles around the estimate, and now and then lets the queue run empty to see the floor. Congestion
 * marks of the layer and loss above a few percent bound the data in flight (as BBR v2 and v3 do), so that flows that
 * share a bottleneck converge. Pure; sizes in bytes on the wire, times in ns.
 *
 * Each segment carries a FrctFlight from its transmission to its acknowledgement: rate samples are made of it
 * (frct-rate.h).
 */

#include "libo7s/frct-rate.h"

typedef struct FrctCongestion FrctCongestion;

/* Returns: 0; -ENOMEM. */
int frct_congestion_new(size_t packet_max, nsec_t now, FrctCongestion **ret);
FrctCongestion *frct_congestion_free(FrctCongestion *c);
DEFINE_CLEANUP(FrctCongestion, frct_congestion_free);

void frct_congestion_set_packet_max(FrctCongestion *c, size_t packet_max);

/* May a packet be sent now, with these bytes in flight? *ret_at: by pace: when (<= now: now). Returns false where the
 * window is full. */
bool frct_congestion_may_send(const FrctCongestion *c, size_t in_flight, nsec_t now, nsec_t *ret_at);

/* A packet leaves; in_flight without it. Fills the segment's flight. */
void frct_congestion_sent(FrctCongestion *c, size_t size, size_t in_flight, nsec_t now, FrctFlight *ret);
/* It did not leave after all. */
void frct_congestion_unsent(FrctCongestion *c, size_t size, const FrctFlight *flight);
/* There was nothing more to send: samples of what is in flight say little. */
void frct_congestion_application_limited(FrctCongestion *c, size_t in_flight);

/* One acknowledgement: first each newly acknowledged or lost segment, then what it was altogether. rtt:
 * NSEC_INFINITY: no sample. n_marked: packets that newly turned out to have met congestion. */
void frct_congestion_acknowledged(FrctCongestion *c, size_t size, const FrctFlight *flight, nsec_t now);
void frct_congestion_lost(FrctCongestion *c, size_t size, const FrctFlight *flight, nsec_t now);
void frct_congestion_update(FrctCongestion *c, size_t in_flight, nsec_t rtt, unsigned n_marked, nsec_t now);
/* The retransmission timer fired: nothing is known of the path any more. again: after another time-out, nothing was
 * heard since. */
void frct_congestion_timeout(FrctCongestion *c, bool again, nsec_t now);

size_t frct_congestion_window(const FrctCongestion *c);
uint64_t frct_congestion_pace(const FrctCongestion *c);                 /* bytes per second */
uint64_t frct_congestion_rate(const FrctCongestion *c);                 /* the path's, estimated; 0: unknown */
