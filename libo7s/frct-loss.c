/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of the flight is lost. */

#include "libo7s/frct-loss.h"

#define REORDERING_MIN ((nsec_t) 100 * NSEC_PER_USEC)
#define REORDERING_KEPT 64U             /* round trips, then half of it is forgotten */

void frct_loss_init(FrctLoss *l, bool extended) {
        *l = (FrctLoss) { .extended = extended };
        list_init(&l->flight);
}

void frct_loss_sent(FrctLoss *l, FrctSegment *segment, nsec_t now) {
        if (segment->n_sent++ == 0)
                segment->first_sent_at = now;
        segment->sent_at = now;
        l->sent_at = now;
        list_append(&l->flight, &segment->by_stage);
}

/* How much longer than others a segment took that was overtaken, or given up too early. */
static void learn_reordering(FrctLoss *l, const FrctRtt *rtt, nsec_t sent_at, nsec_t now) {
        nsec_t late = nsec_sub(now - sent_at, l->newest_rtt);

        l->reordering = MAX(l->reordering, MIN(late, 2 * rtt->smoothed));
        l->reordering_at = now;
}

void frct_loss_arrived(FrctLoss *l, const FrctRtt *rtt, FrctSegment *segment, nsec_t before, nsec_t now) {
        nsec_t elapsed = now - segment->sent_at;

        list_unlink(&segment->by_stage);
        l->progress_at = now;
        l->probed = false;

        /* Sooner than any round trip after it was sent again: what arrived is the first copy, which was never lost. */
        if (segment->n_sent > 1 && elapsed < rtt->minimum) {
                if (segment->n_sent == 2)
                        learn_reordering(l, rtt, segment->first_sent_at, now);
                return;
        }

        if (segment->n_sent == 1 && segment->sent_at < before)
                learn_reordering(l, rtt, segment->sent_at, now);

        if (segment->sent_at >= l->newest_at) {
                l->newest_at = segment->sent_at;
                l->newest_rtt = elapsed;
        }
}

static nsec_t lost_at(const FrctLoss *l, const FrctRtt *rtt, const FrctSegment *segment) {
        nsec_t slack;

        if (!l->extended || l->newest_at <= segment->sent_at)
                return NSEC_INFINITY;

        slack = rtt->minimum == NSEC_INFINITY ? 0 : rtt->minimum / 4;
        slack = MAX(MAX(slack, REORDERING_MIN), l->reordering);
        return segment->sent_at + l->newest_rtt + slack;
}

FrctSegment *frct_loss_next_lost(FrctLoss *l, const FrctRtt *rtt, bool timeout, nsec_t now) {
        FrctSegment *segment = list_first(&l->flight, FrctSegment, by_stage);
        bool lost;

        if (!segment)
                return NULL;

        if (l->extended)
                lost = timeout || lost_at(l, rtt, segment) <= now;
        else
                lost = timeout && segment->sent_at < l->timed_out_before;

        if (!lost)
                return NULL;

        list_unlink(&segment->by_stage);
        return segment;
}

static nsec_t timer(const FrctLoss *l, const FrctRtt *rtt) {
        const FrctSegment *first = list_first(&l->flight, FrctSegment, by_stage);
        nsec_t since;

        if (!first)
                return NSEC_INFINITY;

        since = l->extended ? MAX(l->sent_at, l->progress_at) : first->sent_at;
        return nsec_add(since, frct_rtt_timeout(rtt, FRCT_ACKNOWLEDGEMENT_DELAY));
}

FrctLossEvent frct_loss_expire(FrctLoss *l, FrctRtt *rtt, nsec_t now) {
        nsec_t timeout = frct_rtt_timeout(rtt, FRCT_ACKNOWLEDGEMENT_DELAY);

        if (l->reordering > 0 && now - l->reordering_at > REORDERING_KEPT * rtt->smoothed) {
                l->reordering /= 2;
                l->reordering_at = now;
        }

        if (timer(l, rtt) > now)
                return FRCT_LOSS_NONE;

        if (l->extended) {
                l->sent_at = now;               /* the timer begins anew, also where nothing may be sent */
                if (!l->probed) {
                        l->probed = true;
                        return FRCT_LOSS_PROBE;
                }
                frct_rtt_back_off(rtt);
                return FRCT_LOSS_TIMEOUT;
        }

        /* All that was sent together times out together, and backs off once. */
        l->timed_out_before = now - timeout + 1;
        if (list_first(&l->flight, FrctSegment, by_stage)->sent_at >= l->backed_off_at) {
                frct_rtt_back_off(rtt);
                l->backed_off_at = now;
        }
        return FRCT_LOSS_TIMEOUT;
}

nsec_t frct_loss_next(const FrctLoss *l, const FrctRtt *rtt) {
        const FrctSegment *first = list_first(&l->flight, FrctSegment, by_stage);

        return first ? MIN(timer(l, rtt), lost_at(l, rtt, first)) : NSEC_INFINITY;
}
