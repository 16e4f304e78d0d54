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

/* directory: an absolute path. Without a file everything is new; after one that is not ours nothing before now is, and
 * else the mark counts as mark_before() has it. Returns: 0; -errno: nothing can be written, and the mark counts for
 * this process alone. */
int mark_open(Mark *mark, const char *directory, uint64_t now_realtime_nsec);
void mark_done(Mark *mark);

/* What is not newer may be a copy, for whoever comes now. Where the clock was set back it is the mark still, until the
 * clock shows that time again; by more than OAP_REPLAY_STEP_NSEC, it had been wrong, and waiting for that would keep
 * everybody out: then it is now, as for the IRM's own memory (oap.h). */
uint64_t mark_before(const Mark *mark, uint64_t now_realtime_nsec);

/* Returns: 0; -EIO: it could not be written. */
int mark_raise(Mark *mark, uint64_t stamp);

/* The bytes of the file. Returns: 0; -EBADMSG. */
int mark_parse(const void *data, size_t size, uint64_t *ret);
