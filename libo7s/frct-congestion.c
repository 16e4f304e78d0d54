/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The phases, and how fast they send, in percent of the estimated rate:
 *
 *   START-UP 277  doubles each round trip, until the rate no longer grows in three of them, or the network says stop
 *   DRAIN     36  until what start-up put into the queue is gone
 *   then, around and around:
 *   DOWN      90  until the queue is gone       CRUISE 100  for 2 to 3 s, with some room left for others
 *   REFILL   100  one round trip: fills the pipe, forgets what cruising gave way to       UP 125  until there is a queue
 *   now and then  FLOOR: half of what the pipe holds for 200 ms, to see the round trip without any queue
 *
 * Three bounds come upon this. in_flight_high is what a probe upwards ended with; in_flight_low and rate_low are where a cruise
 * gives way, and end with it. Loss counts as a sign of congestion only where round trips say that there is a queue, or where it is
 * massive: radio and bad cables lose a few percent whatever we do, and giving way to that gives the path away.
 */

#include "libo7s/frct-congestion.h"

#define WINDOW_FIRST 16U                /* packets */
#define WINDOW_MIN 4U
#define ROUNDS_FIRST 2U                 /* whose rate says too little */
#define ROUND_TRIP_FIRST NSEC_PER_MSEC  /* assumed for the pace of the first packets */

#define GAIN_START 277U                 /* percent */
#define GAIN_DRAIN 36U
#define GAIN_DOWN 90U
#define GAIN_UP 125U
#define UP_PACKETS 6U
#define UP_MORE_MAX 50U
#define GAIN_WINDOW 200U
#define GAIN_WINDOW_UP 225U
#define GAIN_WINDOW_FLOOR 50U
#define HEADROOM 15U                    /* of in_flight_high; for others, in cruise */
#define GIVE_WAY 70U                    /* what one round of congestion leaves at least */
#define QUEUE_LOSS (NSEC_PER_MSEC / 4)
#define QUEUE_STANDING ((nsec_t) 2 * NSEC_PER_MSEC)     /* busy hosts are as late as that */
#define QUEUE_PART 16U                  /* of the rate: what one round with a queue takes */
#define MARGIN 99U                      /* of the pace: a queue that was made by mistake goes away by itself */

#define GROWTH 125U                     /* less than that in GROWTH_ROUNDS: the pipe is full */
#define GROWTH_ROUNDS 3U
#define LOSS 2U                         /* percent of a round, with a queue */
#define LOSS_MASSIVE 20U                /* without */
#define LOST_MIN 3U                     /* packets; fewer are chance */
#define LOST_MIN_START 6U
#define MARKS_UP 50U                    /* percent of a round's packets that end a probe upwards */
#define MARKS_SHIFT 4U                  /* 1/16: the smoothing of their share */
#define MARKS_FACTOR 3U                 /* a third of their share is what is given way */
#define MARKS_ONE 1024U                 /* all of them */

#define CRUISE_MIN ((nsec_t) 2 * NSEC_PER_SEC)
#define CRUISE_ROUNDS_MIN 8U
#define CRUISE_ROUNDS_MAX 64U
#define CRUISE_SPREAD NSEC_PER_SEC
#define FLOOR_EVERY ((nsec_t) 5 * NSEC_PER_SEC)
#define FLOOR_FOR ((nsec_t) 200 * NSEC_PER_MSEC)
#define FLOOR_KEPT ((nsec_t) 10 * NSEC_PER_SEC)
#define EXTRA_ROUNDS 10U

#define BURST NSEC_PER_MSEC             /* what a late timer may catch up with */
#define QUANTUM (NSEC_PER_MSEC / 2)     /* what is sent per wake-up */
#define QUANTUM_MAX ((size_t) 64 << 10)
#define PACE_MIN 4U                     /* packets per second */

typedef enum Phase {
        PHASE_START,
        PHASE_DRAIN,
        PHASE_DOWN,
        PHASE_CRUISE,
        PHASE_REFILL,
        PHASE_UP,
        PHASE_FLOOR,
} Phase;

