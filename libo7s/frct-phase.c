/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The phases, and how fast they send, in percent of the estimated rate:
 *
 *   START-UP 277  doubles each round trip, until the rate no longer grows in three of them, or the network says stop
 *   DRAIN     36  until what start-up put into the queue is gone
 *   then, around and around:
 *   DOWN      90  until the queue is gone       CRUISE 100  for 2 to 3 s, with some room left for others
 *   REFILL   100  one round trip: fills the pipe, forgets what cruising gave way to
 *   UP       125  until there is a queue
 *   now and then  FLOOR: half of what the pipe holds for 200 ms, to see the round trip without any queue
 *
 * Three bounds come upon this. in_flight_high is what a probe upwards ended with; in_flight_low and rate_low are
 * where a cruise gives way, and end with it. Loss counts as a sign of congestion only where round trips say that
 * there is a queue, or where it is massive: radio and bad cables lose a few percent whatever we do, and giving way to
 * that gives the path away. What is lost so is even made up for by the pace (learn_chance()). Round trips that come
 * and go are those of busy hosts, whose programs run late, and say nothing of a queue (has_queue()).
 *
 * Shares become equal because who has little probes more often (cruise_rounds()) and by more (gain_up()), and because
 * all who see a queue that lasts believe less of their estimate (frct_phase_give_way(), refill()).
 */

#include "libo7s/frct-congestion-internal.h"

#define GAIN_DRAIN 36U
#define GAIN_DOWN 90U
#define GAIN_UP 125U
#define UP_PACKETS 6U
#define UP_MORE_MAX 50U
#define HEADROOM 15U                    /* of in_flight_high; for others, in cruise */
#define GIVE_WAY 70U                    /* what one round of congestion leaves at least */
#define QUEUE_LOSS (NSEC_PER_MSEC / 4)
#define QUEUE_STANDING ((nsec_t) 2 * NSEC_PER_MSEC)     /* busy hosts are as late as that */
#define QUEUE_PART 16U                  /* of the rate: what one round with a queue takes */

#define GROWTH 125U                     /* less than that in GROWTH_ROUNDS: the pipe is full */
#define GROWTH_ROUNDS 3U
#define LOSS 2U                         /* percent of a round, with a queue */
#define LOSS_MASSIVE 20U                /* without */
#define LOST_MIN 3U                     /* packets; fewer are chance */
#define LOST_MIN_START 6U
#define CHANCE_SHIFT 3U                 /* 1/8: the smoothing of what is lost by chance */
#define CHANCE_MAX (FRCT_LOSS_ONE / 10) /* what is made up for; more is not chance */
#define MARKS_UP 50U                    /* percent of a round's packets that end a probe upwards */
#define MARKS_SHIFT 4U                  /* 1/16: the smoothing of their share */
#define MARKS_FACTOR 3U                 /* a third of their share is what is given way */

#define CRUISE_MIN ((nsec_t) 2 * NSEC_PER_SEC)
#define CRUISE_ROUNDS_MIN 8U
#define CRUISE_ROUNDS_MAX 64U
#define CRUISE_SPREAD NSEC_PER_SEC
#define FLOOR_FOR ((nsec_t) 200 * NSEC_PER_MSEC)

static bool probes_upwards(const FrctCongestion *c) {
        return c->phase == FRCT_PHASE_START || c->phase == FRCT_PHASE_REFILL || c->phase == FRCT_PHASE_UP;
}

/* A quarter, and some packets, however small the pipe: who has little gains more, and so shares become equal. */
static unsigned gain_up(const FrctCongestion *c) {
        size_t more = c->packet_max * UP_PACKETS * 100 / MAX(frct_pipe_bytes(c, frct_bandwidth(c)), c->packet_max);

        return GAIN_UP + (unsigned) MIN(more, UP_MORE_MAX);
}

