/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is sent, and when. frct-sender-internal.h shows the way of a segment. */

#include "libo7s/frct-sender-internal.h"

#define WINDOW_FIRST 64U                /* of a run, in packets, until the peer says otherwise */
#define SEND_MIN ((size_t) 256 << 10)   /* bytes that are always taken */
#define WINDOW_PLAIN_MAX 256U           /* packets; of the 12-byte dialect */
#define RENDEZVOUS_INTERVAL ((nsec_t) 100 * NSEC_PER_MSEC)
#define RENDEZVOUS_INTERVAL_MAX NSEC_PER_SEC
#define MEMORY_LATER ((nsec_t) 10 * NSEC_PER_MSEC)
#define PROBE_WITHIN NSEC_PER_SEC       /* lossy flows try the path's MTU as long after data, by the way */

FrctSender *frct_sender_free(FrctSender *s) {
        if (!s)
                return NULL;

        frct_segments_done(&s->segments);
        frct_backlog_done(&s->backlog);
        frct_congestion_free(s->congestion);
        return mfree(s);
}

static void choose_run(FrctSender *s) {
        uint32_t number = s->config.random(s->config.userdata);

        assert(frct_segments_count(&s->segments) == 0);

        s->run_open = false;
        s->segments.left = number;
        s->segments.next = number;
        s->right = number + WINDOW_FIRST;
}

