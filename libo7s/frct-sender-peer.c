/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the peer says, and what its silence means. Nothing of it is believed beyond reason: acknowledgements of what was
 * never sent and edges far beyond what a receiver can promise are counted and ignored, and so are edges that jump back
 * (which old packets do).
 */

#include "libo7s/frct-sender-internal.h"

#define WINDOW_PLAIN_MAX 256            /* packets beyond our newest that a receiver can promise */
#define WINDOW_EXTENDED_MAX (1 << 20)
#define ECHO_USEC_MAX UINT32_C(0x7fffffff)
#define MARKED_MAX (1U << 16)           /* packets with a mark that one acknowledgement is believed to bring */

static uint32_t sent_end(const FrctSender *s) {
        return s->unsent ? s->unsent->number : s->segments.next;
}

static void arrived(FrctSender *s, FrctSegment *segment, nsec_t before, nsec_t now) {
        if (segment->n_sent > 0)
                frct_loss_arrived(&s->loss, &s->rtt, segment, before, now);

        s->in_flight -= segment->wire_size;
        if (s->congestion)
                frct_congestion_acknowledged(s->congestion, segment->sent_size, &segment->flight, now);
        if (s->config.extended && segment->sent_size <= s->mtu.current)
                frct_mtu_acknowledged(&s->mtu, segment->sent_size);

        s->stats.bytes_acknowledged += segment->size;
        frct_sender_release(s, segment);
}

/* All segments from the number on and before the end. Returns how many there still were. */
static unsigned acknowledge(FrctSender *s, uint32_t number, uint32_t end, nsec_t before, nsec_t now) {
        FrctSegment *segment;
        unsigned n = 0;

        while ((segment = frct_segments_find(&s->segments, &number, end))) {
                arrived(s, segment, before, now);
                number++;
                n++;
        }

        return n;
}

static unsigned heard_acknowledgement(FrctSender *s, const FrctHeader *header, nsec_t now) {
        uint32_t left = header->acknowledgement;
        nsec_t before = s->loss.newest_at;
        unsigned n = 0;

        if (frct_before(sent_end(s), left)) {
                s->stats.malformed++;
                return 0;
        }

        if (frct_before(s->segments.left, left)) {
                n += acknowledge(s, s->segments.left, left, before, now);
                frct_segments_advance(&s->segments, left);
                s->alive_at = now;

                /* Of 12 bytes it says nothing about time: what arrives may be the copy that was sent too early, and a
                 * queue grows with each of those. There a sample ends the back-off (RFC 6298, end of section 5). */
                if (s->config.extended)
                        frct_rtt_recover(&s->rtt);
        }

        if (s->timing && frct_before(s->timing_number, left)) {
                s->timing = false;
                frct_rtt_sample(&s->rtt, now - s->timing_at);
        }

        for (unsigned i = 0; s->config.extended && i < header->n_ranges; i++) {
                const FrctRange *range = &header->ranges[i];
                uint32_t begin = frct_before(range->begin, s->segments.left) ? s->segments.left : range->begin;

                if (frct_before(sent_end(s), range->end))
                        s->stats.malformed++;
                else
                        n += acknowledge(s, begin, range->end, before, now);
        }

        return n;
}

static void heard_window(FrctSender *s, uint32_t window, nsec_t now) {
        int32_t limit = s->config.extended ? WINDOW_EXTENDED_MAX : WINDOW_PLAIN_MAX;
        uint32_t moved = (window - s->right) & FRCT_WINDOW_MASK;
        uint32_t right = s->right + moved;

        /* Its receiver answers: it is slow, not gone. */
        if (frct_sender_is_closed(s))
                s->alive_at = now;

        if (moved == 0 || moved > FRCT_WINDOW_MASK / 2)
                return;
        if ((int32_t) (right - s->segments.next) > limit) {
                s->stats.malformed++;
                return;
        }

        s->right = right;
}

/* Returns the round trip, or NSEC_INFINITY where this says nothing new. */
static nsec_t heard_echo(FrctSender *s, const FrctHeader *header, nsec_t now) {
        uint32_t now_usec = (uint32_t) (now / NSEC_PER_USEC);
        uint32_t elapsed = now_usec - header->echo;
        nsec_t sample;

        if (s->echoed && s->echo == header->echo)
                return NSEC_INFINITY;
        if (elapsed > ECHO_USEC_MAX || header->hold_usec > elapsed) {
                s->stats.malformed++;
                return NSEC_INFINITY;
        }

        s->echoed = true;
        s->echo = header->echo;
        sample = (nsec_t) (elapsed - header->hold_usec) * NSEC_PER_USEC;
        frct_rtt_sample(&s->rtt, sample);
        return MAX(sample, (nsec_t) 1);
}

