/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is done about an established flow between two o7s hosts that have control keys (flow-control.h), beside
 * carrying data:
 *
 *   rotate   our endpoint id is exchanged for a new one, so that who saw the old one knows nothing. The old one is
 *            good until the peer knows the new one, and then for two round trips and what packets overtake each other
 *            by.
 *   move     our address is another one than the peer knows. It believes that when we have shown that we hear it there
 *            (flow-path.h is its side of that).
 *   probe    the peer is silent while we send, or has to prove that it is there (liveness.h): a move to where we are.
 *            The peer acknowledges it, or ends the flow, should it have lost it (reset).
 *
 * Rotations and moves are said again until the peer acknowledges them, which times the round trip. This is the
 * schedule of all that, and the bytes of what is said; ids, addresses and messages are the layer's. Nothing here
 * needs a timer while data flows: probes are due only where something is sent. Pure.
 */

#include "services/common/flow-control.h"
#include "services/common/flow-path.h"
#include "services/common/liveness.h"

#define FLOW_ROTATE_PACKETS (UINT64_C(1) << 32)
#define FLOW_ROTATE_USEC (3600 * USEC_PER_SEC)
#define FLOW_OLD_MAX_USEC (3 * USEC_PER_SEC)            /* an old endpoint id is accepted no longer */
#define FLOW_REORDER_USEC (50 * USEC_PER_MSEC)
#define FLOW_NOTICE_FIRST_USEC (100 * USEC_PER_MSEC)    /* until it is said again; then twice as long, each */
#define FLOW_NOTICE_LAST_USEC (2 * USEC_PER_SEC)
#define FLOW_PROBE_FIRST_USEC (2 * USEC_PER_SEC)        /* of silence */
#define FLOW_PROBE_LAST_USEC (30 * USEC_PER_SEC)        /* towards a peer that says nothing but that it is there */

typedef enum FlowNoticeKind {
        FLOW_NOTICE_ROTATE,
        FLOW_NOTICE_MOVE,
        _FLOW_NOTICE_KIND_MAX,
        _FLOW_NOTICE_KIND_INVALID = -EINVAL,
} FlowNoticeKind;

/* What is said until it is acknowledged. */
typedef struct FlowNotice {
        bool active;
        uint64_t value;                 /* the new endpoint id, or our address */
        uint64_t challenge;             /* what the peer wants to be shown, of a move; 0: nothing (yet) */
        usec_t first;                   /* when it was said first */
        usec_t next;                    /* when it is to be said (again) */
        usec_t interval;
        unsigned n_said;
} FlowNotice;

typedef struct FlowUpkeepLimits {
        uint64_t packets;               /* that one endpoint id receives */
        usec_t usec;                    /* that one endpoint id is in use */
} FlowUpkeepLimits;

#define FLOW_UPKEEP_LIMITS                                                                                        \
        (FlowUpkeepLimits) {                                                                                      \
                .packets = FLOW_ROTATE_PACKETS, .usec = FLOW_ROTATE_USEC                                          \
        }

typedef struct FlowUpkeep {
        bool active;
        FlowUpkeepLimits limits;
        FlowNotice notices[_FLOW_NOTICE_KIND_MAX];
        usec_t rtt_usec;                /* smoothed; 0: not known */
        uint64_t n_packets;             /* received by this endpoint id */
        usec_t rotated;                 /* when it was taken; moved on where none was free */
        usec_t old_until;               /* the one before is good until then; 0: there is none */
        usec_t probe_usec;              /* of silence, until the next probe */
        usec_t acknowledged;            /* when the peer last acknowledged anything */
        FlowPath path;                  /* where the peer says that it is, and has yet to show */
} FlowUpkeep;

/* What came of it, for all flows of a layer. */
typedef struct FlowUpkeepCounters {
        uint64_t rotated;               /* endpoint ids of ours */
        uint64_t followed;              /* peers to other addresses */
        uint64_t not_followed;          /* as they did not show that they are there */
        uint64_t resets_sent;
        uint64_t resets_taken;          /* flows that ended so */
} FlowUpkeepCounters;

typedef enum FlowUpkeepEvent {
        FLOW_UPKEEP_NOTHING,
        FLOW_UPKEEP_ROTATE,     /* take a new endpoint id, then flow_upkeep_rotate(), or
                                   flow_upkeep_rotate_later() */
        FLOW_UPKEEP_SAY_ROTATE, /* send the notice; it counts as said */
        FLOW_UPKEEP_SAY_MOVE,
        FLOW_UPKEEP_FORGET_OLD, /* the endpoint id before this one is given back */
        FLOW_UPKEEP_PATH_FAILED, /* the peer is not where it said it was */
} FlowUpkeepEvent;

/* The flow is established, and the peer has the keys. */
void flow_upkeep_init(FlowUpkeep *upkeep, const FlowUpkeepLimits *limits, usec_t now);

/* -- what happened -- */