unsigned frct_phase_gain(const FrctCongestion *c) {
        const unsigned gains[] = {
                [FRCT_PHASE_START] = FRCT_GAIN_START,
                [FRCT_PHASE_DRAIN] = GAIN_DRAIN,
                [FRCT_PHASE_DOWN] = GAIN_DOWN,
                [FRCT_PHASE_CRUISE] = 100,
                [FRCT_PHASE_REFILL] = 100,
                [FRCT_PHASE_UP] = gain_up(c),
                [FRCT_PHASE_FLOOR] = 100,
        };

        return gains[c->phase];
}

static void enter(FrctCongestion *c, FrctPhase phase, nsec_t now) {
        c->phase = phase;
        c->since = now;
        c->until = 0;
        c->phase_round = c->n_rounds;
}

static void forget_low(FrctCongestion *c) {
        c->rate_low = UINT64_MAX;
        c->in_flight_low = SIZE_MAX;
}

/* What a cruise gave way to is what there is: all who share a queue lose the same part of what they have, and gain
 * nearly the same again when they probe; so they become equal. Alone, there is no queue that lasts through a
 * cruise. */
static void refill(FrctCongestion *c, nsec_t now) {
        c->bandwidth[0] = MIN(c->bandwidth[0], c->rate_low);
        c->bandwidth[1] = MIN(c->bandwidth[1], c->rate_low);
        forget_low(c);
        enter(c, FRCT_PHASE_REFILL, now);
}

/* A cycle ends: samples of the one before the last are too old. */
static void enter_down(FrctCongestion *c, nsec_t now) {
        enter(c, FRCT_PHASE_DOWN, now);
        c->round = (FrctRound) { .round_trip = NSEC_INFINITY };
        c->round_end = c->rate.delivered;
}

/* Flows that began together shall not probe together: their times are as good as chance, and repeat in a simulation. */
static void enter_cruise(FrctCongestion *c, nsec_t now) {
        enter(c, FRCT_PHASE_CRUISE, now);
        c->dice = (c->dice ^ now) * UINT64_C(0x9e3779b97f4a7c15);
        c->dice ^= c->dice >> 29;
        c->until = now + CRUISE_MIN + c->dice % CRUISE_SPREAD;
}

static void enter_up(FrctCongestion *c, nsec_t now) {
        enter(c, FRCT_PHASE_UP, now);
        c->n_up = 0;
        if (c->bandwidth[0] > 0) {
                c->bandwidth[1] = c->bandwidth[0];
                c->bandwidth[0] = 0;
        }
}

/* Where there is a congestion now, the flow has been too large with that much in flight. */
static void bound_high(FrctCongestion *c, size_t in_flight) {
        size_t least = MAX(frct_percent(MIN(frct_pipe_bytes(c, frct_bandwidth(c)), c->window), GIVE_WAY),
                           frct_window_min(c));

        c->in_flight_high = MAX(in_flight, least);
}

/* This is the smallest of many, and no packet was as quick as could be; slack: what is no queue yet. What comes and
 * goes is none either: busy hosts are late now and then, all that a queue holds is late. */
static bool is_slow(const FrctCongestion *c, nsec_t round_trip, nsec_t slack, nsec_t spread) {
        return round_trip != NSEC_INFINITY && c->round_trip != NSEC_INFINITY &&
                round_trip > c->round_trip + MAX(c->round_trip / 8 + slack, spread);
}

static bool has_queue(const FrctCongestion *c, nsec_t slack) {
        nsec_t spread = nsec_sub(c->round.round_trip_max, c->round.round_trip);

        return is_slow(c, c->round.round_trip, slack, MAX(spread, c->spread));
}

/* A round has ended. Returns whether a queue was there all through the last ones; never before there are enough. */
static bool has_standing_queue(FrctCongestion *c) {
        nsec_t least = NSEC_INFINITY, most = 0;

        if (c->round.round_trip == NSEC_INFINITY)
                return false;

        c->recent[c->n_rounds % FRCT_RECENT_ROUNDS] = (FrctRecent) { c->round.round_trip, c->round.round_trip_max };
        for (unsigned i = 0; i < FRCT_RECENT_ROUNDS; i++) {
                least = MIN(least, c->recent[i].least);
                most = MAX(most, c->recent[i].most);
        }

        c->spread = nsec_sub(most, least);
        return is_slow(c, least, QUEUE_STANDING, c->spread);
}

