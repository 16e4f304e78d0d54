/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Round trip and retransmission time-out, as docs/WIRE.md has it: first sample m: srtt = m, mdev = m/2; then smoothed
 * by 1/8 and 1/4 (1/32 downwards); RTO = max(FRCT_RTO_MIN, srtt + 4·mdev), 1 s before the first sample, doubled per
 * time-out. */

#include "basic/time.h"

#define FRCT_RTO_FIRST NSEC_PER_SEC
#define FRCT_RTO_MIN ((nsec_t) 250 * 1000)
#define FRCT_RTO_MAX ((nsec_t) 5 * NSEC_PER_SEC)         /* a black-out that ends is noticed soon enough */

typedef struct FrctRtt {
        nsec_t smoothed;                /* 0: no sample yet */
        nsec_t deviation;
        nsec_t latest;
        nsec_t minimum;                 /* of all samples, NSEC_INFINITY before the first */
        unsigned n_backoffs;            /* since the last sample or recovery */
} FrctRtt;

void frct_rtt_init(FrctRtt *r);
void frct_rtt_sample(FrctRtt *r, nsec_t sample);
void frct_rtt_back_off(FrctRtt *r);
/* Something got through. */
void frct_rtt_recover(FrctRtt *r);
/* With the back-off; floor: what the other side may keep an acknowledgement for. */
nsec_t frct_rtt_timeout(const FrctRtt *r, nsec_t floor);
