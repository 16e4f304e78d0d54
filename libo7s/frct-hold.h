/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long the packets of a lossy flow wait for those that they have overtaken. Nothing is sent again on such a flow:
 * what is missing is late, or lost, and nobody says which. Waiting for what is lost only makes its successors late,
 * too. So a packet waits for a quarter of what it may (FrctConfig.hold_max), and for longer where packets were seen to
 * arrive later than that, in time or not:
 *
 *      6 is there            5 fills the gap                     how late 5 was: since the first came that was behind it
 *      │◄──── it waits ─────►│                                   how long 6 may wait: a quarter more than the latest
 *                                                                of the last seconds
 *
 * A gap that was given up is remembered for a while, so that what turns up after all says how long to wait next time.
 * The packets themselves are in an FrctOrder. Pure; nothing in it is the peer's but numbers.
 */

#include "basic/time.h"
#include "libo7s/frct-assembly.h"

#define FRCT_HOLD_PACKETS 256U          /* numbers that those waiting may span, the missing ones included */
#define FRCT_HOLD_GAPS 8U

typedef struct FrctGap {
        uint32_t begin, end;            /* numbers that were given up; the same: none */
        nsec_t opened_at;
} FrctGap;

typedef struct FrctHold {
        nsec_t limit;                   /* nobody waits longer; 0: nobody waits */
        List waiting;                   /* of FrctChunk, in the order in which they came; not owned */
        nsec_t late[2];                 /* how late packets were at most: in this span, in the one before */
        nsec_t span_at;                 /* when this one began */
        FrctGap given_up[FRCT_HOLD_GAPS];
        unsigned n_given_up;            /* of all; the newest is at that less one, modulo their number */
} FrctHold;

void frct_hold_init(FrctHold *h, nsec_t limit, nsec_t now);

/* A packet with this number begins to wait. */
void frct_hold_wait(FrctHold *h, FrctChunk *chunk, uint32_t sequence, nsec_t now);

/* When it must wait no longer, that has done so for the longest time. NSEC_INFINITY: nobody waits. */
nsec_t frct_hold_due(const FrctHold *h, nsec_t now);

/* These numbers are waited for no more, but those behind them wait still. */
void frct_hold_give_up(FrctHold *h, uint32_t begin, uint32_t end);

/* A packet that others had overtaken is there: in time; or not, and it is dropped. */
void frct_hold_filled(FrctHold *h, uint32_t sequence, nsec_t now);
void frct_hold_missed(FrctHold *h, uint32_t sequence, nsec_t now);