/* What happened in one round trip: between a packet's transmission and its acknowledgement. */
typedef struct Round {
        size_t lost, acknowledged;
        unsigned n_lost, n_acknowledged, n_marked;
        uint64_t rate;                  /* the largest sample */
        uint64_t delivered;             /* within one sample, at most */
        nsec_t round_trip;              /* smallest */
} Round;

struct FrctCongestion {
        size_t packet_max;
        FrctRate rate;
        uint64_t dice;

        Phase phase;
        nsec_t since;                   /* of the phase */
        nsec_t until;                   /* cruise and floor: its end; 0: not known yet */
        uint64_t phase_round;           /* round that it began in */

        uint64_t bandwidth[2];          /* largest of this cycle and of the one before */
        uint64_t rate_low;
        size_t in_flight_high, in_flight_low;
        nsec_t round_trip;              /* smallest of FLOOR_KEPT; NSEC_INFINITY: none yet */
        nsec_t round_trip_at;
        nsec_t floor_round_trip;        /* smallest since floor_at, which a FLOOR follows if no other does */
        nsec_t floor_at;

        Round round;
        uint64_t n_rounds;
        uint64_t round_end;             /* .rate.delivered at which it ends */
        uint64_t full_bandwidth;
        unsigned n_full;                /* rounds that brought nothing */
        bool full;
        unsigned n_up;                  /* rounds of this probe upwards */
        unsigned marks;                 /* smoothed share, of MARKS_ONE */

        nsec_t extra_since;             /* acknowledgements come in heaps: what came above the rate since then */
        uint64_t extra_acknowledged;
        size_t extra[2];                /* largest of this span of rounds and of the one before */
        uint64_t extra_round;

        size_t window;
        size_t window_before;           /* FLOOR */
        bool idle;                      /* starts again after a pause */
        uint64_t pace;
        nsec_t paid;                    /* the pace has paid for all that was sent up to here */
};

static uint64_t percent(uint64_t value, unsigned n) {
        return value > UINT64_MAX / 512 ? value / 100 * n : value * n / 100;
}

static uint64_t bandwidth(const FrctCongestion *c) {
        return MAX(c->bandwidth[0], c->bandwidth[1]);
}

static uint64_t usable_rate(const FrctCongestion *c) {
        return MIN(bandwidth(c), c->rate_low);
}

/* What fits into the pipe, without a queue. */
static size_t pipe_bytes(const FrctCongestion *c, uint64_t rate) {
        if (c->round_trip == NSEC_INFINITY || rate == 0)
                return c->packet_max * WINDOW_FIRST;

        return (size_t) (rate * (c->round_trip / NSEC_PER_USEC) / USEC_PER_SEC);
}

static size_t window_min(const FrctCongestion *c) {
        return c->packet_max * WINDOW_MIN;
}

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

static bool probes_upwards(const FrctCongestion *c) {
        return c->phase == PHASE_START || c->phase == PHASE_REFILL || c->phase == PHASE_UP;
}

/* A quarter, and some packets, however small the pipe: who has little gains more, and so shares become equal. */
static unsigned gain_up(const FrctCongestion *c) {
        size_t more = c->packet_max * UP_PACKETS * 100 / MAX(pipe_bytes(c, bandwidth(c)), c->packet_max);

        return GAIN_UP + (unsigned) MIN(more, UP_MORE_MAX);
}

static void set_pace(FrctCongestion *c) {
        const unsigned gains[] = {
                [PHASE_START] = GAIN_START,
                [PHASE_DRAIN] = GAIN_DRAIN,
                [PHASE_DOWN] = GAIN_DOWN,
                [PHASE_CRUISE] = 100,
                [PHASE_REFILL] = 100,
                [PHASE_UP] = gain_up(c),
                [PHASE_FLOOR] = 100,
        };
        nsec_t round_trip = c->round_trip == NSEC_INFINITY ? ROUND_TRIP_FIRST : MAX(c->round_trip, NSEC_PER_USEC);
        uint64_t rate = usable_rate(c);

        if (c->n_rounds < ROUNDS_FIRST)         /* little is known but, perhaps, a round trip */
                rate = MAX(rate, c->window * NSEC_PER_SEC / round_trip);

        c->pace = MAX(percent(percent(rate, gains[c->phase]), MARGIN), (uint64_t) c->packet_max * PACE_MIN);
}

