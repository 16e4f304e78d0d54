/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/limit.h"

#define MESSAGE_MILLITOKENS 1000U
#define USEC_PER_MILLITOKEN_AT_ONE (USEC_PER_SEC / MESSAGE_MILLITOKENS) /* at a rate of one message per second */

static void bucket_fill(LimitBucket *bucket, uint32_t rate, uint32_t burst, usec_t now) {
        uint64_t full = (uint64_t) burst * MESSAGE_MILLITOKENS;
        usec_t passed = usec_sub(now, bucket->filled);
        uint64_t gained;

        /* Within this many seconds any bucket is full; bounding it first keeps the product small. */
        passed = MIN(passed, 3600 * USEC_PER_SEC);
        gained = passed * rate / USEC_PER_MILLITOKEN_AT_ONE;
        if (gained == 0)
                return;                 /* the time is not lost: it counts towards the next whole millitoken */

        bucket->millitokens = MIN(full, bucket->millitokens + gained);
        bucket->filled = now;
}

void limit_init(Limit *limit, const uint8_t key[SIPHASH_KEY_BYTES], uint32_t sender_rate,
                     uint32_t sender_burst, uint32_t total_rate, uint32_t total_burst) {
        *limit = (Limit) {
                .sender_rate = sender_rate,
                .sender_burst = sender_burst,
                .total_rate = total_rate,
                .total_burst = total_burst,
                .total.millitokens = (uint64_t) total_burst * MESSAGE_MILLITOKENS,
        };
        memcpy(limit->key, key, sizeof(limit->key));

        for (unsigned i = 0; i < LIMIT_BUCKETS; i++)
                limit->senders[i].millitokens = (uint64_t) sender_burst * MESSAGE_MILLITOKENS;
}

bool limit_take(Limit *limit, const void *sender, size_t sender_size, usec_t now) {
        LimitBucket *bucket = &limit->senders[siphash24(limit->key, sender, sender_size) % LIMIT_BUCKETS];

        /* The sender's own first: who is over his limit must not use up the others' share as well. */
        bucket_fill(bucket, limit->sender_rate, limit->sender_burst, now);
        if (bucket->millitokens < MESSAGE_MILLITOKENS)
                return false;

        bucket_fill(&limit->total, limit->total_rate, limit->total_burst, now);
        if (limit->total.millitokens < MESSAGE_MILLITOKENS)
                return false;

        bucket->millitokens -= MESSAGE_MILLITOKENS;
        limit->total.millitokens -= MESSAGE_MILLITOKENS;
        return true;
}
