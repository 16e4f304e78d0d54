/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a flow sends, held against what it asked for. A place ahead of others is given to a rate, not to a program: a
 * token bucket per flow fills at that rate, what the flow sends takes from it, and while it is empty the flow has no
 * such place (upper.h says what that means). Nothing is dropped or delayed in here. Pure: the time is an argument.
 *
 *      level   depth ─── full: as much may be sent at once
 *                │
 *                0 ───── used up: over, until it is full again and the flow was silent for POLICER_GAP_USEC
 *                │
 *                └ below: the burst that used it up went further; that is paid off first
 *
 * While a flow is over what it sends keeps the bucket from filling, and makes no new debt: it waits behind others by
 * then. The way back is as long as it is so that a flow does not change its place with every burst, and so that what
 * it sent last has most likely left the queues below before something overtakes it there.
 */

#include "basic/time.h"

/* Whatever the rate: some packets of the largest size, such as those that try the path's MTU */
#define POLICER_DEPTH_MIN_BYTES (16U * 1024U)
/* what a sender may fall behind and catch up with, and a large picture of a film */
#define POLICER_DEPTH_USEC (250 * USEC_PER_MSEC)
#define POLICER_GAP_USEC (10 * USEC_PER_MSEC)
/* Of each packet so much, but never more than half of it, is ours: an application asks for what it writes, and knows
 * nothing of the headers of FRCT and of packet protection. */
#define POLICER_HEADER_BYTES 48U

typedef struct Policer {
        uint64_t rate_bps;              /* 0: nothing is held against the flow */
        int64_t depth;                  /* in millionths of a bit, as level */
        int64_t level;
        usec_t filled;                  /* when level was right */
        usec_t sent;                    /* when the last packet was */
        bool over;
} Policer;

/* A full bucket. */
void policer_init(Policer *policer, uint64_t rate_bps, usec_t now);

/* Whether the flow has sent more than its rate, and not recovered since. */
bool policer_is_over(Policer *policer, usec_t now);

/* What a packet of so many bytes takes, in bytes. */
size_t policer_cost(size_t bytes);

/* The flow sends packets of this cost, all together, now. */
void policer_charge(Policer *policer, size_t cost, usec_t now);
