/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A receiver from inside: frct-receiver.c hears and reads, frct-receiver-lossy.c takes the packets of flows on which
 * nothing is repeated, frct-receiver-speak.c says what the peer is to know. */

#include "libo7s/frct-assembly.h"
#include "libo7s/frct-hold.h"
#include "libo7s/frct-order.h"
#include "libo7s/frct-receiver.h"

#define FRCT_WINDOW_PLAIN UINT32_C(256)         /* packets, in the 12-byte dialect */
#define FRCT_WINDOW_START UINT32_C(64)          /* what a sender takes for granted when its run begins */
#define FRCT_WINDOW_LOSSY UINT32_C(4096)        /* extended: advice, nothing is kept for it */

/* Numbers that are that close belong to the same run. */
#define FRCT_RUN_REACH (UINT32_C(1) << 24)

struct FrctReceiver {
        bool reliable, extended;
        nsec_t mpl;
        nsec_t inactivity;              /* whole seconds of silence end a run */
        size_t receive_max;             /* memory for everything but a message that is not whole yet */
        size_t packet_cost;             /* of a packet of the layer's largest size */

        /* the peer's run */
        bool run;
        uint32_t expected;              /* everything before it has arrived; lossy: or was given up */
        nsec_t heard_at;                /* anything */
        nsec_t moved_at;                /* a number of this run that was new */
        bool fresh;                     /* nothing of this run was taken yet */
        bool gap;                       /* lossy: something is missing before the next one */
        bool finished;
        int error;

        FrctOrder order;                /* out of order */
        FrctHold hold;                  /* lossy: and for how long */
        FrctAssembly assembly;          /* in order */

        /* how much the peer may send */
        uint32_t window;                /* packets */
        uint32_t window_max;
        uint32_t told;                  /* right edge that the peer knows, if it got our last packet */
        uint32_t n_taken;               /* chunks that the application has read in this round */
        nsec_t round_at;

        /* what the peer is to be told, and when */
        nsec_t speak_at;                /* NSEC_INFINITY: nothing is due */
        nsec_t spoke_at;
        uint32_t acknowledged;          /* told */
        unsigned n_unacknowledged;      /* packets since then */
        bool forced;                    /* acknowledge even what was acknowledged before */
        bool answer;                    /* of a rendez-vous */
        size_t probed;                  /* largest probe since the last answer; 0: none */
        bool echo_due;
        uint32_t echo;                  /* stamp of the newest packet with a number */
        nsec_t echo_at;
        unsigned n_since_repeat;        /* lossy: packets */
        unsigned n_repeats;             /* of a window that the peer may be waiting for */
        nsec_t repeat_interval;
        nsec_t repeat_at;

        uint64_t lost, duplicates, reordered, out_of_window, malformed, marked;
};

/* The first number that is not taken. */
uint32_t frct_receiver_right_edge(const FrctReceiver *r);

/* Whether what such a packet would cost is within the limits. */
bool frct_receiver_has_memory(const FrctReceiver *r, const FrctHeader *header, size_t size);
/* Those that its chunk has. */
uint8_t frct_receiver_chunk_flags(const FrctReceiver *r, const FrctHeader *header);
/* The next one in order. Consumes the chunk, which is on no list. */
void frct_receiver_deliver(FrctReceiver *r, FrctChunk *chunk, nsec_t now);

/* -- frct-receiver-lossy.c -- */

/* A packet with a number, of a run that is open. urgent: the peer wants to hear of it at once. */
void frct_receiver_take_lossy(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size,
                              bool urgent, nsec_t now);
/* Whoever has waited for long enough is delivered. */
void frct_receiver_expire_lossy(FrctReceiver *r, nsec_t now);

/* -- frct-receiver-speak.c -- */

/* A run begins; before anything of it is taken. */
void frct_receiver_speak_run(FrctReceiver *r);
/* Not later than then. */
void frct_receiver_speak_by(FrctReceiver *r, nsec_t at);
/* A packet was taken. urgent: the peer wants to know at once. */
void frct_receiver_speak_taken(FrctReceiver *r, bool urgent, nsec_t now);
/* The application has read. was_closed: the peer could not send any more. */
void frct_receiver_speak_opened(FrctReceiver *r, bool was_closed, nsec_t now);