static bool is_congested(const FrctCongestion *c, unsigned lost_min) {
        size_t all = c->round.lost + c->round.acknowledged;

        if (c->round.n_marked > 1 && c->round.n_marked * 100 >= c->round.n_acknowledged * MARKS_UP)
                return true;
        if (c->round.n_lost < lost_min || all < frct_window_min(c))
                return false;

        return c->round.lost * 100 > all * (has_queue(c, QUEUE_LOSS) ? LOSS : LOSS_MASSIVE);
}

static void check_full(FrctCongestion *c, const FrctRateSample *s, bool round_ends) {
        if (c->full)
                return;

        if (is_congested(c, LOST_MIN_START)) {
                c->full = true;
                bound_high(c, MAX(frct_pipe_bytes(c, frct_bandwidth(c)), c->round.delivered));
                return;
        }

        if (!round_ends || s->application_limited)
                return;
        if (frct_bandwidth(c) >= frct_percent(c->full_bandwidth, GROWTH)) {
                c->full_bandwidth = frct_bandwidth(c);
                c->n_full = 0;
        } else if (++c->n_full >= GROWTH_ROUNDS)
                c->full = true;
}

static void learn_chance(FrctCongestion *c) {
        uint64_t all = c->round.lost + c->round.acknowledged;
        unsigned share;

        if (all < frct_window_min(c) || has_queue(c, QUEUE_LOSS))
                return;

        share = (unsigned) MIN(c->round.lost * (uint64_t) FRCT_LOSS_ONE / all, (uint64_t) CHANCE_MAX);
        c->chance = c->chance - (c->chance >> CHANCE_SHIFT) + (share >> CHANCE_SHIFT);
}

/* Cruising, and on the way down: each round that met congestion gives way a little, to what was delivered at least. */
void frct_phase_give_way(FrctCongestion *c) {
        bool standing = has_standing_queue(c);
        bool lossy = c->round.n_lost >= LOST_MIN && is_congested(c, LOST_MIN) && c->round.lost > 0;

        if (c->round.n_acknowledged > 0) {
                unsigned share = c->round.n_marked * FRCT_MARKS_ONE / c->round.n_acknowledged;

                c->marks = c->marks - (c->marks >> MARKS_SHIFT) + (MIN(share, FRCT_MARKS_ONE) >> MARKS_SHIFT);
        }
        learn_chance(c);
        if (probes_upwards(c))
                return;

        /* All who made the queue take back the same part. */
        if (c->phase == FRCT_PHASE_CRUISE && standing) {
                uint64_t rate = MIN(c->rate_low, frct_bandwidth(c));

                c->rate_low = MAX(rate - rate / QUEUE_PART, frct_percent(frct_bandwidth(c), GIVE_WAY));
        }
        if (!lossy && c->round.n_marked == 0)
                return;

        c->in_flight_low = MIN(c->in_flight_low, c->window);
        if (c->round.n_marked > 0)
                c->in_flight_low -= c->in_flight_low * c->marks / (FRCT_MARKS_ONE * MARKS_FACTOR);
        if (lossy) {
                c->rate_low = MIN(c->rate_low, frct_bandwidth(c));
                c->rate_low = MAX(c->round.rate, frct_percent(c->rate_low, GIVE_WAY));
                c->in_flight_low = MAX(c->round.delivered, frct_percent(c->in_flight_low, GIVE_WAY));
        }
        c->in_flight_low = MAX(c->in_flight_low, frct_window_min(c));
}

/* More and more with each round, as long as there is so much in flight that the bound matters. */
static void raise_high(FrctCongestion *c, const FrctRateSample *s, size_t in_flight, bool round_ends) {
        size_t step;

        c->n_up += round_ends;
        if (c->in_flight_high == SIZE_MAX || in_flight + s->acknowledged + c->packet_max < c->in_flight_high)
                return;

        step = c->packet_max << MIN(c->n_up, 16U);
        c->in_flight_high += (size_t) ((uint64_t) s->acknowledged * step / MAX(c->window, 1U));
}

