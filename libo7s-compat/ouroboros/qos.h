/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_QOS_H
#define OUROBOROS_QOS_H

/* What a flow should be like. See o7s-compat(7) for how o7s reads each member. */

#include <stdint.h>

#define DEFAULT_PEER_TIMEOUT 120000 /* ms */

typedef struct qos_spec {
        uint32_t delay;         /* ms; UINT32_MAX: any */
        uint64_t bandwidth;     /* bits/s */
        uint8_t availability;   /* nines: 3 is 99.9 % */
        uint32_t loss;          /* 0: none */
        uint32_t ber;           /* errors in 10^9 bits; 0: none */
        uint8_t in_order;       /* 1: in the order sent */
        uint32_t max_gap;       /* ms; UINT32_MAX: any */
        uint32_t timeout;       /* ms of silence until the peer counts as gone; 0: never */
} qosspec_t;

static const qosspec_t qos_raw = { UINT32_MAX, 0, 0, 1, 1, 0, UINT32_MAX, DEFAULT_PEER_TIMEOUT };
static const qosspec_t qos_raw_no_errors = { UINT32_MAX, 0, 0, 1, 0, 0, UINT32_MAX, DEFAULT_PEER_TIMEOUT };
static const qosspec_t qos_best_effort = { UINT32_MAX, 0, 0, 1, 0, 1, UINT32_MAX, DEFAULT_PEER_TIMEOUT };
static const qosspec_t qos_video = { 100, UINT64_MAX, 3, 1, 0, 1, 100, DEFAULT_PEER_TIMEOUT };
static const qosspec_t qos_voice = { 50, 100000, 5, 1, 0, 1, 50, DEFAULT_PEER_TIMEOUT };
static const qosspec_t qos_data = { 1000, 0, 0, 0, 0, 1, 2000, DEFAULT_PEER_TIMEOUT };

#endif