static void enter(FrctCongestion *c, Phase phase, nsec_t now) {
        c->phase = phase;
        c->since = now;
        c->until = 0;
        c->phase_round = c->n_rounds;
}

/* -- the phases -- */

static void forget_low(FrctCongestion *c) {
        c->rate_low = UINT64_MAX;
        c->in_flight_low = SIZE_MAX;
}

/* What a cruise gave way to is what there is: all who share a queue lose the same part of what they have, and gain nearly the same
 * again when they probe; so they become equal. Alone, there is no queue that lasts through a cruise. */
static void refill(FrctCongestion *c, nsec_t now) {
        c->bandwidth[0] = MIN(c->bandwidth[0], c->rate_low);
        c->bandwidth[1] = MIN(c->bandwidth[1], c->rate_low);
        forget_low(c);
        enter(c, PHASE_REFILL, now);
}

/* A cycle ends: samples of the one before the last are too old. */
static void enter_down(FrctCongestion *c, nsec_t now) {
        enter(c, PHASE_DOWN, now);
        c->round = (Round) { .round_trip = NSEC_INFINITY };
        c->round_end = c->rate.delivered;
}

/* Flows that began together shall not probe together: their times are as good as chance, and repeat in a simulation. */
static void enter_cruise(FrctCongestion *c, nsec_t now) {
        enter(c, PHASE_CRUISE, now);
        c->dice = (c->dice ^ now) * UINT64_C(0x9e3779b97f4a7c15);
        c->dice ^= c->dice >> 29;
        c->until = now + CRUISE_MIN + c->dice % CRUISE_SPREAD;
}

static void enter_up(FrctCongestion *c, nsec_t now) {
        enter(c, PHASE_UP, now);
        c->n_up = 0;
        if (c->bandwidth[0] > 0) {
                c->bandwidth[1] = c->bandwidth[0];
                c->bandwidth[0] = 0;
        }
}

/* Where there is a congestion now, the flow has been too large with that much in flight. */
static void bound_high(FrctCongestion *c, size_t in_flight) {
        size_t least = MAX(percent(MIN(pipe_bytes(c, bandwidth(c)), c->window), GIVE_WAY), window_min(c));

        c->in_flight_high = MAX(in_flight, least);
}

/* Not one packet of the round was as quick as could be; slack: what is no queue yet. */
static bool has_queue(const FrctCongestion *c, nsec_t slack) {
        return c->round.round_trip != NSEC_INFINITY && c->round_trip != NSEC_INFINITY &&
                c->round.round_trip > c->round_trip + c->round_trip / 8 + slack;
}

static bool is_congested(const FrctCongestion *c, unsigned lost_min) {
        size_t all = c->round.lost + c->round.acknowledged;

        if (c->round.n_marked > 1 && c->round.n_marked * 100 >= c->round.n_acknowledged * MARKS_UP)
                return true;
        if (c->round.n_lost < lost_min || all < window_min(c))
                return false;

        return c->round.lost * 100 > all * (has_queue(c, QUEUE_LOSS) ? LOSS : LOSS_MASSIVE);
}

static void check_full(FrctCongestion *c, const FrctRateSample *s, bool round_ends) {
        if (c->full)
                return;

        if (is_congested(c, LOST_MIN_START)) {
                c->full = true;
                bound_high(c, MAX(pipe_bytes(c, bandwidth(c)), c->round.delivered));
                return;
        }

        if (!round_ends || s->application_limited)
                return;
        if (bandwidth(c) >= percent(c->full_bandwidth, GROWTH)) {
                c->full_bandwidth = bandwidth(c);
                c->n_full = 0;
        } else if (++c->n_full >= GROWTH_ROUNDS)
                c->full = true;
}

