/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The header in front of each packet of an ordered flow. All numbers big-endian.
 *
 *   offset size  0.23.0 (12 bytes)
 *        0    1  flags            FRCT_*
 *        1    3  window           low 24 bits of the receiver's right edge, in packets; valid with FRCT_WINDOW
 *        4    4  sequence         of DATA and FINISH; of the first DATA to come where a bare packet has RUN_START
 *        8    4  acknowledgement  everything before it has arrived; valid with FRCT_ACKNOWLEDGE
 *
 *   between two o7s peers (20 bytes), agreed at allocation
 *       12    4  stamp            of the sender's clock in microseconds, when this packet was sent
 *       16    1  number of ranges behind the header, at most FRCT_RANGES_MAX
 *       17    1  extension flags  FRCT_X_*
 *       18    2  position         with FRCT_X_PIECE: where the content begins in its segment; with FRCT_X_PROBE: the
 *                                 packet's size; with FRCT_X_PROBED: the size of the largest probe that arrived; else
 *                                 0
 *       20       with FRCT_X_ECHO: echo u32 (stamp of the newest packet with a sequence), hold u32 (microseconds that
 *                it was kept), marked u32 (packets with a congestion mark so far, mod 2^32)
 *                then ranges, each begin u32, end u32: arrived out of order; newest first
 *                then the content
 */

#include "basic/cursor.h"

typedef enum FrctFlags {
        FRCT_DATA = 0x01,
        FRCT_RUN_START = 0x02,          /* "DRF" */
        FRCT_ACKNOWLEDGE = 0x04,
        FRCT_WINDOW = 0x08,             /* "FC" */
        FRCT_RENDEZVOUS = 0x10,         /* the sender's window is closed: answer with ours */
        FRCT_FIRST = 0x20,              /* first fragment of a message; extended only */
        FRCT_MORE = 0x40,               /* another fragment follows; extended only */
        FRCT_FINISH = 0x80,             /* no data behind this sequence number; extended only */
} FrctFlags;

typedef enum FrctExtensionFlags {
        FRCT_X_ECHO = 0x01,
        FRCT_X_PROBE = 0x02,            /* padding to try the path's MTU; no sequence, no content */
        FRCT_X_PROBED = 0x04,           /* answers it */
        FRCT_X_PIECE = 0x08,            /* part of a segment that became too large for the path */
        FRCT_X_LAST_PIECE = 0x10,       /* with FRCT_X_PIECE */
} FrctExtensionFlags;

#define FRCT_RANGES_MAX 32U
#define FRCT_WINDOW_MASK UINT32_C(0xffffff)

typedef struct FrctRange {
        uint32_t begin;
        uint32_t end;                   /* one behind the last */
} FrctRange;

typedef struct FrctHeader {
        uint8_t flags;
        uint32_t window;                /* 24 bits */
        uint32_t sequence;
        uint32_t acknowledgement;
        /* extended */
        uint32_t stamp;
        uint8_t extension;              /* FRCT_X_ */
        uint16_t position;
        uint32_t echo;
        uint32_t hold_usec;
        uint32_t marked;
        uint8_t n_ranges;
        FrctRange ranges[FRCT_RANGES_MAX];
} FrctHeader;

/* Leaves the cursor at the content. Unknown flags of the 12-byte header are ignored as the protocol does; of the
 * extension they are an error, so are ranges that are empty or not above the acknowledgement. Returns: 0;
 * -EBADMSG. */
int frct_header_read(Cursor *c, bool extended, FrctHeader *ret);
void frct_header_write(Writer *w, bool extended, const FrctHeader *header);
size_t frct_header_size(bool extended, const FrctHeader *header);

/* a before b, numbers that wrap. */
static inline bool frct_before(uint32_t a, uint32_t b) {
        return (int32_t) (a - b) < 0;
}
