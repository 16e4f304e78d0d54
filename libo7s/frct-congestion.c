/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The model of the path: what acknowledgements say of it, and the pace and the window that follow. What it is used
 * for, phase by phase, is in frct-phase.c.
 */

#include "libo7s/frct-congestion-internal.h"

#define ROUNDS_FIRST 2U                 /* whose rate says too little */
#define ROUND_TRIP_FIRST NSEC_PER_MSEC  /* assumed for the pace of the first packets */

#define GAIN_WINDOW 200U                /* percent of what the pipe holds */
#define GAIN_WINDOW_UP 225U
#define MARGIN 99U                      /* of the pace: a queue that was made by mistake goes away by itself */

#define FLOOR_EVERY ((nsec_t) 5 * NSEC_PER_SEC)
#define FLOOR_KEPT ((nsec_t) 10 * NSEC_PER_SEC)
#define EXTRA_ROUNDS 10U

#define BURST NSEC_PER_MSEC             /* what a late timer may catch up with */
#define LATE_MAX ((nsec_t) 20 * NSEC_PER_MSEC)
#define QUANTUM (NSEC_PER_MSEC / 2)     /* what is sent per wake-up */
#define QUANTUM_MAX ((size_t) 64 << 10)
#define PACE_MIN 4U                     /* packets per second */

/* Bytes that the pace allows in a time, and at least two packets. */
static size_t allowance(const FrctCongestion *c, nsec_t span) {
        return MAX(c->packet_max * 2, (size_t) (c->pace * span / NSEC_PER_SEC));
}

static size_t quantum(const FrctCongestion *c) {
        return MIN(allowance(c, QUANTUM), MAX(QUANTUM_MAX, c->packet_max * 2));
}

static nsec_t cost(const FrctCongestion *c, size_t size) {
        return size * NSEC_PER_SEC / c->pace;
}

static void set_pace(FrctCongestion *c) {
        nsec_t round_trip = c->round_trip == NSEC_INFINITY ? ROUND_TRIP_FIRST : MAX(c->round_trip, NSEC_PER_USEC);
        uint64_t rate = frct_usable_rate(c);

        if (c->n_rounds < ROUNDS_FIRST)         /* little is known but, perhaps, a round trip */
                rate = MAX(rate, c->window * NSEC_PER_SEC / round_trip);

        /* The rate is what arrives. What is lost by chance is sent in addition, or the path would not be full. */
        rate += MIN(rate, UINT64_MAX / FRCT_LOSS_ONE) * c->chance / (FRCT_LOSS_ONE - c->chance);
        c->pace = MAX(frct_percent(frct_percent(rate, frct_phase_gain(c)), MARGIN),
                      (uint64_t) c->packet_max * PACE_MIN);
}

/* What a busy host's threads are late by is caught up with, or what they send is less and so is what they see of the
 * path, again and again. Not more than what the pipe holds, and not where there was nothing to send. */
static nsec_t lateness(const FrctCongestion *c) {
        if (c->round_trip == NSEC_INFINITY || c->rate.limited_until > 0)
                return 0;

        return MIN(c->round_trip, LATE_MAX);
}

/* -- the model -- */

static void learn_round_trip(FrctCongestion *c, nsec_t sample, nsec_t now) {
        bool stale = now > nsec_add(c->floor_at, FLOOR_EVERY);

        if (sample != NSEC_INFINITY && sample > 0) {
                c->round.round_trip = MIN(c->round.round_trip, sample);
                c->round.round_trip_max = MAX(c->round.round_trip_max, sample);
                if (sample <= c->floor_round_trip || stale) {
                        c->floor_round_trip = sample;
                        c->floor_at = now;
                }
        }
        if (c->floor_round_trip <= c->round_trip || now > nsec_add(c->round_trip_at, FLOOR_KEPT)) {
                c->round_trip = c->floor_round_trip;
                c->round_trip_at = c->floor_at;
        }

        if (stale && !c->idle && c->phase != FRCT_PHASE_FLOOR && c->round_trip != NSEC_INFINITY)
                frct_phase_enter_floor(c, now);
}

static void learn_extra(FrctCongestion *c, const FrctRateSample *s, nsec_t now) {
        uint64_t expected = frct_bandwidth(c) * ((now - c->extra_since) / NSEC_PER_USEC) / USEC_PER_SEC;

        if (c->extra_acknowledged <= expected || c->extra_since == 0) {
                c->extra_since = now;
                c->extra_acknowledged = 0;
                expected = 0;
        }
        c->extra_acknowledged += s->acknowledged;
        if (c->n_rounds >= c->extra_round + EXTRA_ROUNDS) {
                c->extra_round = c->n_rounds;
                c->extra[1] = c->extra[0];
                c->extra[0] = 0;
        }
        if (c->extra_acknowledged > expected)
                c->extra[0] = MAX(c->extra[0], MIN((size_t) (c->extra_acknowledged - expected), c->window));
}

static void learn(FrctCongestion *c, const FrctRateSample *s, unsigned n_marked, nsec_t now) {
        c->round.lost += s->lost;
        c->round.n_lost += s->n_lost;
        c->round.acknowledged += s->acknowledged;
        c->round.n_acknowledged += s->n_acknowledged;
        c->round.n_marked += n_marked;
        c->round.rate = MAX(c->round.rate, s->rate);
        c->round.delivered = MAX(c->round.delivered, s->delivered);

        if (s->rate > frct_bandwidth(c) || (!s->application_limited && s->rate > c->bandwidth[0]))
                c->bandwidth[0] = MAX(c->bandwidth[0], s->rate);
        if (s->n_acknowledged > 0)
                learn_extra(c, s, now);
}

