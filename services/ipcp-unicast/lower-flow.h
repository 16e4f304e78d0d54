/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow of a layer below, between us and another member. It begins with CEP, which says what it is for; then it is
 * one of
 *
 *   enrollment      a few messages, and over
 *   management      link-state messages
 *   data transfer   packets
 *
 *   allocating → greeting → open → closed
 *
 * The core owns the object; what carries the bytes belongs to the shell (UnicastEvents.lower_*), or to a test.
 */

#include "basic/list.h"
#include "libo7s/packet.h"
#include "services/common/cep.h"
#include "services/common/enrollment.h"
#include "services/common/expiry.h"
#include "services/common/cube.h"
#include "services/ipcp-unicast/hello.h"

#define LOWER_FLOWS_MAX 4096U
#define LOWER_FLOWS_GREETING_MAX 256U           /* accepted, and nothing said yet: strangers */

typedef struct Unicast Unicast;
typedef struct Neighbour Neighbour;

typedef enum LowerPurpose {
        LOWER_UNKNOWN,                  /* accepted; its first message will say */
        LOWER_ENROLLMENT,
        LOWER_MANAGEMENT,
        LOWER_DATA,
        _LOWER_PURPOSE_MAX,
        _LOWER_PURPOSE_INVALID = -EINVAL,
} LowerPurpose;

DECLARE_ENUM_NAMES(lower_purpose, LowerPurpose);

typedef enum LowerState {
        LOWER_ALLOCATING,
        LOWER_GREETING,
        LOWER_OPEN,
        LOWER_CLOSED,
        _LOWER_STATE_MAX,
        _LOWER_STATE_INVALID = -EINVAL,
} LowerState;

DECLARE_ENUM_NAMES(lower_state, LowerState);

typedef struct LowerFlow {
        Unicast *unicast;               /* not owned */
        uint64_t id;                    /* ours, never used twice; routing's number for a management peer */
        LowerPurpose purpose;
        LowerState state;
        unsigned lower;                 /* which of the layers below, as in UnicastConfig.lower */
        bool outgoing;
        unsigned peer_bucket;           /* accepted: in Unicast.lower_peers */
        bool blocked;                   /* took fewer packets than offered; lower_writable() will follow */
        Cube cube;                      /* data transfer */
        uint32_t packet_max;            /* bytes of a packet with all our headers; known from GREETING on */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* outgoing: who was asked for; else what the layer below
                                                         * calls the peer */
        Cep cep;
        Enrollment enrollment;
        Expiry expiry;                  /* in Unicast.lower_expiries: of the wait for the peer; open best effort: of
                                         * companions */
        Neighbour *neighbour;           /* not owned; open management and data transfer */
        usec_t begun;
        usec_t opened;
        bool busy;                      /* what it received is being dealt with: it is freed afterwards */

        bool probe;                     /* only of use if it leads to a member that we know no way to */

        /* Data transfer to an o7s member: flows of the other cubes accompany the one of best effort that we opened. */
        bool companion;
        uint64_t expected;              /* companion: the member that it must lead to */
        usec_t companion_backoff_usec;  /* best effort: 0: none failed */
        unsigned n_companion_attempts;
        ListNode by_unicast;            /* Unicast.lower_flows */
        ListNode by_neighbour;          /* Neighbour.management or .data[cube] */
        Counters counters;
        usec_t heard;                   /* last packet */
        Hello hello;                    /* data transfer, best effort: whether the way is there */
        void *shell;                    /* the shell's, or a test's, side of it; never touched by the core */
} LowerFlow;

/* Asks the shell for a flow to name over a layer below. Returns: 0: *ret is allocating, and its end, whichever, comes
 * through lower_flow_allocated(), _failed() or _down(); < 0. */
int lower_flow_open(Unicast *u, LowerPurpose purpose, Cube cube, unsigned lower, const char *name, usec_t now,
                    LowerFlow **ret);

/* Gives it up, whatever it was doing: the shell lets go of it, its neighbour is told. */
void lower_flow_close(LowerFlow *flow, usec_t now);

/* Sends one message of a management or enrollment flow. Returns whether it was taken. */
bool lower_flow_send(LowerFlow *flow, const void *data, size_t size);

/* The name of the layer below. */
const char *lower_flow_layer(const LowerFlow *flow);

/* Its expiry, taken out of the heap, was due. */
void lower_flow_expire(LowerFlow *flow, usec_t now);

/* -- between lower-flow.c and lower-exchange.c -- */

void lower_flow_set_state(LowerFlow *flow, LowerState state);

/* As lower_flow_close(), for a reason; NULL: there is none. */
void lower_flow_give_up(LowerFlow *flow, const char *problem, usec_t now);

/* Sends what begins an exchange or goes on with it (size 0: nothing), and waits for what comes next. */
void lower_flow_send_and_wait(LowerFlow *flow, const uint8_t *message, size_t size, usec_t deadline, usec_t now);

void lower_greeting_begin(LowerFlow *flow, usec_t now);
void lower_greeting_received(LowerFlow *flow, const Packet *packet, usec_t now);
void lower_enrollment_received(LowerFlow *flow, const Packet *packet, usec_t now);
void lower_enrollment_expired(LowerFlow *flow, usec_t now);
