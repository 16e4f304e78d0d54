/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A neighbour from which packets come to endpoint ids that nobody has. A few are normal: a flow ended here, and its
 * peer has not heard of it. Many, for long, are somebody who tries ids, the neighbour itself or somebody behind it.
 * More than SCAN_RATE a second, in SCAN_SECONDS seconds more than in calm ones, are a scan; it is over when as many
 * calm seconds outweigh them.
 *
 * While it lasts, few of the messages that name a flow (replies, updates, closes) are looked at: each is a guess that
 * would change something if it were right. Data is not held up. Whether an id is known is found in the same time for
 * every id, so there is nothing to be saved, and what flows through the same neighbour is not the scanner's to stop.
 */

#include "basic/time.h"

#define SCAN_RATE 100U
#define SCAN_SECONDS 10U
#define SCAN_TRIES_MAX 100U             /* such messages looked at per second, during a scan */

typedef struct Scan {
        usec_t second;                  /* when the current one began; 0: nothing unknown came yet */
        unsigned n_unknown;             /* ids nobody has, in it */
        unsigned n_tries;               /* messages looked at, in it */
        unsigned weight;                /* busy seconds not outweighed by calm ones, at most SCAN_SECONDS */
        bool is_on;
        bool is_told;                   /* scan_unknown_eid() returned true for it */
} Scan;

/* Another packet to an id that nobody has. Returns true once per scan, near its beginning. */
bool scan_unknown_eid(Scan *scan, usec_t now);

/* Whether one more message that names a flow may be looked at. */
bool scan_try(Scan *scan, usec_t now);

/* Whether there is a scan at this time. */
bool scan_is_on(Scan *scan, usec_t now);
