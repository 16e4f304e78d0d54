/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Path MTU discovery by probes that carry nothing (RFC 8899 is the model): begins at a size that nearly every path
 * takes, tries the layer's first, then halves the interval; looks again every ten minutes and when the layer's
 * changes; falls back when segments above the base are lost again and again while small ones get through (a black
 * hole). Pure.
 */

#include "basic/time.h"

#define FRCT_MTU_BASE 1200U
#define FRCT_MTU_MIN 256U               /* less is not worth a header */

typedef struct FrctMtu {
        size_t ceiling;                 /* the layer's */
        size_t current;                 /* packets are that large at most */
        size_t failed;                  /* smallest size known not to pass; 0: none */
        size_t probing;                 /* size of the probe that is out, 0: none */
        unsigned n_tries;               /* of it */
        unsigned n_black;               /* large packets timed out in a row */
        nsec_t next;                    /* when to send the next probe, or to give the current one up */
} FrctMtu;

void frct_mtu_init(FrctMtu *m, size_t ceiling, nsec_t now);
void frct_mtu_set_ceiling(FrctMtu *m, size_t ceiling, nsec_t now);
/* Size of a probe to be sent now; 0: none. rto: how long to wait for its answer. */
size_t frct_mtu_probe(FrctMtu *m, nsec_t rto, nsec_t now);
/* The peer got a probe of this size. Returns whether .current changed. Sizes that were never tried are ignored. */
bool frct_mtu_probed(FrctMtu *m, size_t size, nsec_t now);
/* Once per retransmission time-out: the size on the wire of the oldest packet that is out. Returns whether .current
 * changed. */
bool frct_mtu_timed_out(FrctMtu *m, size_t size, nsec_t now);
/* A packet of this size arrived. */
void frct_mtu_acknowledged(FrctMtu *m, size_t size);
/* When to ask frct_mtu_probe() again. Nothing to wake up an idle flow for: it is soon enough when data moves again. */
nsec_t frct_mtu_next(const FrctMtu *m);
