/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Percentiles in constant memory. */

#include "apps/common.h"
#include "apps/histogram.h"

/*
 * Values below 64 have a bucket each. A larger one of b significant bits falls into group b - 6, and its
 * upper seven bits (a one, and six that say where) choose the bucket in the group.
 */
static size_t bucket_of(uint64_t value) {
        unsigned shift;

        if (value < 1U << HISTOGRAM_SUB_BITS)
                return (size_t) value;

        shift = 63U - (unsigned) __builtin_clzll(value) - HISTOGRAM_SUB_BITS;
        return ((size_t) (shift + 1U) << HISTOGRAM_SUB_BITS) +
               (size_t) ((value >> shift) - (1U << HISTOGRAM_SUB_BITS));
}

/* The middle of a bucket. */
static uint64_t bucket_value(size_t bucket) {
        size_t group = bucket >> HISTOGRAM_SUB_BITS, place = bucket & ((1U << HISTOGRAM_SUB_BITS) - 1U);
        unsigned shift;

        if (group == 0)
                return place;

        shift = (unsigned) group - 1U;
        return ((uint64_t) (place + (1U << HISTOGRAM_SUB_BITS)) << shift) + ((1ULL << shift) >> 1);
}

void histogram_add(Histogram *h, uint64_t value) {
        if (h->n == 0 || value < h->minimum)
                h->minimum = value;
        if (value > h->maximum)
                h->maximum = value;

        h->n++;
        h->sum += value;
        h->buckets[bucket_of(value)]++;
}

uint64_t histogram_percentile(const Histogram *h, double percent) {
        uint64_t wanted, seen = 0;

        if (h->n == 0)
                return 0;

        wanted = (uint64_t) (percent / 100.0 * (double) h->n + 0.999999);
        if (wanted <= 1)
                return h->minimum;
        if (wanted >= h->n)
                return h->maximum;

        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                uint64_t value;

                seen += h->buckets[i];
                if (seen < wanted)
                        continue;

                /* The middle of the first or last bucket may lie outside of what was seen. */
                value = bucket_value(i);
                return value < h->minimum ? h->minimum : value > h->maximum ? h->maximum : value;
        }

        return h->maximum;
}

void histogram_groups(const Histogram *h, uint64_t ret_counts[HISTOGRAM_GROUPS]) {
        for (size_t i = 0; i < HISTOGRAM_GROUPS; i++)
                ret_counts[i] = 0;

        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                uint64_t value = bucket_value(i);

                ret_counts[value == 0 ? 0 : 63 - __builtin_clzll(value)] += h->buckets[i];
        }
}

uint64_t histogram_mean(const Histogram *h) {
        return h->n == 0 ? 0 : h->sum / h->n;
}
