/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ordered flows between two programs of one host. Memory loses nothing and changes nothing, so they have neither FRCT
 * nor checksums; what they have beyond raw ones is messages of up to LOCAL_MESSAGE_MAX bytes, and streams, through
 * lanes that hold less.
 *
 *   a small message   one message of the lane, as on a raw flow
 *   a large one       several: all but the first say REST, all but the last say PART. The reader puts them together
 *                     in memory of its own, and hands out nothing before all of it is there
 *   a stream          messages of the lane without flags, as large as there is room; their boundaries mean nothing
 *
 * A write that times out in the middle of a large message has left a torn beginning with the reader. It stays there
 * unseen: the next message begins without REST, and that drops it. Writing the very same bytes again goes on where the
 * room ended, so that a program that never waits gets a large message through as well. So a message is read if, and
 * only if, its write said so.
 *
 * The other program is not trusted: what does not fit these rules makes the channel dead, and beginnings are bounded.
 */

#include <sys/uio.h>

#include "libo7s/flow.h"

#define LOCAL_MESSAGE_MAX ((size_t) 1 << 20)

/* What was read of a large message. Of the reading thread. */
typedef struct LocalReader {
        uint8_t *content;
        size_t capacity;
        size_t size;                    /* 0: none */
        size_t offset;                  /* handed out */
        bool complete;
} LocalReader;

/* A large message of which not everything found room in time. Of the writing thread. */
typedef struct LocalWriter {
        uint8_t *torn;                  /* a copy; NULL: none */
        size_t size;
        size_t done;                    /* in the lane */
        uint64_t n_messages;            /* that were written until then: after another one the reader has dropped it */
} LocalWriter;

struct LocalFlow {
        bool stream;
        LocalReader reader;
        LocalWriter writer;
};

bool local_is_needed(const IrmFlowInfo *info);

/* Returns: 0; -ENOMEM. */
int local_new(const IrmFlowInfo *info, LocalFlow **ret);
LocalFlow *local_free(LocalFlow *local);

/* -- reading; as their namesakes of the channel, but for whole messages -- */

/* -EAGAIN: no whole message is there. Of a stream: as much as there is, *ret_more says that it filled the buffer. */
ssize_t local_read(o7s_flow *flow, void *data, size_t size, bool *ret_more);
void local_skip(o7s_flow *flow);
int local_peek(o7s_flow *flow, const void **ret, size_t *ret_size);
bool local_readable(o7s_flow *flow);

/* -- writing -- */

/* A message, or bytes of a stream, of this many bytes in all. Waits as the flow's time-out says.
 * Returns: bytes, of a stream perhaps fewer than all; -EAGAIN, -ETIMEDOUT, -EPIPE, -EBADMSG. */
ssize_t local_write(o7s_flow *flow, const struct iovec *parts, unsigned n, size_t size);

static inline bool flow_is_local_stream(const o7s_flow *flow) {
        return flow->local && flow->local->stream;
}
