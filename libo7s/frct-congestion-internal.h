/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What frct-congestion.c (the model, pace and window) and frct-phase.c (what to do with it) share. */

#include "libo7s/frct-congestion.h"

#define FRCT_WINDOW_FIRST 16U           /* packets */
#define FRCT_WINDOW_MIN 4U
#define FRCT_GAIN_START 277U            /* percent */
#define FRCT_GAIN_WINDOW_FLOOR 50U
#define FRCT_MARKS_ONE 1024U            /* all packets of a round have a mark */
#define FRCT_LOSS_ONE 65536U            /* all packets are lost */

typedef enum FrctPhase {
        FRCT_PHASE_START,
        FRCT_PHASE_DRAIN,
        FRCT_PHASE_DOWN,
        FRCT_PHASE_CRUISE,
        FRCT_PHASE_REFILL,
        FRCT_PHASE_UP,
        FRCT_PHASE_FLOOR,
} FrctPhase;

/* What happened in one round trip: between a packet's transmission and its acknowledgement. */
typedef struct FrctRound {
        size_t lost, acknowledged;
        unsigned n_lost, n_acknowledged, n_marked;
        uint64_t rate;                  /* the largest sample */
        uint64_t delivered;             /* within one sample, at most */
        nsec_t round_trip;              /* smallest */
        nsec_t round_trip_max;
} FrctRound;

/* Round trips of one of the last rounds. */
typedef struct FrctRecent {
        nsec_t least, most;
} FrctRecent;

#define FRCT_RECENT_ROUNDS 4U

struct FrctCongestion {
        size_t packet_max;
        FrctRate rate;
        uint64_t dice;

        FrctPhase phase;
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

        FrctRound round;
        FrctRecent recent[FRCT_RECENT_ROUNDS];
        nsec_t spread;                  /* of the round trips in them */
        uint64_t n_rounds;
        uint64_t round_end;             /* .rate.delivered at which it ends */
        uint64_t full_bandwidth;
        unsigned n_full;                /* rounds that brought nothing */
        bool full;
        unsigned n_up;                  /* rounds of this probe upwards */
        unsigned marks;                 /* smoothed share, of MARKS_ONE */
        unsigned chance;                /* smoothed share that is lost where there is no queue, of LOSS_ONE */

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

static inline uint64_t frct_percent(uint64_t value, unsigned n) {
        return value > UINT64_MAX / 512 ? value / 100 * n : value * n / 100;
}

static inline uint64_t frct_bandwidth(const FrctCongestion *c) {
        return MAX(c->bandwidth[0], c->bandwidth[1]);
}

static inline uint64_t frct_usable_rate(const FrctCongestion *c) {
        return MIN(frct_bandwidth(c), c->rate_low);
}

/* What fits into the pipe, without a queue. */
static inline size_t frct_pipe_bytes(const FrctCongestion *c, uint64_t rate) {
        if (c->round_trip == NSEC_INFINITY || rate == 0)
                return c->packet_max * FRCT_WINDOW_FIRST;

        return (size_t) (rate * (c->round_trip / NSEC_PER_USEC) / USEC_PER_SEC);
}

/* In flight beyond what the pipe holds, only because acknowledgements come in heaps. */
static inline size_t frct_extra(const FrctCongestion *c) {
        return MAX(c->extra[0], c->extra[1]);
}

static inline size_t frct_window_min(const FrctCongestion *c) {
        return c->packet_max * FRCT_WINDOW_MIN;
}

/* -- frct-phase.c -- */

/* Of the estimated rate, in percent: how fast to send. */
unsigned frct_phase_gain(const FrctCongestion *c);

/* What may be in flight at most, by this phase. */
size_t frct_phase_bound(const FrctCongestion *c);

/* Time to see the round trip without a queue. */
void frct_phase_enter_floor(FrctCongestion *c, nsec_t now);

/* A round is over: a little less, where it met congestion. */
void frct_phase_give_way(FrctCongestion *c);

void frct_phase_move_on(FrctCongestion *c, const FrctRateSample *s, size_t in_flight, bool round_ends, nsec_t now);
