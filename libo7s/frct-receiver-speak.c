/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the peer is told of its packets, and when. Everything rides on packets that leave anyway; a time says when
 * that is too late.
 *
 * 12 bytes, reliable: a second packet is acknowledged at once, a first one within 10 ms, a duplicate again at once.
 *
 * Extended, reliable: at once what the peer waits for: a new hole, a hole filled, duplicates, marks, the first of a
 * run, FINISH, probes. Otherwise, and that is also behind a hole that was told, every second packet, a single one
 * within 5 ms; but acknowledgements of a fast flow are at least half a millisecond apart, unless eight packets wait.
 * So a slow flow has an acknowledgement per two packets, a fast one per eight.
 *
 * Lossy: windows only. The peer begins with 64 packets, and one of 0.23.0 never asks for more, so it is told whenever
 * a quarter of the window is used up. Such a peer is also told again (three times in growing intervals) when it falls
 * silent: it may be waiting at an edge, and what we said may be lost. The same holds for a reliable one whose window
 * was closed.
 */

#include "libo7s/frct-receiver-internal.h"

#define DELAY_PLAIN (10 * NSEC_PER_MSEC)
#define DELAY_EXTENDED (5 * NSEC_PER_MSEC)
#define DELAY_LOSSY (100 * NSEC_PER_MSEC)       /* echo and marks of an extended flow */
#define DELAY_OPENED (10 * NSEC_PER_MSEC)
#define APART_MIN (500 * NSEC_PER_USEC)
#define PACKETS_MAX 8U

#define REPEATS_LOSSY 3U
#define REPEATS_OPENED 5U
#define REPEAT_INTERVAL (100 * NSEC_PER_MSEC)
#define REPEAT_AFTER 32U                        /* packets of a lossy flow */

#define ECHO_BYTES 12U
#define RANGE_BYTES 8U

void frct_receiver_speak_by(FrctReceiver *r, nsec_t at) {
        r->speak_at = MIN(r->speak_at, at);
}

void frct_receiver_speak_run(FrctReceiver *r) {
        r->told = r->expected + FRCT_WINDOW_START;
        r->acknowledged = r->expected;
        r->n_unacknowledged = 0;
        r->forced = false;
        r->answer = false;
        r->n_since_repeat = 0;
        r->n_repeats = 0;
        r->repeat_at = NSEC_INFINITY;
}

static void repeat_arm(FrctReceiver *r, unsigned n, nsec_t now) {
        if (r->extended)                /* such a sender asks */
                return;

        r->n_repeats = n;
        r->repeat_interval = REPEAT_INTERVAL;
        r->repeat_at = nsec_add(now, REPEAT_INTERVAL);
}

static void taken_lossy(FrctReceiver *r, bool urgent, nsec_t now) {
        if (urgent || r->told - r->expected < r->window - r->window / 4 || frct_before(r->told, r->expected))
                frct_receiver_speak_by(r, now);
        else if (r->extended)
                frct_receiver_speak_by(r, nsec_add(now, DELAY_LOSSY));

        if (++r->n_since_repeat >= REPEAT_AFTER)
                repeat_arm(r, REPEATS_LOSSY, now);
}

void frct_receiver_speak_taken(FrctReceiver *r, bool urgent, nsec_t now) {
        if (!r->reliable) {
                taken_lossy(r, urgent, now);
                return;
        }

        if (urgent || r->n_unacknowledged >= (r->extended ? PACKETS_MAX : 2))
                frct_receiver_speak_by(r, now);
        else if (r->n_unacknowledged >= 2)
                frct_receiver_speak_by(r, MAX(now, nsec_add(r->spoke_at, APART_MIN)));
        else if (r->n_unacknowledged > 0)
                frct_receiver_speak_by(r, nsec_add(now, r->extended ? DELAY_EXTENDED : DELAY_PLAIN));
}

void frct_receiver_speak_opened(FrctReceiver *r, bool was_closed, nsec_t now) {
        uint32_t opened = frct_receiver_right_edge(r) - r->told, quarter = r->window / 4;

        if (opened == 0)
                return;

        /* Not for every single message that is read, but not never either where the peer may be waiting for it. */
        if (opened >= quarter)
                frct_receiver_speak_by(r, now);
        else if (r->told - r->expected < quarter)
                frct_receiver_speak_by(r, nsec_add(now, DELAY_OPENED));

        if (was_closed)
                repeat_arm(r, REPEATS_OPENED, now);
}

void frct_receiver_hurry(FrctReceiver *r, nsec_t now) {
        assert(r);

        if (r->run && r->reliable && r->acknowledged != r->expected)
                frct_receiver_speak_by(r, now);
}

