/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Round trip and retransmission time-out. The protocol counts in nanoseconds and has floors of its own, so that a path
 * inside one host does not end with a deviation of nothing. */

#include "libo7s/frct-rtt.h"

#define SMOOTHED_MIN ((nsec_t) 1000)
#define DEVIATION_MIN ((nsec_t) 100)
#define BACKOFFS_MAX 16U                /* more than FRCT_RTO_MAX has room for anyway */

void frct_rtt_init(FrctRtt *r) {
        *r = (FrctRtt) { .minimum = NSEC_INFINITY };
}

void frct_rtt_sample(FrctRtt *r, nsec_t sample) {
        int64_t error, step;

        /* A sample is at most what R allows: larger ones are somebody's arithmetic, and would not fit the sums below.
         * */
        sample = MIN(sample, (nsec_t) 1000 * NSEC_PER_SEC);

        r->latest = sample;
        r->minimum = MIN(r->minimum, MAX(sample, SMOOTHED_MIN));
        r->n_backoffs = 0;

        if (r->smoothed == 0) {
                r->smoothed = MAX(sample, SMOOTHED_MIN);
                r->deviation = MAX(sample / 2, DEVIATION_MIN);
                return;
        }

        error = (int64_t) sample - (int64_t) r->smoothed;
        r->smoothed = MAX((nsec_t) ((int64_t) r->smoothed + error / 8), SMOOTHED_MIN);

        /* Downwards only 1/32: a path that has just become calm may not stay so. */
        step = ((error < 0 ? -error : error) - (int64_t) r->deviation) / 4;
        if (step < 0)
                step /= 8;
        r->deviation = MAX((nsec_t) ((int64_t) r->deviation + step), DEVIATION_MIN);
}

void frct_rtt_back_off(FrctRtt *r) {
        if (r->n_backoffs < BACKOFFS_MAX)
                r->n_backoffs++;
}

void frct_rtt_recover(FrctRtt *r) {
        r->n_backoffs = 0;
}

nsec_t frct_rtt_timeout(const FrctRtt *r, nsec_t floor) {
        nsec_t timeout;

        if (r->smoothed == 0)
                timeout = FRCT_RTO_FIRST;
        else
                timeout = MAX(r->smoothed + MAX(4 * r->deviation, floor), FRCT_RTO_MIN);

        /* The back-off stops at the maximum; a path that is slower than that still gets its own time. */
        return MAX(timeout, MIN(timeout << r->n_backoffs, FRCT_RTO_MAX));
}
