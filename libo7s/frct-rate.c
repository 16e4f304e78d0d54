/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libo7s/frct-rate.h"

#define SAMPLE_MAX (UINT64_C(1) << 33)          /* bytes; keeps the product below within 64 bits */

void frct_rate_init(FrctRate *r, nsec_t now) {
        *r = (FrctRate) {
                .delivered_at = now,
                .first_sent_at = now,
        };
}

void frct_rate_sent(FrctRate *r, size_t size, size_t in_flight, nsec_t now, FrctFlight *ret) {
        if (in_flight == 0) {                   /* a new flight: the pause before it is not the path's */
                r->first_sent_at = now;
                r->delivered_at = now;
        }

        *ret = (FrctFlight) {
                .delivered = r->delivered,
                .delivered_at = r->delivered_at,
                .first_sent_at = r->first_sent_at,
                .sent_at = now,
                .in_flight = in_flight + size,
                .application_limited = r->limited_until > 0,
        };
}

void frct_rate_application_limited(FrctRate *r, size_t in_flight) {
        r->limited_until = MAX(r->delivered + in_flight, 1U);
}

void frct_rate_acknowledged(FrctRate *r, size_t size, const FrctFlight *flight, nsec_t now) {
        FrctRateSample *s = &r->sample;

        r->delivered += size;
        r->delivered_at = now;
        s->acknowledged += size;
        s->n_acknowledged++;

        /* The packet that was sent last says most; after a black-out nothing was delivered between many of them. */
        if (s->n_acknowledged > 1 && (flight->delivered < s->prior_delivered ||
            (flight->delivered == s->prior_delivered && flight->sent_at < r->first_sent_at)))
                return;

        s->prior_delivered = flight->delivered;
        s->in_flight = flight->in_flight;
        s->application_limited = flight->application_limited;
        r->send_elapsed = nsec_sub(flight->sent_at, flight->first_sent_at);
        r->delivery_elapsed = nsec_sub(now, flight->delivered_at);
        r->first_sent_at = flight->sent_at;
}

void frct_rate_lost(FrctRate *r, size_t size, const FrctFlight *flight) {
        r->sample.lost += size;
        r->sample.n_lost++;
        if (r->sample.n_acknowledged == 0)
                r->sample.in_flight = flight->in_flight;
}

void frct_rate_take(FrctRate *r, nsec_t floor, FrctRateSample *ret) {
        nsec_t interval = MAX(r->send_elapsed, r->delivery_elapsed);

        if (r->limited_until > 0 && r->delivered > r->limited_until)
                r->limited_until = 0;

        *ret = r->sample;
        if (ret->n_acknowledged > 0) {
                ret->delivered = r->delivered - ret->prior_delivered;
                if (interval > 0 && interval >= floor)
                        ret->rate = MIN(ret->delivered, SAMPLE_MAX) * NSEC_PER_SEC / interval;
        }

        r->sample = (FrctRateSample) {};
        r->send_elapsed = 0;
        r->delivery_elapsed = 0;
}
