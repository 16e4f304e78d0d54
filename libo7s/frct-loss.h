/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is in flight, in the order in which it was sent, and what of it is lost. Towards 0.23.0, which says only up to
 * where all is well, each segment has its time-out. Towards o7s, which says what arrived, a segment is lost when one
 * that was sent later has arrived a round trip and some reordering ago (RFC 8985 is the model). Behind the last ones of
 * a flight nothing is sent: they are asked for by sending the oldest again, whose acknowledgement tells of all others,
 * and only if that changes nothing all is lost.
 */

#include "libo7s/frct-rtt.h"
#include "libo7s/frct-segments.h"

/* What a peer may keep an acknowledgement for: its delay of 10 ms, its tick of 5 ms, and a scheduler between them. */
#define FRCT_ACKNOWLEDGEMENT_DELAY ((nsec_t) 20 * NSEC_PER_MSEC)

typedef struct FrctLoss {
        List flight;                    /* of FrctSegment, sent_at ascending */
        bool extended;
        nsec_t newest_at;               /* when the newest segment that is known to have arrived was sent; 0: none */
        nsec_t newest_rtt;              /* and how long it took to hear of that */
        nsec_t reordering;              /* how much later than expected segments were seen to arrive */
        nsec_t reordering_at;           /* when that was last looked at */
        nsec_t sent_at;                 /* anything, last */
        nsec_t progress_at;             /* something was acknowledged */
        nsec_t backed_off_at;           /* what was sent before does not make the time-out longer again */
        nsec_t timed_out_before;        /* what was sent before has timed out */
        bool probed;                    /* since the last progress */
} FrctLoss;

typedef enum FrctLossEvent {
        FRCT_LOSS_NONE,
        FRCT_LOSS_PROBE,                /* ask, by sending one segment again; it does not count as lost */
        FRCT_LOSS_TIMEOUT,              /* all that has timed out: frct_loss_next_lost() yields it */
} FrctLossEvent;

void frct_loss_init(FrctLoss *l, bool extended);

void frct_loss_sent(FrctLoss *l, FrctSegment *segment, nsec_t now);

/* A segment turned out to have arrived; it is still as it was when it was sent. before: .newest_at before this
 * acknowledgement. Takes it out of the flight. */
void frct_loss_arrived(FrctLoss *l, const FrctRtt *rtt, FrctSegment *segment, nsec_t before, nsec_t now);

/* The next segment that is lost by now, taken out of the flight. timeout: the timer has fired. Returns NULL: none. */
FrctSegment *frct_loss_next_lost(FrctLoss *l, const FrctRtt *rtt, bool timeout, nsec_t now);

/* What the timer says, and backs off where it has fired. */
FrctLossEvent frct_loss_expire(FrctLoss *l, FrctRtt *rtt, nsec_t now);

nsec_t frct_loss_next(const FrctLoss *l, const FrctRtt *rtt);