/* Cruising, and on the way down: each round that met congestion gives way a little, to what was delivered at least. */
static void give_way(FrctCongestion *c) {
        bool lossy = c->round.n_lost >= LOST_MIN && is_congested(c, LOST_MIN) && c->round.lost > 0;

        if (c->round.n_acknowledged > 0) {
                unsigned share = c->round.n_marked * MARKS_ONE / c->round.n_acknowledged;

                c->marks = c->marks - (c->marks >> MARKS_SHIFT) + (MIN(share, MARKS_ONE) >> MARKS_SHIFT);
        }
        if (probes_upwards(c))
                return;

        /* A whole round without one packet that met no queue: all who made it take back the same part. */
        if (c->phase == PHASE_CRUISE && has_queue(c, QUEUE_STANDING)) {
                uint64_t rate = MIN(c->rate_low, bandwidth(c));

                c->rate_low = MAX(rate - rate / QUEUE_PART, percent(bandwidth(c), GIVE_WAY));
        }
        if (!lossy && c->round.n_marked == 0)
                return;

        c->in_flight_low = MIN(c->in_flight_low, c->window);
        if (c->round.n_marked > 0)
                c->in_flight_low -= c->in_flight_low * c->marks / (MARKS_ONE * MARKS_FACTOR);
        if (lossy) {
                c->rate_low = MIN(c->rate_low, bandwidth(c));
                c->rate_low = MAX(c->round.rate, percent(c->rate_low, GIVE_WAY));
                c->in_flight_low = MAX(c->round.delivered, percent(c->in_flight_low, GIVE_WAY));
        }
        c->in_flight_low = MAX(c->in_flight_low, window_min(c));
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
        bool long_enough = now - c->since > c->round_trip && c->n_rounds > c->phase_round;

        if (is_congested(c, LOST_MIN)) {
                bound_high(c, s->in_flight);
                enter_down(c, now);
                return;
        }

        raise_high(c, s, in_flight, round_ends);
        if (long_enough && in_flight + s->acknowledged > percent(pipe_bytes(c, bandwidth(c)), gain_up(c)) + c->packet_max * 2)
                enter_down(c, now);
        else if (now - c->since > CRUISE_MIN && c->n_rounds > c->phase_round + GROWTH_ROUNDS)
                enter_down(c, now);             /* the application does not fill it */
}

/* Who has little asks for more often, as the window of TCP would grow to the same. */
static uint64_t cruise_rounds(const FrctCongestion *c) {
        return MIN(MAX(pipe_bytes(c, bandwidth(c)) / c->packet_max, CRUISE_ROUNDS_MIN), CRUISE_ROUNDS_MAX);
}

static size_t cruise_bound(const FrctCongestion *c) {
        if (c->in_flight_high == SIZE_MAX)
                return SIZE_MAX;

        return MAX(c->in_flight_high - percent(c->in_flight_high, HEADROOM), window_min(c));
}

static void move_on(FrctCongestion *c, const FrctRateSample *s, size_t in_flight, bool round_ends, nsec_t now) {
        size_t pipe = pipe_bytes(c, bandwidth(c));

        switch (c->phase) {

        case PHASE_START:
                check_full(c, s, round_ends);
                if (c->full)
                        enter(c, PHASE_DRAIN, now);
                break;

        case PHASE_DRAIN:
                if (in_flight <= pipe)
                        enter_down(c, now);
                break;

        case PHASE_DOWN:
                if (in_flight <= MIN(pipe, cruise_bound(c)) || now - c->since > CRUISE_MIN)
                        enter_cruise(c, now);
                break;

        case PHASE_CRUISE:
                if (now < c->until && c->n_rounds < c->phase_round + cruise_rounds(c))
                        break;
                refill(c, now);
                break;

        case PHASE_REFILL:
                if (c->n_rounds > c->phase_round + 1)
                        enter_up(c, now);
                break;

        case PHASE_UP:
                probe_up(c, s, in_flight, round_ends, now);
                break;

        case PHASE_FLOOR:
                if (c->until == 0 && in_flight <= MAX(percent(pipe, GAIN_WINDOW_FLOOR), window_min(c)))
                        c->until = now + FLOOR_FOR;
                if (c->until == 0 || now < c->until || c->n_rounds <= c->phase_round)
                        break;
                c->floor_at = now;
                c->window = MAX(c->window, c->window_before);
                if (c->full)
                        enter_cruise(c, now);
                else
                        enter(c, PHASE_START, now);
                break;
        }
}