static nsec_t speak_next(const FrctReceiver *r) {
        return r->error < 0 ? NSEC_INFINITY : MIN(r->speak_at, r->repeat_at);
}

nsec_t frct_receiver_next(const FrctReceiver *r, nsec_t now) {
        assert(r);

        return MIN(speak_next(r), frct_hold_due(&r->hold, now));
}

bool frct_receiver_must_speak(const FrctReceiver *r, nsec_t now) {
        assert(r);

        return speak_next(r) <= now;
}

static void speak_plain(const FrctReceiver *r, FrctHeader *header, bool with_data, nsec_t now) {
        bool silence = now / NSEC_PER_SEC - r->heard_at / NSEC_PER_SEC > FRCT_ACKNOWLEDGE_MAX / NSEC_PER_SEC;
        bool news = r->forced || r->acknowledged != r->expected;

        /* A rendez-vous of ours is read for nothing else. */
        if (header->flags & FRCT_RENDEZVOUS || !r->run)
                return;

        header->flags |= FRCT_WINDOW;
        header->window = frct_receiver_right_edge(r) & FRCT_WINDOW_MASK;

        if (r->reliable && !silence && (with_data || news || !r->answer)) {
                header->flags |= FRCT_ACKNOWLEDGE;
                header->acknowledgement = r->expected;
        }
}

static void speak_echo(const FrctReceiver *r, FrctHeader *header, nsec_t now) {
        nsec_t hold_usec = nsec_sub(now, r->echo_at) / NSEC_PER_USEC;

        header->extension |= FRCT_X_ECHO;
        header->echo = r->echo;
        header->hold_usec = (uint32_t) MIN(hold_usec, (nsec_t) UINT32_MAX);
        header->marked = (uint32_t) r->marked;
}

void frct_receiver_speak(FrctReceiver *r, FrctHeader *header, size_t room, bool with_data, nsec_t now) {
        size_t n_ranges;

        assert(r);
        assert(header);

        if (r->error < 0)
                return;
        if (!r->extended) {
                speak_plain(r, header, with_data, now);
                return;
        }

        /* The position has one meaning at a time; the answer waits for the next packet. */
        if (r->probed > 0 && !(header->extension & (FRCT_X_PROBE | FRCT_X_PIECE))) {
                header->extension |= FRCT_X_PROBED;
                header->position = (uint16_t) r->probed;
        }
        if (!r->run)
                return;

        header->flags |= FRCT_WINDOW;
        header->window = frct_receiver_right_edge(r) & FRCT_WINDOW_MASK;
        if (r->echo_due && room >= ECHO_BYTES) {
                speak_echo(r, header, now);
                room -= ECHO_BYTES;
        }
        if (!r->reliable)
                return;

        header->flags |= FRCT_ACKNOWLEDGE;
        header->acknowledgement = r->expected;

        /* Data needs the room more than ranges that were told before. */
        if (with_data && r->order.n_recent == 0)
                return;
        n_ranges = MIN(room / RANGE_BYTES, (size_t) FRCT_RANGES_MAX);
        header->n_ranges = (uint8_t) frct_order_ranges(&r->order, header->ranges, (unsigned) n_ranges);
}

static void repeat_spoken(FrctReceiver *r, nsec_t now) {
        if (now < r->repeat_at)
                return;

        r->n_since_repeat = 0;
        r->n_repeats = r->n_repeats > 0 ? r->n_repeats - 1 : 0;
        r->repeat_interval *= 4;
        r->repeat_at = r->n_repeats > 0 ? nsec_add(now, r->repeat_interval) : NSEC_INFINITY;
}

void frct_receiver_spoke(FrctReceiver *r, const FrctHeader *header, nsec_t now) {
        assert(r);
        assert(header);

        if (header->extension & FRCT_X_PROBED)
                r->probed = 0;
        if (header->extension & FRCT_X_ECHO)
                r->echo_due = false;

        if (header->flags & FRCT_ACKNOWLEDGE) {
                r->acknowledged = header->acknowledgement;
                r->n_unacknowledged = 0;
                r->forced = false;
                r->spoke_at = now;
                if (header->n_ranges > 0)
                        frct_order_told(&r->order);
        }

        if (header->flags & FRCT_WINDOW) {
                r->told = r->expected + ((header->window - r->expected) & FRCT_WINDOW_MASK);
                r->answer = false;
                r->speak_at = NSEC_INFINITY;
                repeat_spoken(r, now);
        }

        if (!r->run)                    /* of one that is over there is nothing to repeat either */
                r->speak_at = r->repeat_at = NSEC_INFINITY;
        if (r->probed > 0)
                r->speak_at = now;
}
