/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long something took, each time that it happened: counts per power of two of microseconds. Fixed in size, and two
 * instructions to keep. Bucket i has what took longer than bucket i - 1 allows and at most 2^i us; the last one all
 * the rest.
 */

#include <stdint.h>

#include "basic/time.h"

#define DURATIONS_BUCKETS 32U           /* up to 2^30 us, which are 18 minutes, and the rest */

typedef struct Durations {
        uint64_t counts[DURATIONS_BUCKETS];
} Durations;

void durations_add(Durations *durations, usec_t usec);

/* The longest time that bucket counts; USEC_INFINITY: it is the last. */
usec_t durations_bucket_usec(unsigned bucket);
