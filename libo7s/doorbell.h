/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The doorbell of a flow end: one end of a SEQPACKET socket pair that the IRM made. Records are
 *
 *   01                       ring: look at the lanes
 *   02 reason:u16            closed: an orderly end, the last record; reason is a CloseReason, big-endian
 *   03 message               outcome of an allocation, from the IRM, before the other end is handed out;
 *                            the rest is an IrmMessage (irm-message.h), with the peer's lane attached
 *   04 down:u8 packet_max:u32
 *                            path, from a layer alone: down is 1 while the network below takes no packets, else 0;
 *                            packet_max is the largest that it takes, big-endian, 0 where that is not known. It
 *                            counts as a ring, too. Sent where it is news, and only to an application that says in
 *                            its lane that it knows this record (LANE_KNOWS_PATH, lane-internal.h): one with an
 *                            older library would take it for a violation. Each new doorbell begins with 0 and the
 *                            size that the outcome said
 *
 * Every receive carries a control buffer; a descriptor that arrives after the outcome is closed and is
 * a violation. Nothing here ever blocks.
 */

#include "basic/macro.h"

#define DOORBELL_RING 0x01
#define DOORBELL_CLOSED 0x02
#define DOORBELL_OUTCOME 0x03
#define DOORBELL_PATH 0x04

#define DOORBELL_PACKET_MAX 65536U      /* no lane carries more */

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

/* What a layer says of the way below a flow. */
typedef struct PathState {
        bool down;              /* nothing gets through now, as where a cable is pulled; the flow goes on */
        uint32_t packet_max;    /* bytes; 0: not known, what was known before still counts */
} PathState;

/* Rings. A full socket means that a ring is pending already: success. Returns: 0; -EPIPE: nobody holds the other
 * end. */
int doorbell_ring(int fd);

/* Tells of the path. What is larger than DOORBELL_PACKET_MAX is told as that. Returns: 0; -EAGAIN: the socket is full;
 * -EPIPE: nobody holds the other end. */
int doorbell_tell_path(int fd, const PathState *path);

/* Sends the last record. Best effort. */
void doorbell_close(int fd, CloseReason reason);

/* Takes all records off the socket.
 * Returns: 0: rings or nothing; 1: closed, *ret_reason says why; -EPIPE: hang-up without a closed record: the
 * process on the other side died; -EBADMSG: a violation (unknown record, a descriptor). */
int doorbell_drain(int fd, CloseReason *ret_reason);

/* The same; *ret_rings, also on failure, says how many rings there were. A few dozen records are taken at most; what is
 * left keeps the descriptor readable. */
int doorbell_drain_counted(int fd, unsigned *ret_rings, CloseReason *ret_reason);

/* The same for who has a layer at the other end: of what that said of the path the newest is in *path, which else stays
 * as it was. Without a path (NULL, as above) the record is a violation. */
int doorbell_drain_path(int fd, unsigned *ret_rings, PathState *path, CloseReason *ret_reason);

/* For the IRM: a new pair, non-blocking and close-on-exec. */
int doorbell_pair(int ret_fds[2]);
