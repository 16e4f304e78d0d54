/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a neighbour is still there. A link may go silent without anybody saying so (a switch between the hosts, a
 * host that lost its power), and the layer below takes two minutes to be sure. So o7s members say hello on the data
 * transfer flow of best effort, whatever else goes over it: a packet to nobody (destination 0, which no member passes
 * on, so it comes from the neighbour and from nobody else) and EID 33.
 *
 *   0          1        2       4             8
 *   | version  | flags  | zero  | interval ms |       big-endian
 *
 * A way is lost when nothing at all was heard on it for three of the peer's intervals, or when the peer says that it
 * does not hear us; then packets go other ways, and routing withdraws the link if there was no other way to that
 * neighbour. Its flows stay, and so do our hellos: the way is used again as soon as both hear each other. The
 * management flow and the flows of other cubes over the same layer below share its fate. Who never says hello is not
 * judged by silence.
 *
 * Four a second: three of them are lost before packets go another way, so neither a lost hello nor a host that was
 * busy for half a second costs a route, and what fails in silence is healed within a second. A neighbour that does
 * nothing costs eight packets of 23 bytes a second, some 100 µs of a processor.
 */

#include "basic/macro.h"
#include "basic/time.h"

#define HELLO_USEC (250 * USEC_PER_MSEC)
#define HELLO_INTERVALS 3U
#define HELLO_INTERVAL_MSEC_MIN 10U
#define HELLO_INTERVAL_MSEC_MAX 60000U
#define HELLO_MESSAGE_BYTES 8U
#define HELLO_VERSION 1U
#define HELLO_FLAG_HEARS (1U << 0)

typedef struct LowerFlow LowerFlow;
typedef struct Unicast Unicast;

typedef struct HelloMessage {
        bool hears;                     /* the sender hears us */
        uint32_t interval_msec;         /* until its next one */
} HelloMessage;

/* Of a flow. */
typedef struct Hello {
        usec_t patience_usec;           /* 0: the peer never said hello */
        bool is_silent;                 /* for longer than that */
        bool is_deaf;                   /* it says that it does not hear us */
} Hello;

/* Of a member. */
typedef struct HelloTimes {
        usec_t send;                    /* the next ones; USEC_INFINITY: there is nobody to greet */
        usec_t judge;                   /* when somebody may have been silent for too long */
        usec_t awake;                   /* since when we listen: we may have been stopped ourselves */
} HelloTimes;

static inline bool hello_is_lost(const Hello *hello) {
        return hello->is_silent || hello->is_deaf;
}

void hello_message_pack(const HelloMessage *message, uint8_t ret[HELLO_MESSAGE_BYTES]);

/* Returns: 0; -EBADMSG; -EPROTO: another version. */
int hello_message_parse(const void *data, size_t size, HelloMessage *ret);

/* There is a new flow, or a layer below came back: greets at once. */
void hello_soon(Unicast *u, usec_t now);

/* A packet for EID 33 on this data transfer flow. */
void hello_receive(LowerFlow *flow, const uint8_t *data, size_t size, usec_t now);

/* Something arrived on a flow that was silent. */
void hello_heard(LowerFlow *flow, usec_t now);

void hello_expire(Unicast *u, usec_t now);
usec_t hello_next(const Unicast *u);
