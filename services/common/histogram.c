/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counts of durations, see histogram.h. */

#include <assert.h>

#include "services/common/histogram.h"

/* The position of the highest bit of usec - 1, plus one: 2^i is still in bucket i, one more is not. */
static unsigned bucket_of(usec_t usec) {
        unsigned bucket;

        if (usec <= 1)
                return 0;

        bucket = 64U - (unsigned) __builtin_clzll(usec - 1);
        return bucket < DURATIONS_BUCKETS - 1 ? bucket : DURATIONS_BUCKETS - 1;
}

void durations_add(Durations *durations, usec_t usec) {
        durations->counts[bucket_of(usec)]++;
}

usec_t durations_bucket_usec(unsigned bucket) {
        assert(bucket < DURATIONS_BUCKETS);

        return bucket < DURATIONS_BUCKETS - 1 ? UINT64_C(1) << bucket : USEC_INFINITY;
}
