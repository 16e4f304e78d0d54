/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Token buckets for messages that cost more than a look-up: one per sender, one for all senders together, so that
 * neither one flooding station nor many invented ones take all our time. Senders share a fixed number of buckets, which
 * one belongs to whom is decided by a hash under a key of ours; two that share a bucket share its rate.
 */

#include "basic/siphash.h"
#include "basic/time.h"

#define LIMIT_BUCKETS 256U

typedef struct LimitBucket {
        uint64_t millitokens;           /* a message costs 1000 */
        usec_t filled;                  /* when it was last filled up */
} LimitBucket;

typedef struct Limit {
        uint8_t key[SIPHASH_KEY_BYTES]; /* random, from the owner */
        uint32_t sender_rate;           /* messages per second */
        uint32_t sender_burst;
        uint32_t total_rate;
        uint32_t total_burst;
        LimitBucket total;
        LimitBucket senders[LIMIT_BUCKETS];
} Limit;

void limit_init(Limit *limit, const uint8_t key[SIPHASH_KEY_BYTES], uint32_t sender_rate,
                     uint32_t sender_burst, uint32_t total_rate, uint32_t total_burst);

/* Whether one more message of this sender may be looked at now. */
bool limit_take(Limit *limit, const void *sender, size_t sender_size, usec_t now);