static void set_window(FrctCongestion *c, const FrctRateSample *s) {
        unsigned gain = c->phase == FRCT_PHASE_UP      ? GAIN_WINDOW_UP
                        : c->phase == FRCT_PHASE_START ? FRCT_GAIN_START
                                                       : GAIN_WINDOW;
        size_t pipe = frct_pipe_bytes(c, frct_usable_rate(c)), target;

        target = frct_percent(pipe, gain) + frct_extra(c) + 3 * quantum(c);
        if (c->full)
                c->window = MIN(c->window + s->acknowledged, target);
        else if (c->window < target || c->rate.delivered < c->packet_max * FRCT_WINDOW_FIRST)
                c->window += s->acknowledged;

        c->window = MAX(MIN(c->window, frct_phase_bound(c)), frct_window_min(c));
}

/* -- from outside -- */

FrctCongestion *frct_congestion_free(FrctCongestion *c) {
        free(c);
        return NULL;
}

int frct_congestion_new(size_t packet_max, nsec_t now, FrctCongestion **ret) {
        FrctCongestion *c;

        if (packet_max == 0)
                return -EINVAL;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (FrctCongestion) {
                .packet_max = packet_max,
                .dice = now,
                .since = now,
                .rate_low = UINT64_MAX,
                .in_flight_high = SIZE_MAX,
                .in_flight_low = SIZE_MAX,
                .round_trip = NSEC_INFINITY,
                .round_trip_at = now,
                .floor_round_trip = NSEC_INFINITY,
                .floor_at = now,
                .round.round_trip = NSEC_INFINITY,
                .marks = FRCT_MARKS_ONE,     /* the first mark is taken seriously */
                .window = packet_max * FRCT_WINDOW_FIRST,
        };
        frct_rate_init(&c->rate, now);
        set_pace(c);
        *ret = c;
        return 0;
}

void frct_congestion_set_packet_max(FrctCongestion *c, size_t packet_max) {
        if (packet_max == 0)
                return;

        c->packet_max = packet_max;
        c->window = MAX(c->window, frct_window_min(c));
        set_pace(c);
}

bool frct_congestion_may_send(const FrctCongestion *c, size_t in_flight, nsec_t now, nsec_t *ret_at) {
        if (in_flight > 0 && in_flight + c->packet_max > c->window)
                return false;

        /* One packet into an empty pipe makes no queue. Without this, who asks and waits for the answer would be held
         * to the rate that his own questions have shown. Whoever has to wait waits until several may be sent: fewer
         * wake-ups. */
        *ret_at = in_flight == 0 ? now :
                  c->paid <= now ? now : c->paid + cost(c, quantum(c)) - cost(c, c->packet_max);
        return true;
}

void frct_congestion_sent(FrctCongestion *c, size_t size, size_t in_flight, nsec_t now, FrctFlight *ret) {
        nsec_t burst = MAX(cost(c, allowance(c, BURST)), lateness(c));

        if (in_flight == 0 && c->rate.limited_until > 0) {
                c->idle = true;
                c->floor_at = MAX(c->floor_at, nsec_sub(now, FLOOR_EVERY / 2));
                c->extra_since = 0;
        }
        frct_rate_sent(&c->rate, size, in_flight, now, ret);
        c->paid = MAX(c->paid, nsec_sub(now, burst)) + cost(c, size);
}

void frct_congestion_unsent(FrctCongestion *c, size_t size, const FrctFlight *flight) {
        c->paid = nsec_sub(c->paid, cost(c, size));
}

void frct_congestion_application_limited(FrctCongestion *c, size_t in_flight) {
        frct_rate_application_limited(&c->rate, in_flight);
}

void frct_congestion_acknowledged(FrctCongestion *c, size_t size, const FrctFlight *flight, nsec_t now) {
        frct_rate_acknowledged(&c->rate, size, flight, now);
}

void frct_congestion_lost(FrctCongestion *c, size_t size, const FrctFlight *flight, nsec_t now) {
        frct_rate_lost(&c->rate, size, flight);
}

void frct_congestion_update(FrctCongestion *c, size_t in_flight, nsec_t rtt, unsigned n_marked, nsec_t now) {
        FrctRateSample sample;
        bool round_ends;

        frct_rate_take(&c->rate, c->round_trip == NSEC_INFINITY ? 0 : c->round_trip, &sample);
        round_ends = sample.n_acknowledged > 0 && sample.prior_delivered >= c->round_end;
        if (round_ends) {
                c->round_end = c->rate.delivered;
                c->n_rounds++;
        }

        learn(c, &sample, n_marked, now);
        learn_round_trip(c, rtt, now);
        if (round_ends)
                frct_phase_give_way(c);
        frct_phase_move_on(c, &sample, in_flight, round_ends, now);
        if (round_ends)
                c->round = (FrctRound) { .round_trip = NSEC_INFINITY };
        if (sample.n_acknowledged > 0)
                c->idle = false;

        set_pace(c);
        set_window(c, &sample);
}

void frct_congestion_timeout(FrctCongestion *c, bool again, nsec_t now) {
        c->window = again ? c->packet_max : frct_window_min(c);
        c->round = (FrctRound) { .round_trip = NSEC_INFINITY };
        c->round_end = c->rate.delivered;
}

size_t frct_congestion_window(const FrctCongestion *c) {
        return c->window;
}

uint64_t frct_congestion_pace(const FrctCongestion *c) {
        return c->pace;
}

uint64_t frct_congestion_rate(const FrctCongestion *c) {
        return frct_bandwidth(c);
}
