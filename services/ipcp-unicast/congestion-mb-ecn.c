/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Multi-bit ECN. Members on the way mark packets with how long their queues are; the receiver follows the marks with a
 * level that forgets slowly, and tells the sender; the sender keeps to so many bytes per slot of time.
 *
 *   until the first report      the limit doubles with each slot that was used up
 *   from then on, per slot      level > 0: limit -= limit × level / 2^13
 *                               level 0:   limit = what was sent + increment
 *
 * Within a slot bytes become available little by little, but for the beginning of a flow, so that its own bursts do not
 * fill the queues that it is measured by. A slot is made shorter where it holds more than 64 packets and longer where
 * it holds fewer than 8, with its limit. The increment goes with the square of the slot, so that the rates of all
 * flows rise equally fast: that is what makes flows with different slots end at similar shares. What a burst sent
 * beyond the limit is taken off the next slot.
 */

#include "services/ipcp-unicast/congestion.h"

#define SLOT_INITIAL_USEC ((usec_t) 16777)      /* 2^24 ns */
#define SLOT_MIN_USEC ((usec_t) 2097)           /* 2^21 ns: shorter ones are over before a timer has elapsed */
#define SLOT_MAX_USEC USEC_PER_SEC              /* nobody waits longer */
#define LIMIT_INITIAL_BYTES UINT64_C(65536)
#define LIMIT_MIN_BYTES UINT64_C(256)           /* less than a packet; one goes in each slot in any case */
#define LIMIT_MAX_BYTES (UINT64_C(1) << 40)     /* times a level of 16 bits stays far below 2^64 */
#define INCREMENT_BYTES UINT64_C(1024)          /* in a slot of the initial length: 29 Mbit/s more in a second */
#define SLOT_PACKETS_MIN 8U
#define SLOT_PACKETS_MAX 64U
#define LATE_USEC (4 * USEC_PER_MSEC)
#define PARTS 8U                                /* of a slot, and of its bytes */
#define LEVEL_SHIFT 13U
#define LEVEL_KEEP_PACKETS 32U                  /* after so many without a report the level counts as 0 */
#define PACKET_INITIAL_BYTES 1024U
#define UPDATE_EVERY 8U                         /* packets, while there are marks */

static void mb_ecn_init(Congestion *c, usec_t now) {
        c->slot_begin = now;
        c->slot_usec = SLOT_INITIAL_USEC;
        c->limit_bytes = LIMIT_INITIAL_BYTES;
        c->packet_bytes = PACKET_INITIAL_BYTES;
}

/* -- sending -- */

static uint64_t increment(const Congestion *c) {
        uint64_t square = c->slot_usec * c->slot_usec;

        return MAX(INCREMENT_BYTES * square / (SLOT_INITIAL_USEC * SLOT_INITIAL_USEC), UINT64_C(1));
}

static void limit_set(Congestion *c, uint64_t bytes) {
        c->limit_bytes = CLAMP(bytes, LIMIT_MIN_BYTES, LIMIT_MAX_BYTES);
}

static void adjust_limit(Congestion *c, uint64_t used, bool used_up) {
        uint64_t less;

        if (!c->avoiding) {
                if (used_up)
                        limit_set(c, 2 * c->limit_bytes);
                return;
        }

        if (c->level == 0)
                return limit_set(c, (used_up ? c->limit_bytes : used) + increment(c));

        less = c->limit_bytes * c->level >> LEVEL_SHIFT;
        limit_set(c, c->limit_bytes - MIN(less, c->limit_bytes));
}

/* A slot that is short of packets because nobody wanted to send more says nothing about its length. */
static void adjust_slot(Congestion *c, bool used_up) {
        if (c->sent_packets > SLOT_PACKETS_MAX && c->slot_usec / 2 >= SLOT_MIN_USEC) {
                c->slot_usec /= 2;
                limit_set(c, c->limit_bytes / 2);
        } else if (c->sent_packets < SLOT_PACKETS_MIN && used_up && c->slot_usec * 2 <= SLOT_MAX_USEC) {
                c->slot_usec *= 2;
                limit_set(c, c->limit_bytes * 2);
        }
}

/* What a sender that was refused did not come back for in time. It has a few milliseconds for that: timers are no
 * better. */
static uint64_t left_over(const Congestion *c, uint64_t unused, uint64_t n_slots) {
        uint64_t missed = unused + MIN(n_slots - 1, LATE_USEC / SLOT_MIN_USEC + 1) * c->limit_bytes;

        return MIN(missed, c->limit_bytes * LATE_USEC / c->slot_usec);
}