static void probe_up(FrctCongestion *c, const FrctRateSample *s, size_t in_flight, bool round_ends, nsec_t now) {
        size_t pipe = frct_percent(frct_pipe_bytes(c, frct_bandwidth(c)), gain_up(c));
        size_t queue = pipe + c->packet_max * 2 + frct_extra(c);
        bool long_enough = now - c->since > c->round_trip && c->n_rounds > c->phase_round;

        if (is_congested(c, LOST_MIN)) {
                bound_high(c, s->in_flight);
                enter_down(c, now);
                return;
        }

        raise_high(c, s, in_flight, round_ends);
        if (long_enough && in_flight + s->acknowledged > queue)
                enter_down(c, now);
        else if (now - c->since > CRUISE_MIN && c->n_rounds > c->phase_round + GROWTH_ROUNDS)
                enter_down(c, now);             /* the application does not fill it */
}

/* Who has little asks for more often, as the window of TCP would grow to the same. */
static uint64_t cruise_rounds(const FrctCongestion *c) {
        return MIN(MAX(frct_pipe_bytes(c, frct_bandwidth(c)) / c->packet_max, CRUISE_ROUNDS_MIN), CRUISE_ROUNDS_MAX);
}

static size_t cruise_bound(const FrctCongestion *c) {
        if (c->in_flight_high == SIZE_MAX)
                return SIZE_MAX;

        return MAX(c->in_flight_high - frct_percent(c->in_flight_high, HEADROOM), frct_window_min(c));
}

void frct_phase_move_on(FrctCongestion *c, const FrctRateSample *s, size_t in_flight, bool round_ends, nsec_t now) {
        size_t pipe = frct_pipe_bytes(c, frct_bandwidth(c));

        switch (c->phase) {

        case FRCT_PHASE_START:
                check_full(c, s, round_ends);
                if (c->full)
                        enter(c, FRCT_PHASE_DRAIN, now);
                break;

        case FRCT_PHASE_DRAIN:
                if (in_flight <= pipe)
                        enter_down(c, now);
                break;

        case FRCT_PHASE_DOWN:
                if (in_flight <= MIN(pipe, cruise_bound(c)) || now - c->since > CRUISE_MIN)
                        enter_cruise(c, now);
                break;

        case FRCT_PHASE_CRUISE:
                if (now < c->until && c->n_rounds < c->phase_round + cruise_rounds(c))
                        break;
                refill(c, now);
                break;

        case FRCT_PHASE_REFILL:
                if (c->n_rounds > c->phase_round + 1)
                        enter_up(c, now);
                break;

        case FRCT_PHASE_UP:
                probe_up(c, s, in_flight, round_ends, now);
                break;

        case FRCT_PHASE_FLOOR:
                if (c->until == 0 && in_flight <= MAX(frct_percent(pipe, FRCT_GAIN_WINDOW_FLOOR), frct_window_min(c)))
                        c->until = now + FLOOR_FOR;
                if (c->until == 0 || now < c->until || c->n_rounds <= c->phase_round)
                        break;
                c->floor_at = now;
                c->window = MAX(c->window, c->window_before);
                if (c->full)
                        enter_cruise(c, now);
                else
                        enter(c, FRCT_PHASE_START, now);
                break;
        }
}

size_t frct_phase_bound(const FrctCongestion *c) {
        size_t bound = c->in_flight_high;

        if (c->phase == FRCT_PHASE_FLOOR)
                bound = frct_percent(frct_pipe_bytes(c, frct_usable_rate(c)), FRCT_GAIN_WINDOW_FLOOR);
        else if (c->phase == FRCT_PHASE_CRUISE || c->phase == FRCT_PHASE_DOWN)
                bound = cruise_bound(c);

        return MIN(bound, c->in_flight_low);
}

void frct_phase_enter_floor(FrctCongestion *c, nsec_t now) {
        c->window_before = c->window;
        enter(c, FRCT_PHASE_FLOOR, now);
}