/* -- the model -- */

static void learn_round_trip(FrctCongestion *c, nsec_t sample, nsec_t now) {
        bool stale = now > nsec_add(c->floor_at, FLOOR_EVERY);

        if (sample != NSEC_INFINITY && sample > 0) {
                c->round.round_trip = MIN(c->round.round_trip, sample);
                if (sample <= c->floor_round_trip || stale) {
                        c->floor_round_trip = sample;
                        c->floor_at = now;
                }
        }
        if (c->floor_round_trip <= c->round_trip || now > nsec_add(c->round_trip_at, FLOOR_KEPT)) {
                c->round_trip = c->floor_round_trip;
                c->round_trip_at = c->floor_at;
        }

        if (stale && !c->idle && c->phase != PHASE_FLOOR && c->round_trip != NSEC_INFINITY) {
                c->window_before = c->window;
                enter(c, PHASE_FLOOR, now);
        }
}

static void learn_extra(FrctCongestion *c, const FrctRateSample *s, nsec_t now) {
        uint64_t expected = bandwidth(c) * ((now - c->extra_since) / NSEC_PER_USEC) / USEC_PER_SEC;

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

        if (s->rate > bandwidth(c) || (!s->application_limited && s->rate > c->bandwidth[0]))
                c->bandwidth[0] = MAX(c->bandwidth[0], s->rate);
        if (s->n_acknowledged > 0)
                learn_extra(c, s, now);
}

static void set_window(FrctCongestion *c, const FrctRateSample *s) {
        unsigned gain = c->phase == PHASE_UP ? GAIN_WINDOW_UP : c->phase == PHASE_START ? GAIN_START : GAIN_WINDOW;
        size_t pipe = pipe_bytes(c, usable_rate(c)), target, bound = c->in_flight_high;

        target = percent(pipe, gain) + MAX(c->extra[0], c->extra[1]) + 3 * quantum(c);
        if (c->full)
                c->window = MIN(c->window + s->acknowledged, target);
        else if (c->window < target || c->rate.delivered < c->packet_max * WINDOW_FIRST)
                c->window += s->acknowledged;

        if (c->phase == PHASE_FLOOR)
                bound = percent(pipe, GAIN_WINDOW_FLOOR);
        else if (c->phase == PHASE_CRUISE || c->phase == PHASE_DOWN)
                bound = cruise_bound(c);
        bound = MIN(bound, c->in_flight_low);
        c->window = MAX(MIN(c->window, bound), window_min(c));
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
                .marks = MARKS_ONE,     /* the first mark is taken seriously */
                .window = packet_max * WINDOW_FIRST,
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
        c->window = MAX(c->window, window_min(c));
        set_pace(c);
}

bool frct_congestion_may_send(const FrctCongestion *c, size_t in_flight, nsec_t now, nsec_t *ret_at) {
        if (in_flight > 0 && in_flight + c->packet_max > c->window)
                return false;

        /* Whoever has to wait waits until several may be sent: fewer wake-ups. */
        *ret_at = c->paid <= now ? now : c->paid + cost(c, quantum(c)) - cost(c, c->packet_max);
        return true;
}

void frct_congestion_sent(FrctCongestion *c, size_t size, size_t in_flight, nsec_t now, FrctFlight *ret) {
        nsec_t burst = cost(c, allowance(c, BURST));

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
                give_way(c);
        move_on(c, &sample, in_flight, round_ends, now);
        if (round_ends)
                c->round = (Round) { .round_trip = NSEC_INFINITY };
        if (sample.n_acknowledged > 0)
                c->idle = false;

        set_pace(c);
        set_window(c, &sample);
}

void frct_congestion_timeout(FrctCongestion *c, nsec_t now) {
        c->window = window_min(c);
        c->round = (Round) { .round_trip = NSEC_INFINITY };
        c->round_end = c->rate.delivered;
}

size_t frct_congestion_window(const FrctCongestion *c) {
        return c->window;
}

uint64_t frct_congestion_pace(const FrctCongestion *c) {
        return c->pace;
}

uint64_t frct_congestion_rate(const FrctCongestion *c) {
        return bandwidth(c);
}
