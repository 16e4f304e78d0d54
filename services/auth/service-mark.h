/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The newest time stamp of a request by somebody proven. Which requests were seen the IRM remembers while it runs; one
 * that it has seen before it was started anew, or before we were, could be sent again by whoever has recorded it. So
 * what is not newer than this mark, as it was when a connection of the IRM began, may be a copy, and is refused. Hosts
 * whose clocks are behind are kept out for as long as they are behind; their next attempt gets in.
 *
 * The mark outlives both services in a file of the service's own (StateDirectory=), 16 bytes:
 *
 *   "O7sm" | version u32 = 1 | stamp u64, ns of CLOCK_REALTIME
 */

#include "basic/macro.h"

#define MARK_FILE "newest-request"
#define MARK_FILE_BYTES 16U

typedef struct Mark {
        int fd;                         /* of the file; -1: it is only in memory */
        uint64_t newest;                /* ns of CLOCK_REALTIME; 0: there was none */
} Mark;

#define MARK_INIT { .fd = -1 }

/* directory: an absolute path. Without a file everything is new; after one that is not ours, and where the mark is
 * beyond all clocks, nothing before now is. Returns: 0; -errno: nothing can be written, and the mark counts for this
 * process alone. */
int mark_open(Mark *mark, const char *directory, uint64_t now_realtime_nsec);
void mark_done(Mark *mark);

/* Returns: 0; -EIO: it could not be written. */
int mark_raise(Mark *mark, uint64_t stamp);

/* The bytes of the file. Returns: 0; -EBADMSG. */
int mark_parse(const void *data, size_t size, uint64_t *ret);
