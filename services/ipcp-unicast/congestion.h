/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Congestion avoidance of one flow, both directions: how much may be sent now, and what to tell the sender of what
 * arrives. Policies behind one table of functions: none, and multi-bit ECN (docs/WIRE.md). Nothing sleeps: who wants
 * to send asks for a budget, and is told when to ask again.
 */

#include "basic/enum.h"
#include "basic/time.h"

typedef enum CongestionPolicy {
        CONGESTION_NONE,                /* numbers of docs/WIRE.md, in enrollment */
        CONGESTION_MB_ECN,
        _CONGESTION_POLICY_MAX,
        _CONGESTION_POLICY_INVALID = -EINVAL,
} CongestionPolicy;

DECLARE_ENUM_NAMES(congestion_policy, CongestionPolicy);        /* "none", "mb-ecn" */

typedef struct Congestion {
        CongestionPolicy policy;
        /* sending */
        uint16_t level;                 /* as the peer last reported; 0 again some packets later */
        uint32_t n_since_update;        /* packets */
        bool avoiding;                  /* after the first report; for good */
        usec_t slot_begin;
        usec_t slot_usec;
        uint64_t limit_bytes;           /* per slot */
        uint64_t sent_bytes;            /* in this slot */
        uint32_t sent_packets;
        uint64_t debt_bytes;            /* sent beyond the limit of the last slot; taken off this one */
        uint64_t credit_bytes;          /* on top of this slot's limit, as the last one's was not called for in time */
        bool refused;                   /* in this slot there was more to send than it allowed at some moment */
        size_t packet_bytes;            /* running mean */
        /* receiving */
        uint16_t measured;
        uint32_t counter;
} Congestion;

typedef struct CongestionOps {
        void (*init)(Congestion *c, usec_t now);
        unsigned (*budget)(Congestion *c, unsigned max, usec_t now, usec_t *ret_again);
        void (*sent)(Congestion *c, unsigned n_packets, size_t bytes, usec_t now);
        bool (*received)(Congestion *c, uint8_t ecn, uint16_t *ret_level);
        void (*update)(Congestion *c, uint16_t level, usec_t now);
        uint8_t (*mark)(unsigned queued);
} CongestionOps;

extern const CongestionOps congestion_mb_ecn;

void congestion_init(Congestion *c, CongestionPolicy policy, usec_t now);

/* How many packets may be sent now, at most max. 0: none, *ret_again says when to ask again, within a second. */
unsigned congestion_budget(Congestion *c, unsigned max, usec_t now, usec_t *ret_again);

/* Packets of these many bytes together went out. */
void congestion_sent(Congestion *c, unsigned n_packets, size_t bytes, usec_t now);

/* A packet with this mark arrived. Returns whether the sender is to be told *ret_level. */
bool congestion_received(Congestion *c, uint8_t ecn, uint16_t *ret_level);

/* The peer reported this level. */
void congestion_update(Congestion *c, uint16_t level, usec_t now);

/* What a member marks packets with that join a queue of this many. */
uint8_t congestion_mark(CongestionPolicy policy, unsigned queued);