/* Packets for our endpoint id arrived. Returns whether flow_upkeep_expire() is to be called: it has had enough of
 * them. */
static inline bool flow_upkeep_received(FlowUpkeep *upkeep, unsigned n) {
        upkeep->n_packets += n;
        return upkeep->active && upkeep->n_packets >= upkeep->limits.packets && upkeep->old_until == 0;
}

/* Data is being sent. Returns whether the peer is to be probed: flow_upkeep_move() to where we are. */
static inline bool flow_upkeep_should_probe(const FlowUpkeep *upkeep, const Liveness *liveness, usec_t now) {
        return upkeep->active && !upkeep->notices[FLOW_NOTICE_MOVE].active &&
               now >= usec_add(liveness->heard, upkeep->probe_usec);
}

/* Whether the peer, which knows us at an address, knows us at this one, or is being told of it. */
static inline bool flow_upkeep_is_told(const FlowUpkeep *upkeep, uint64_t known, uint64_t address) {
        const FlowNotice *move = &upkeep->notices[FLOW_NOTICE_MOVE];

        return (move->active ? move->value : known) == address;
}

/* We have a new endpoint id, or (later) there is none to be had. */
void flow_upkeep_rotate(FlowUpkeep *upkeep, uint64_t endpoint, usec_t now);
void flow_upkeep_rotate_later(FlowUpkeep *upkeep, usec_t now);

/* We are at this address; the peer is to be told at once. */
void flow_upkeep_move(FlowUpkeep *upkeep, uint64_t address, usec_t now);

/* The same to have the peer answer, where it has the keys, and nothing that it has not understood yet asks already.
 * Returns whether something is due by it. */
bool flow_upkeep_ask(FlowUpkeep *upkeep, const FlowControl *control, uint64_t address, usec_t now);

/* The peer acknowledged it. heard: when something else than this was last heard of it. Returns whether this is what
 * was said, and not known to have arrived. */
bool flow_upkeep_acknowledged(FlowUpkeep *upkeep, FlowNoticeKind kind, uint64_t value, usec_t heard, usec_t now);

/* The peer wants to be shown, at the address that we said, that we hear it there. Returns whether that is new: then the
 * notice, with what it asks for, is due at once. */
bool flow_upkeep_challenged(FlowUpkeep *upkeep, uint64_t address, uint64_t challenge, usec_t now);

/* What is due, until there is nothing. */
FlowUpkeepEvent flow_upkeep_expire(FlowUpkeep *upkeep, usec_t now);
usec_t flow_upkeep_next(const FlowUpkeep *upkeep);

/* -- what is said --
 *
 *    0  1  0: this is so; 1: understood
 *    1  8  the new endpoint id, or the address
 *    9 16  the lock to which our reset token fits (flow-control.h), with the id and addresses of from now on
 *   25  8  challenge: of a move what it shows, of its acknowledgement what is still to be shown; else 0
 */
#define FLOW_NOTICE_BYTES 33U
#define FLOW_NOTICE_AND_PROOF_BYTES (FLOW_NOTICE_BYTES + FLOW_CONTROL_PROOF_BYTES)

typedef struct FlowNoticeText {
        bool acknowledges;
        uint64_t value;
        uint8_t lock[FLOW_RESET_BYTES];
        uint64_t challenge;
} FlowNoticeText;

void flow_notice_write(Writer *w, const FlowNoticeText *text);

/* Returns: 0; -EBADMSG: cut short; -EPROTO: neither of the two. */
int flow_notice_read(Cursor *c, FlowNoticeText *ret);

/* What we say: the notice of a kind that is due. */
FlowNoticeText flow_upkeep_said(const FlowUpkeep *upkeep, FlowNoticeKind kind);

/* What is new by a notice of the peer. */
typedef enum FlowNews {
        FLOW_NEWS_NONE,
        FLOW_NEWS_OUR_ENDPOINT, /* it knows our new endpoint id, and the one before is for stragglers */
        FLOW_NEWS_OUR_ADDRESS,  /* it knows us at the address that the notice has */
        FLOW_NEWS_ENDPOINT,     /* its endpoint id is the notice's value, perhaps as before */
        FLOW_NEWS_ADDRESS,      /* it has shown that it is at the notice's address */
} FlowNews;

/* What it takes to judge one. */
typedef struct FlowNoticeContext {
        uint64_t peer_address;          /* as it was so far */
        size_t bytes;                   /* of the message */
        uint64_t random;                /* unpredictable, for a challenge */
        usec_t heard;                   /* when something else than this was last heard of the peer */
} FlowNoticeContext;

/* A notice that is the peer's own and newer than all before it, with a value that can be one. *ret_answer: what the
 * peer is to hear, or nothing (acknowledges false). What is due may be another thing than before. */
FlowNews flow_upkeep_heard(FlowUpkeep *upkeep, FlowNoticeKind kind, const FlowNoticeText *notice,
                           const FlowNoticeContext *context, usec_t now, FlowNoticeText *ret_answer);
