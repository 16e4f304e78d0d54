/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The token bucket of a flow, see policer.h. */

#include "services/common/policer.h"

/* Rates above are as good as none; below, no product leaves 63 bits. */
#define RATE_MAX_BPS UINT64_C(1000000000000)

/* So that rates of a bit per second lose nothing between two packets: a bit per second is one per microsecond. */
static int64_t microbits(size_t bytes) {
        return (int64_t) bytes * 8 * (int64_t) USEC_PER_SEC;
}

void policer_init(Policer *policer, uint64_t rate_bps, usec_t now) {
        uint64_t rate = MIN(rate_bps, RATE_MAX_BPS);
        int64_t depth = MAX((int64_t) (rate * POLICER_DEPTH_USEC), microbits(POLICER_DEPTH_MIN_BYTES));

        *policer = (Policer) { .rate_bps = rate, .depth = depth, .level = depth, .filled = now, .sent = now };
}

static void fill(Policer *p, usec_t now) {
        uint64_t missing = (uint64_t) (p->depth - p->level);
        usec_t passed = usec_sub(now, p->filled);

        p->filled = MAX(p->filled, now);
        if (passed > missing / p->rate_bps)
                p->level = p->depth;            /* the product might be anything */
        else
                p->level += (int64_t) (passed * p->rate_bps);
}

bool policer_is_over(Policer *policer, usec_t now) {
        if (policer->rate_bps == 0)
                return false;

        fill(policer, now);
        if (policer->level == policer->depth && usec_sub(now, policer->sent) >= POLICER_GAP_USEC)
                policer->over = false;

        return policer->over;
}

size_t policer_cost(size_t bytes) {
        return bytes - MIN(bytes / 2, (size_t) POLICER_HEADER_BYTES);
}

void policer_charge(Policer *policer, size_t cost, usec_t now) {
        int64_t floor = INT64_MIN;

        if (policer->rate_bps == 0)
                return;

        fill(policer, now);
        policer->sent = now;
        if (policer->over)
                floor = MIN(policer->level, 0);

        policer->level = MAX(policer->level - microbits(cost), floor);
        if (policer->level <= 0)
                policer->over = true;
}