/* Ends the slots that are over. Of several the first was in use; in the others nothing was sent. */
static void advance(Congestion *c, usec_t now) {
        uint64_t n_slots = usec_sub(now, c->slot_begin) / c->slot_usec;
        uint64_t used = c->sent_bytes + c->debt_bytes, allowed = c->limit_bytes + c->credit_bytes;
        bool used_up = used >= c->limit_bytes || (c->refused && used >= c->limit_bytes / 2);

        if (n_slots == 0)
                return;

        c->slot_begin += n_slots * c->slot_usec;
        c->debt_bytes = used > allowed && n_slots == 1 ? used - allowed : 0;
        if (c->sent_packets > 0) {
                adjust_limit(c, used, used_up);
                adjust_slot(c, used_up);
        }

        c->debt_bytes = MIN(c->debt_bytes, c->limit_bytes - 1);         /* each slot lets a packet go */
        c->credit_bytes = c->refused ? left_over(c, allowed - MIN(used, allowed), n_slots) : 0;
        c->refused = false;
        c->sent_bytes = 0;
        c->sent_packets = 0;
}

/* What of the slot's bytes may be out by now: the first part from its beginning, the rest as time passes. */
static uint64_t available(const Congestion *c, usec_t now) {
        usec_t passed = usec_sub(now, c->slot_begin) + c->slot_usec / PARTS;

        return c->avoiding ? c->limit_bytes * MIN(passed, c->slot_usec) / c->slot_usec : c->limit_bytes;
}

static unsigned mb_ecn_budget(Congestion *c, unsigned max, usec_t now, usec_t *ret_again) {
        uint64_t used, allowed, n;

        advance(c, now);

        used = c->sent_bytes + c->debt_bytes;
        allowed = MAX(available(c, now) + c->credit_bytes, UINT64_C(1));
        if (used >= allowed) {
                uint64_t used_of_limit = used - MIN(used, c->credit_bytes);
                usec_t wait = c->slot_usec;

                c->refused = true;
                if (c->avoiding && used_of_limit < c->limit_bytes)
                        wait = used_of_limit * c->slot_usec / c->limit_bytes + 1;

                *ret_again = usec_add(c->slot_begin, MIN(wait, c->slot_usec));
                return 0;
        }

        n = MAX((allowed - used) / c->packet_bytes, UINT64_C(1));
        return (unsigned) MIN(n, (uint64_t) max);
}

static void mb_ecn_sent(Congestion *c, unsigned n_packets, size_t bytes, usec_t now) {
        advance(c, now);

        c->sent_bytes += bytes;
        c->sent_packets += n_packets;
        c->packet_bytes = MAX((7 * c->packet_bytes + bytes / n_packets) / 8, (size_t) 1);

        c->n_since_update += MIN(n_packets, UINT32_MAX - c->n_since_update);
        if (c->n_since_update > LEVEL_KEEP_PACKETS)
                c->level = 0;
}

static void mb_ecn_update(Congestion *c, uint16_t level, usec_t now) {
        advance(c, now);

        c->level = level;
        c->n_since_update = 0;
        c->avoiding = true;
}

/* -- receiving -- */

static bool mb_ecn_received(Congestion *c, uint8_t ecn, uint16_t *ret_level) {
        bool tell;

        if (ecn == 0 && c->measured == 0)
                return false;

        if (ecn == 0) {
                c->measured >>= 2;
                tell = c->measured == 0;
        } else if (c->measured == 0) {
                c->measured = ecn;
                c->counter = 0;
                tell = true;
        } else {
                c->measured = (uint16_t) (c->measured - (c->measured >> 5) + ecn);      /* settles at 32 × 255 */
                tell = c->counter++ % UPDATE_EVERY == 1;
        }

        if (tell)
                *ret_level = c->measured;
        return tell;
}

/* -- in between -- */

/* Sixteen packets are a burst and no queue. Marks are or-ed together on the way. */
static uint8_t mb_ecn_mark(unsigned queued) {
        return (uint8_t) MIN(queued >> 4, 255U);
}

const CongestionOps congestion_mb_ecn = {
        .init = mb_ecn_init,
        .budget = mb_ecn_budget,
        .sent = mb_ecn_sent,
        .received = mb_ecn_received,
        .update = mb_ecn_update,
        .mark = mb_ecn_mark,
};
