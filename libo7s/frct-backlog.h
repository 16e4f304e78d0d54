/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was written and is not a segment yet. Messages stay whole and are cut when they are sent, to what fits the path
 * at that moment; one that fits as it is becomes the segment itself. A stream's bytes flow together, so that many small
 * writes while the window is closed become few full packets.
 */

#include <sys/uio.h>

#include "libo7s/frct-segments.h"

typedef struct FrctBacklog {
        List written;                   /* of FrctSegment */
        size_t n_bytes;                 /* not cut yet */
        bool extended;                  /* messages may be cut */
        bool stream;
} FrctBacklog;

void frct_backlog_init(FrctBacklog *b, bool extended, bool stream);
void frct_backlog_done(FrctBacklog *b);

/* Copies the first size bytes of the parts. Returns: 0; -ENOMEM: nothing was taken. */
int frct_backlog_write(FrctBacklog *b, const struct iovec *parts, size_t size);

/* The next segment, of at most content_max bytes; a message that must not be cut is returned whatever its size. The
 * caller owns it. Returns: 1; 0: nothing is written; -ENOMEM: later. */
int frct_backlog_cut(FrctBacklog *b, size_t content_max, FrctSegment **ret);

static inline bool frct_backlog_is_empty(const FrctBacklog *b) {
        return list_is_empty(&b->written);
}