int frct_sender_new(const FrctConfig *config, nsec_t now, FrctSender **ret) {
        _cleanup_(frct_sender_freep) FrctSender *s = NULL;
        nsec_t life = 3 * MIN(config->mpl, NSEC_INFINITY / 4);
        nsec_t inactivity = nsec_add(life, FRCT_ACKNOWLEDGE_MAX + FRCT_RETRANSMIT_MAX);
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (FrctSender) {
                .config = *config,
                .inactivity_sec = inactivity / NSEC_PER_SEC + 1,
                .spoke_at = NSEC_INFINITY,
                .rendezvous_at = NSEC_INFINITY,
                .rendezvous_interval = RENDEZVOUS_INTERVAL,
        };
        if (s->config.send_max == 0)
                s->config.send_max = FRCT_BUFFER_MAX;

        list_init(&s->due);
        frct_backlog_init(&s->backlog, config->extended, config->stream);
        frct_segments_init(&s->segments, 0);
        frct_loss_init(&s->loss, config->extended);
        frct_rtt_init(&s->rtt);
        frct_mtu_init(&s->mtu, config->packet_max, now);
        frct_pacer_init(&s->pacer, config->extended && !config->reliable ? config->spread : 0, config->rate, now);
        choose_run(s);

        if (config->extended && config->reliable) {
                r = frct_congestion_new(s->mtu.current, now, &s->congestion);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(s);
        return 0;
}

/* Delta-t: when nothing has been sent for so long that the peer has forgotten the run, the next one gets a new number.
 * Bare packets count: they keep the peer's memory of it alive. Whole seconds on both sides, so one more than the
 * protocol says. */
static void settle_run(FrctSender *s, nsec_t now) {
        if (!s->run_open || frct_segments_count(&s->segments) > 0)
                return;
        if (now / NSEC_PER_SEC > s->spoke_at / NSEC_PER_SEC + s->inactivity_sec + 1)
                choose_run(s);
}

void frct_sender_watch_window(FrctSender *s, nsec_t now) {
        if (!frct_sender_is_closed(s)) {
                s->rendezvous_at = NSEC_INFINITY;
                s->rendezvous_interval = RENDEZVOUS_INTERVAL;
                return;
        }

        if (s->rendezvous_at != NSEC_INFINITY)
                return;

        s->rendezvous_at = now + s->rendezvous_interval;
        if (frct_sender_outstanding(s) == 0)
                s->alive_at = now;
}

/* -- writing -- */

static size_t send_limit(const FrctSender *s) {
        size_t wanted = s->congestion ? 2 * frct_congestion_window(s->congestion) :
                                        2 * WINDOW_PLAIN_MAX * s->config.packet_max;

        return MIN(s->config.send_max, MAX(wanted, SEND_MIN));
}

static size_t send_room(const FrctSender *s) {
        size_t used = s->n_bytes + FRCT_SEGMENT_OVERHEAD * (s->n_messages + frct_segments_count(&s->segments) + 1);
        size_t limit = send_limit(s);

        return limit > used ? limit - used : 0;
}

bool frct_sender_writable(const FrctSender *s, size_t size) {
        /* One message is always taken, however small the buffer. */
        if (s->n_bytes == 0 && frct_backlog_is_empty(&s->backlog))
                return true;

        return s->config.stream ? send_room(s) > 0 : send_room(s) >= size;
}

ssize_t frct_sender_write(FrctSender *s, const struct iovec *parts, unsigned n_parts, nsec_t now) {
        size_t size = 0;
        int r;

        for (unsigned i = 0; i < n_parts; i++)
                if (__builtin_add_overflow(size, parts[i].iov_len, &size))
                        return -EMSGSIZE;

        if (size == 0)
                return -EINVAL;
        if (s->finishing)
                return -EPIPE;
        if (s->config.stream)
                size = MIN(size, MAX(send_room(s), s->n_bytes == 0 ? (size_t) 1 : 0));
        else if (size > (s->config.extended ? FRCT_MESSAGE_MAX : s->config.packet_max - FRCT_HEADER_BYTES))
                return -EMSGSIZE;
        if (size == 0 || !frct_sender_writable(s, size))
                return -EAGAIN;

        r = frct_backlog_write(&s->backlog, parts, size);
        if (r < 0)
                return r;

        s->n_bytes += size;
        if (!s->config.stream)
                s->n_messages++;
        frct_sender_watch_window(s, now);
        return (ssize_t) size;
}

void frct_sender_finish(FrctSender *s, nsec_t now) {
        s->finishing = true;
        frct_sender_watch_window(s, now);
}

bool frct_sender_is_flushed(const FrctSender *s) {
        return !frct_sender_has_more(s) && frct_segments_count(&s->segments) == 0;
}

/* -- what comes next -- */

static size_t content_max(const FrctSender *s, size_t room) {
        if (!s->config.extended)
                return room;

        return MIN(room, s->mtu.current - frct_sender_header_room(s));
}

static bool may_cut(const FrctSender *s, nsec_t now) {
        return frct_sender_has_more(s) && now >= s->memory_at && (!s->config.reliable || s->segments.next != s->right);
}

/* A segment of which some pieces have left. It is in nobody's flight before the last one has, so no window may stop it
 * there. */
static bool is_begun(const FrctSegment *segment) {
        return segment && segment->pieces && segment->position > 0;
}

/* When the next segment may leave: now or later, by pace. NSEC_INFINITY: there is none, or a window is full. */
static nsec_t segment_at(const FrctSender *s, nsec_t now) {
        size_t in_flight = is_begun(list_first(&s->due, FrctSegment, by_stage)) ? 0 : s->in_flight;
        nsec_t at = now;

        if (list_is_empty(&s->due) && !may_cut(s, now))
                return frct_sender_has_more(s) && s->memory_at > now ? s->memory_at : NSEC_INFINITY;
        if (s->probe_allowed)
                return now;
        if (!s->congestion)                             /* nobody waits who wants to leave */
                return s->finishing ? now : frct_pacer_at(&s->pacer, now);

        return frct_congestion_may_send(s->congestion, in_flight, now, &at) ? MAX(at, now) : NSEC_INFINITY;
}

static int cut_finish(FrctSegment **ret) {
        FrctSegment *segment = frct_segment_new(0);

        if (!segment)
                return -ENOMEM;

        segment->flags = FRCT_FINISH;
        *ret = segment;
        return 1;
}

static int cut(FrctSender *s, size_t max, nsec_t now) {
        FrctSegment *segment;
        int r;

        r = frct_segments_reserve(&s->segments);
        if (r >= 0)
                r = frct_backlog_is_empty(&s->backlog) ? cut_finish(&segment) :
                                                         frct_backlog_cut(&s->backlog, max, &segment);
        if (r < 0) {
                s->memory_at = now + MEMORY_LATER;
                return r;
        }

        if (segment->flags & FRCT_FINISH)
                s->finish_cut = true;
        s->unsent = segment;
        frct_segments_push(&s->segments, segment);
        list_append(&s->due, &segment->by_stage);
        return 0;
}

void frct_sender_release(FrctSender *s, FrctSegment *segment) {
        s->n_bytes -= segment->size;
        if (!s->config.stream && !(segment->flags & (FRCT_MORE | FRCT_FINISH)))
                s->n_messages--;

        if (s->unsent == segment)
                s->unsent = NULL;
        if (s->pending_segment == segment) {
                s->pending = FRCT_PENDING_NONE;
                s->pending_segment = NULL;
        }

        list_unlink(&segment->by_stage);
        frct_segments_take(&s->segments, segment);
        free(segment);
}

/* A message that is larger than the layer's packets are now, and cannot be cut: the flow cannot keep its promise, or
 * loses it. */
static void segment_too_large(FrctSender *s, FrctSegment *segment) {
        if (s->config.reliable) {
                s->error = -EMSGSIZE;
                return;
        }

        frct_sender_release(s, segment);
        frct_segments_advance(&s->segments, s->segments.next);
        s->stats.lost++;
}

static bool next_segment(FrctSender *s, FrctHeader *header, size_t room, nsec_t now) {
        size_t max = content_max(s, room), size;
        FrctSegment *segment;

        if (segment_at(s, now) > now)
                return false;
        if (list_is_empty(&s->due) && cut(s, max, now) < 0)
                return false;

        segment = list_first(&s->due, FrctSegment, by_stage);
        if (segment->size > max && !segment->pieces) {
                if (!s->config.extended) {
                        segment_too_large(s, segment);
                        return false;
                }
                segment->pieces = true;
                segment->position = 0;
        }

        /* Nothing is outstanding before it. It keeps the flag when it is sent again. */
        if (segment->n_sent == 0 && segment->number == s->segments.left)
                segment->flags |= FRCT_RUN_START;

        size = segment->size;
        header->flags = segment->flags;
        header->sequence = segment->number;
        if (segment->pieces) {
                size = MIN((size_t) segment->size - segment->position, max);
                header->position = (uint16_t) segment->position;
                header->extension = FRCT_X_PIECE;
                if (segment->position + size == segment->size)
                        header->extension |= FRCT_X_LAST_PIECE;
        }

        s->pending = FRCT_PENDING_SEGMENT;
        s->pending_segment = segment;
        s->pending_size = size;
        return true;
}

static bool next_rendezvous(FrctSender *s, FrctHeader *header, nsec_t now) {
        if (s->rendezvous_at > now)
                return false;

        header->flags = FRCT_RENDEZVOUS;
        s->pending = FRCT_PENDING_RENDEZVOUS;
        return true;
}

/* No timer of its own ever wakes an idle flow for it. */
static bool next_probe(FrctSender *s, FrctHeader *header, size_t room, nsec_t now) {
        bool active = frct_sender_outstanding(s) > 0 || (s->data_at > 0 && now - s->data_at < PROBE_WITHIN);
        size_t size;

        if (!s->config.extended || !active)
                return false;

        size = frct_mtu_probe(&s->mtu, frct_rtt_timeout(&s->rtt, FRCT_ACKNOWLEDGEMENT_DELAY), now);
        if (size <= FRCT_HEADER_EXTENDED_BYTES || size > room + frct_sender_header_room(s))
                return false;

        header->extension = FRCT_X_PROBE;
        header->position = (uint16_t) size;
        s->pending = FRCT_PENDING_PROBE;
        s->pending_size = size - FRCT_HEADER_EXTENDED_BYTES;
        return true;
}

int frct_sender_next_packet(FrctSender *s, FrctHeader *header, size_t room, const uint8_t **ret_content,
                            size_t *ret_size, nsec_t now) {
        const FrctSegment *segment;

        s->pending = FRCT_PENDING_NONE;
        s->pending_segment = NULL;
        s->pending_size = 0;

        if (s->error < 0)
                return 0;

        settle_run(s, now);

        if (!next_probe(s, header, room, now) && !next_segment(s, header, room, now) &&
            !next_rendezvous(s, header, now)) {
                if (s->congestion && list_is_empty(&s->due) && !may_cut(s, now))
                        frct_congestion_application_limited(s->congestion, s->in_flight);
                return 0;
        }

        segment = s->pending_segment;
        *ret_content = segment ? segment->content + (segment->pieces ? segment->position : 0) : NULL;
        *ret_size = s->pending_size;
        return 1;
}

/* -- what left -- */

static void segment_sent(FrctSender *s, FrctSegment *segment, size_t wire_size, nsec_t now) {
        if (s->congestion)
                frct_congestion_sent(s->congestion, wire_size, s->in_flight, now, &segment->flight);

        s->in_flight += wire_size;
        segment->wire_size += (uint32_t) wire_size;
        s->run_open = true;
        s->data_at = now;

        if (segment->pieces) {
                segment->position += (uint32_t) s->pending_size;
                if (segment->position < segment->size)
                        return;                 /* stays due for the next one */
                segment->pieces = false;
        }

        if (segment->n_sent == 0)
                s->stats.segments_sent++;
        else
                s->stats.retransmitted++;
        s->probe_allowed = false;
        if (s->unsent == segment)
                s->unsent = NULL;

        if (!s->config.reliable) {
                s->in_flight -= segment->wire_size;
                frct_pacer_sent(&s->pacer, segment->size, s->n_bytes - segment->size, now);
                frct_sender_release(s, segment);
                frct_segments_advance(&s->segments, s->segments.next);
                return;
        }

        if (segment->n_sent == 0 && segment->number == s->segments.left)
                s->alive_at = now;
        if (segment->n_sent == 0 && !s->timing && !s->config.extended) {
                s->timing = true;
                s->timing_number = segment->number;
                s->timing_at = now;
        }

        list_unlink(&segment->by_stage);
        segment->sent_size = segment->wire_size;
        frct_loss_sent(&s->loss, segment, now);
        frct_sender_watch_window(s, now);
}

void frct_sender_sent(FrctSender *s, size_t wire_size, nsec_t now) {
        FrctPending pending = s->pending;

        s->pending = FRCT_PENDING_NONE;
        s->spoke_at = now;

        switch (pending) {
        case FRCT_PENDING_SEGMENT:
                segment_sent(s, TAKE_PTR(s->pending_segment), wire_size, now);
                break;
        case FRCT_PENDING_RENDEZVOUS:
                s->rendezvous_at = now + s->rendezvous_interval;
                if (s->config.extended)
                        s->rendezvous_interval = MIN(2 * s->rendezvous_interval, RENDEZVOUS_INTERVAL_MAX);
                break;
        case FRCT_PENDING_PROBE:
        case FRCT_PENDING_NONE:
                break;
        }
}

void frct_sender_spoke(FrctSender *s, nsec_t now) {
        s->spoke_at = now;
}

bool frct_sender_run_to_come(FrctSender *s, uint32_t *ret_sequence, nsec_t now) {
        settle_run(s, now);

        if (s->run_open)
                return false;

        *ret_sequence = s->segments.left;
        return true;
}

nsec_t frct_sender_next(const FrctSender *s, nsec_t now) {
        nsec_t next;

        if (s->error < 0)
                return NSEC_INFINITY;

        next = MIN(segment_at(s, now), s->rendezvous_at);
        next = MIN(next, frct_sender_give_up_at(s));
        next = MIN(next, frct_loss_next(&s->loss, &s->rtt));
        if (s->config.extended && frct_sender_outstanding(s) > 0)
                next = MIN(next, frct_mtu_next(&s->mtu));

        return next;
}

int frct_sender_error(const FrctSender *s) {
        return s->error;
}

void frct_sender_set_packet_max(FrctSender *s, size_t packet_max, nsec_t now) {
        s->config.packet_max = packet_max;
        frct_mtu_set_ceiling(&s->mtu, packet_max, now);
        if (s->congestion)
                frct_congestion_set_packet_max(s->congestion, s->mtu.current);
}

/* How long the path takes is what it was; the time-out begins to double anew. */
void frct_sender_path_is_back(FrctSender *s) {
        frct_rtt_recover(&s->rtt);
}

size_t frct_sender_packet_max(const FrctSender *s) {
        return s->config.extended ? s->mtu.current : s->config.packet_max;
}

void frct_sender_stats(const FrctSender *s, FrctStats *ret) {
        ret->rtt = s->rtt.smoothed;
        ret->rtt_variance = s->rtt.deviation;
        ret->rto = frct_rtt_timeout(&s->rtt, FRCT_ACKNOWLEDGEMENT_DELAY);
        ret->segments_sent = s->stats.segments_sent;
        ret->retransmitted = s->stats.retransmitted;
        ret->lost += s->stats.lost;
        ret->malformed += s->stats.malformed;
        ret->bytes_acknowledged = s->stats.bytes_acknowledged;
        ret->send_rate = s->congestion ? frct_congestion_pace(s->congestion) : 0;
        ret->delivery_rate = s->congestion ? frct_congestion_rate(s->congestion) : 0;
        ret->bytes_unacknowledged = s->n_bytes;
        ret->messages_unacknowledged = (uint32_t) s->n_messages;
        ret->window = s->right - s->segments.next;
        ret->packet_max = frct_sender_packet_max(s);
}
