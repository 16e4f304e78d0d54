/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The doorbell of a flow end: one end of a SEQPACKET socket pair that the IRM made. Records are
 *
 *   01                       ring: look at the lanes
 *   02 reason:u16            closed: an orderly end, the last record; reason is a CloseReason, big-endian
 *   03 message               outcome of an allocation, from the IRM, before the other end is handed out;
 *                            the rest is an IrmMessage (irm-message.h), with the peer's lane attached
 *
 * Every receive carries a control buffer; a descriptor that arrives after the outcome is closed and is
 * a violation. Nothing here ever blocks.
 */

#include "basic/macro.h"

#define DOORBELL_RING 0x01
#define DOORBELL_CLOSED 0x02
#define DOORBELL_OUTCOME 0x03

typedef enum CloseReason {
        CLOSE_NORMAL,           /* the peer closed the flow */
        CLOSE_PEER_DIED,        /* its process ended without closing */
        CLOSE_PEER_TIMEOUT,     /* nothing was heard from it for the flow's timeout */
        CLOSE_LAYER_DOWN,       /* the layer that carried the flow went away */
        CLOSE_REFUSED,          /* not accepted after all */
        CLOSE_VIOLATION,        /* the other side broke the rules of shared memory */
        CLOSE_BY_OPERATOR,
        _CLOSE_REASON_MAX,
        _CLOSE_REASON_INVALID = -EINVAL,
} CloseReason;

const char *close_reason_to_string(CloseReason reason);

/* Rings. A full socket means that a ring is pending already: success. Returns: 0; -EPIPE: nobody holds the other
 * end. */
int doorbell_ring(int fd);

/* Sends the last record. Best effort. */
void doorbell_close(int fd, CloseReason reason);

/* Takes all records off the socket.
 * Returns: 0: rings or nothing; 1: closed, *ret_reason says why; -EPIPE: hang-up without a closed record: the
 * process on the other side died; -EBADMSG: a violation (unknown record, a descriptor). */
int doorbell_drain(int fd, CloseReason *ret_reason);

/* The same; *ret_rings, also on failure, says how many rings there were. A few dozen records are taken at most; what is
 * left keeps the descriptor readable. */
int doorbell_drain_counted(int fd, unsigned *ret_rings, CloseReason *ret_reason);

/* For the IRM: a new pair, non-blocking and close-on-exec. */
int doorbell_pair(int ret_fds[2]);
