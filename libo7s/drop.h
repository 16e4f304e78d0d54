/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a packet was dropped: the one list, for every layer and every counter. */

#include "basic/enum.h"

typedef enum DropReason {
        DROP_MALFORMED,         /* shorter than its header says, or its header makes no sense */
        DROP_UNKNOWN_ENDPOINT,  /* no flow has this endpoint id */
        DROP_WRONG_SOURCE,      /* right endpoint id, but not from the peer of that flow */
        DROP_NOT_FOR_US,        /* another station's address */
        DROP_QUEUE_FULL,        /* the application does not read fast enough */
        DROP_TOO_LARGE,         /* does not fit the layer's or the lane's largest packet */
        DROP_LINK_DOWN,         /* the interface is down or gone */
        DROP_SEND_FAILED,       /* the kernel did not take it */
        DROP_FLOW_CLOSED,       /* the flow has ended on our side */
        DROP_UNKNOWN_MESSAGE,   /* a management code that we do not know */
        DROP_LIMIT,             /* a table or a rate is at its limit */
        DROP_NO_MEMORY,
        DROP_HOSTILE,           /* the other side of a lane broke the rules of shared memory */
        DROP_NO_ROUTE,          /* no neighbour leads to the destination */
        DROP_TTL,               /* it has been on its way through too many members */
        DROP_NOT_ATTACHED,      /* the layer was restarted, and the application has yet to attach to the flow again */
        DROP_FORGED,            /* its authentication tag is wrong, or it has none where one is due */
        DROP_REPLAYED,          /* genuine, and seen before */
        _DROP_REASON_MAX,
        _DROP_REASON_INVALID = -EINVAL,
} DropReason;

DECLARE_ENUM_NAMES(drop_reason, DropReason);

/* What every endpoint, link and layer counts. Never reset but by an operator. */
typedef struct Counters {
        uint64_t rx_packets;
        uint64_t rx_bytes;
        uint64_t tx_packets;
        uint64_t tx_bytes;
        uint64_t drops[_DROP_REASON_MAX];
} Counters;

static inline void counters_drop(Counters *c, DropReason reason) {
        c->drops[reason]++;
}
