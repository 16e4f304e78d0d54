/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inside the sending half: frct-sender.c decides what is sent, frct-sender-peer.c what the peer's answers and their
 * absence mean.
 *
 *   backlog ──cut──► due ──sent──► flight ──acknowledged──► freed        a segment is in one of them, and from its cut
 *                     ▲              │                                   until it is freed in "segments" by its number
 *                     └─────lost─────┘
 */

#include "libo7s/frct-backlog.h"
#include "libo7s/frct-loss.h"
#include "libo7s/frct-pacer.h"
#include "libo7s/frct-sender.h"

typedef enum FrctPending {
        FRCT_PENDING_NONE,
        FRCT_PENDING_SEGMENT,
        FRCT_PENDING_RENDEZVOUS,
        FRCT_PENDING_PROBE,
} FrctPending;

struct FrctSender {
        FrctConfig config;
        uint64_t inactivity_sec;
        int error;

        FrctBacklog backlog;
        List due;                       /* of FrctSegment: to be sent as soon as pace and windows allow */
        FrctSegments segments;
        FrctSegment *unsent;            /* the newest, cut and not sent yet; not owned; it is due */
        FrctLoss loss;
        FrctRtt rtt;
        FrctMtu mtu;                    /* extended only */
        FrctCongestion *congestion;     /* extended and reliable, else NULL */
        FrctPacer pacer;                /* of lossy ones */

        /* What frct_sender_next_packet() returned and frct_sender_sent() has not confirmed */
        FrctPending pending;
        FrctSegment *pending_segment;   /* not owned */
        size_t pending_size;            /* of its content */

        bool run_open;                  /* its first DATA was sent */
        bool finishing;
        bool finish_cut;
        bool probe_allowed;             /* the oldest is due, whatever the congestion window says */
        uint32_t right;                 /* the peer's window: first number that it does not take */
        size_t in_flight;               /* bytes on the wire */
        size_t n_bytes;                 /* written, not acknowledged */
        size_t n_messages;              /* likewise; not counted of streams */

        nsec_t spoke_at;                /* any packet; NSEC_INFINITY: never */
        nsec_t data_at;                 /* a segment */
        nsec_t alive_at;                /* R counts from here */
        nsec_t rendezvous_at;           /* NSEC_INFINITY: the window is open, or nothing waits for it */
        nsec_t rendezvous_interval;
        nsec_t memory_at;               /* there was none: not before this */

        bool timing;                    /* 12 bytes: a round trip is being measured, with this number and since then */
        uint32_t timing_number;
        nsec_t timing_at;
        bool echoed;                    /* extended: the stamp that the last sample was made of */
        uint32_t echo;
        uint32_t marked;

        FrctStats stats;
};

static inline size_t frct_sender_header_room(const FrctSender *s) {
        return s->config.extended ? FRCT_HEADER_EXTENDED_BYTES + FRCT_ECHO_BYTES : FRCT_HEADER_BYTES;
}

/* Segments that were sent and are not known to have arrived, or numbers between them. */
static inline uint32_t frct_sender_outstanding(const FrctSender *s) {
        return frct_segments_count(&s->segments) - (s->unsent ? 1 : 0);
}

static inline bool frct_sender_has_more(const FrctSender *s) {
        return !frct_backlog_is_empty(&s->backlog) || (s->finishing && !s->finish_cut && s->config.extended);
}

/* Something waits for nothing but the peer's window. */
static inline bool frct_sender_is_closed(const FrctSender *s) {
        return s->config.reliable && frct_sender_has_more(s) && s->segments.next == s->right;
}

/* Frees a segment that left or arrived: its bytes are no longer ours. */
void frct_sender_release(FrctSender *s, FrctSegment *segment);

/* When R is over, or NSEC_INFINITY where nothing waits for an answer. */
nsec_t frct_sender_give_up_at(const FrctSender *s);

/* The window may have opened or closed: when to ask for it. */
void frct_sender_watch_window(FrctSender *s, nsec_t now);
