/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Percentiles of any number of values in constant memory: each power of two is divided into 64 equal
 * buckets, so a percentile is at most 1.6 % off. Minimum, maximum and mean are exact.
 */

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6U
#define HISTOGRAM_BUCKETS ((64U - HISTOGRAM_SUB_BITS + 1U) << HISTOGRAM_SUB_BITS)

#define HISTOGRAM_GROUPS 64U            /* powers of two */

typedef struct Histogram {
        uint64_t n;
        uint64_t sum;
        uint64_t minimum;
        uint64_t maximum;
        uint32_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add(Histogram *h, uint64_t value);

/* The value that "percent" of all values do not exceed; 0 of an empty histogram. percent is from 0 to 100. */
uint64_t histogram_percentile(const Histogram *h, double percent);

/* How many values there are from 2^i (from 0 for i = 0) to 2^(i + 1) - 1. */
void histogram_groups(const Histogram *h, uint64_t ret_counts[HISTOGRAM_GROUPS]);

uint64_t histogram_mean(const Histogram *h);
