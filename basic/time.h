/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Time in microseconds, and in nanoseconds where round trips are measured. Only event callbacks and programs read a
 * clock; everything else is told. */

#include <inttypes.h>

#include "basic/macro.h"

typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_PER_SEC ((usec_t) 1000000)
#define NSEC_PER_USEC ((uint64_t) 1000)
#define USEC_FMT "%" PRIu64

typedef uint64_t nsec_t;

#define NSEC_INFINITY UINT64_MAX
#define NSEC_PER_MSEC ((nsec_t) 1000000)
#define NSEC_PER_SEC ((nsec_t) 1000000000)

/* CLOCK_MONOTONIC. */
usec_t time_now(void);

/* The same clock in nanoseconds. */
nsec_t time_now_nsec(void);

/* CLOCK_REALTIME in nanoseconds since the epoch, as OAP wants it. */
uint64_t time_realtime_nsec(void);

/* Saturates: USEC_INFINITY plus anything stays infinite. */
static inline usec_t usec_add(usec_t a, usec_t b) {
        return b > USEC_INFINITY - a ? USEC_INFINITY : a + b;
}

static inline usec_t usec_sub(usec_t a, usec_t b) {
        if (a == USEC_INFINITY)
                return USEC_INFINITY;
        return a > b ? a - b : 0;
}

static inline nsec_t nsec_add(nsec_t a, nsec_t b) {
        return b > NSEC_INFINITY - a ? NSEC_INFINITY : a + b;
}

static inline nsec_t nsec_sub(nsec_t a, nsec_t b) {
        return a > b ? a - b : 0;
}

/* "1h 5min", "2.5s", "150ms", "20" (seconds), "infinity". Returns: 0; -EINVAL. */
int usec_parse(const char *text, usec_t *ret);

/* Writes a short form such as "3.2s" or "5min 4s"; returns buffer. 32 bytes are always enough. */
char *usec_format(char *buffer, size_t size, usec_t usec);