static unsigned heard_marks(FrctSender *s, uint32_t marked) {
        uint32_t n = marked - s->marked;

        if (n > UINT32_MAX / 2)                 /* older than what we know */
                return 0;

        s->marked = marked;
        return MIN(n, MARKED_MAX);
}

static void mtu_changed(FrctSender *s) {
        if (s->congestion)
                frct_congestion_set_packet_max(s->congestion, s->mtu.current);
}

/* Sends again what is lost by now. Returns how many. */
static unsigned declare_lost(FrctSender *s, bool timeout, nsec_t now) {
        FrctSegment *segment;
        unsigned n = 0;

        while ((segment = frct_loss_next_lost(&s->loss, &s->rtt, timeout, now))) {
                /* Again and again, while others arrive: perhaps it is too large (the timer asks for the oldest itself).
                 * */
                if (s->config.extended && !timeout && segment->n_sent > 1 &&
                    frct_mtu_timed_out(&s->mtu, segment->wire_size, now))
                        mtu_changed(s);
                if (s->congestion)
                        frct_congestion_lost(s->congestion, segment->wire_size, &segment->flight, now);
                if (s->timing && s->timing_number == segment->number)
                        s->timing = false;      /* its acknowledgement would not say which one it is of */

                s->in_flight -= segment->wire_size;
                segment->wire_size = 0;
                s->stats.lost++;
                list_append(&s->due, &segment->by_stage);
                n++;
        }

        return n;
}

void frct_sender_heard(FrctSender *s, const FrctHeader *header, nsec_t now) {
        unsigned n = 0, n_marked = 0;
        nsec_t rtt = NSEC_INFINITY;

        if (s->error < 0)
                return;

        if (s->config.extended && header->extension & FRCT_X_ECHO) {
                rtt = heard_echo(s, header, now);
                n_marked = heard_marks(s, header->marked);
        }
        if (s->config.reliable && header->flags & FRCT_ACKNOWLEDGE)
                n += heard_acknowledgement(s, header, now);
        if (header->flags & FRCT_WINDOW)
                heard_window(s, header->window, now);
        if (s->config.extended && header->extension & FRCT_X_PROBED && frct_mtu_probed(&s->mtu, header->position, now))
                mtu_changed(s);

        if (n > 0)
                n += declare_lost(s, false, now);
        if (s->congestion && (n > 0 || n_marked > 0 || rtt != NSEC_INFINITY))
                frct_congestion_update(s->congestion, s->in_flight, rtt, n_marked, now);

        frct_sender_watch_window(s, now);
}

nsec_t frct_sender_give_up_at(const FrctSender *s) {
        if (!s->config.reliable || (frct_sender_outstanding(s) == 0 && !frct_sender_is_closed(s)))
                return NSEC_INFINITY;

        return s->alive_at + FRCT_RETRANSMIT_MAX;
}

/* The oldest is what the peer waits for, and it may be the one that begins the run, without which it takes no other. */
static void oldest_first(FrctSender *s) {
        uint32_t number = s->segments.left;
        FrctSegment *segment = frct_segments_find(&s->segments, &number, sent_end(s));

        if (!segment)
                return;

        s->in_flight -= segment->wire_size;
        segment->wire_size = 0;
        list_unlink(&segment->by_stage);
        list_prepend(&s->due, &segment->by_stage);
}

static void timed_out(FrctSender *s, nsec_t now) {
        const FrctSegment *oldest = list_first(&s->loss.flight, FrctSegment, by_stage);

        if (s->config.extended && oldest && frct_mtu_timed_out(&s->mtu, oldest->wire_size, now))
                mtu_changed(s);

        (void) declare_lost(s, true, now);
        oldest_first(s);
        if (s->congestion)
                frct_congestion_timeout(s->congestion, s->rtt.n_backoffs > 1, now);
}

void frct_sender_expire(FrctSender *s, nsec_t now) {
        if (s->error < 0)
                return;

        if (frct_sender_give_up_at(s) <= now) {
                s->error = -ETIMEDOUT;
                return;
        }

        switch (frct_loss_expire(&s->loss, &s->rtt, now)) {
        case FRCT_LOSS_PROBE:
                oldest_first(s);
                s->probe_allowed = true;
                break;
        case FRCT_LOSS_TIMEOUT:
                timed_out(s, now);
                break;
        case FRCT_LOSS_NONE:
                if (declare_lost(s, false, now) > 0 && s->congestion)
                        frct_congestion_update(s->congestion, s->in_flight, NSEC_INFINITY, 0, now);
                break;
        }
}
