/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pace of a lossy flow. */

#include "libo7s/frct-pacer.h"
#include "basic/macro.h"

#define FREE_PACKETS 8U
#define SPAN (250 * NSEC_PER_MSEC)
#define RECENT_GAIN 2U
#define TOGETHER (250 * NSEC_PER_USEC)  /* what is due within it leaves with one wake-up */
#define RATE_MAX (UINT64_MAX / NSEC_PER_SEC)

void frct_pacer_init(FrctPacer *p, nsec_t spread, uint64_t asked, nsec_t now) {
        assert(p);

        *p = (FrctPacer) { .spread = spread, .asked = asked, .span_at = now };
}

nsec_t frct_pacer_at(const FrctPacer *p, nsec_t now) {
        assert(p);

        if (p->spread == 0 || p->paid <= now)
                return now;

        return (p->paid + TOGETHER - 1) / TOGETHER * TOGETHER;
}

static uint64_t rate_of(uint64_t bytes, nsec_t span) {
        return MIN(bytes, RATE_MAX) * NSEC_PER_SEC / MAX(span, (nsec_t) 1);
}

static void measure(FrctPacer *p, size_t size, nsec_t now) {
        nsec_t age = nsec_sub(now, p->span_at);

        if (age >= SPAN) {
                p->recent = rate_of(p->span_bytes, age);
                p->span_bytes = 0;
                p->span_at = now;
        }
        p->span_bytes += size;
}

void frct_pacer_sent(FrctPacer *p, size_t size, size_t waiting, nsec_t now) {
        bool waited = p->needed > 0;
        uint64_t rate;
        nsec_t cost;

        if (p->spread == 0)
                return;

        measure(p, size, now);

        /* As fast as was needed when most of it waited: else the last of it would take the longer the less it is. */
        p->needed = MAX(p->needed, rate_of(size + waiting, p->spread));
        rate = MAX(MAX(p->needed, p->asked), MIN(p->recent, RATE_MAX) * RECENT_GAIN);
        cost = MIN(size, RATE_MAX) * NSEC_PER_SEC / MAX(rate, UINT64_C(1));

        /* What a late timer has missed is caught up with, but idle time brings no more than the free ones. */
        if (!waited)
                p->paid = MAX(p->paid, nsec_sub(now, (FREE_PACKETS - 1) * cost));
        p->paid += cost;
        if (waiting == 0)
                p->needed = 0;
}
