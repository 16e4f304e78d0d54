/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A lane: one direction of a flow in shared memory. It is one memfd with exactly one writer: whoever
 * made it seals it (SHRINK, GROW, FUTURE_WRITE, SEAL) after mapping it and hands the descriptor to the
 * other side, which checks it and maps it read-only. Nothing in a peer's lane is trusted.
 *
 * Layout, for a lane of n slots:
 *
 *      0  magic, version, n_slots, slot_size    for debuggers; never read by us
 *     16  known       u32  what the owner understands of what came later than version 1 (lane-internal.h)
 *    128  head        u32  messages published so far, in slots (free running)
 *    256  tail        u32  how far the owner consumed the *peer's* lane
 *    384  armed_read  u32  0: awake; else the epoch in which the owner sleeps until the peer's head moves
 *    512  armed_write u32  0, or the epoch in which the owner sleeps until the peer's tail moves
 *   2048  descriptor[n_slots]  u64: length in bits 0-23, flags in bits 24-27 (lane-internal.h), the rest zero
 *   4096  slot[n_slots][slot_size]
 *
 * Only lane.c, channel.c and doorbell.c touch shared memory.
 */

#include "basic/macro.h"

typedef enum LaneClass {
        LANE_THIN,      /* 16 slots of 2 KiB */
        LANE_NORMAL,    /* 64 slots of 2 KiB */
        LANE_BULK,      /* 256 slots of 2 KiB */
        _LANE_CLASS_MAX,
        _LANE_CLASS_INVALID = -EINVAL,
} LaneClass;

#define LANE_SLOT_BYTES 2048U
#define LANE_SLOTS_MAX 256U

typedef struct Lane Lane;

uint32_t lane_class_slots(LaneClass class);

/* Bytes of memory of one lane of this class: what quotas count. */
size_t lane_class_bytes(LaneClass class);

/* Largest message that a lane of this class carries: half its slots, at most 64 KiB. */
size_t lane_class_message_max(LaneClass class);

/* Makes our own lane: allocated, mapped, sealed. *ret_fd is for the peer; the caller closes it once sent.
 * Returns: 0; -ENOMEM, -ENOSPC, -EMFILE and what memfd_create() and mmap() say. */
int lane_new(LaneClass class, Lane **ret, int *ret_fd);

/* Maps a peer's lane after checking size, file system, seals and that all of it is allocated. The descriptor
 * stays the caller's. Returns: 0; -EBADMSG: not a lane of this class; -ENOMEM. */
int lane_open(LaneClass class, int fd, Lane **ret);

/* Unmaps. NULL is fine; returns NULL. */
Lane *lane_free(Lane *lane);
DEFINE_CLEANUP(Lane, lane_free);

/* The same in a forked child. It did not inherit the mapping: what is at that address now belongs to somebody else. */
Lane *lane_forget(Lane *lane);

/* Forces newer kernel calls (MFD_NOEXEC_SEAL, MADV_POPULATE_READ) to count as missing: for tests of the fallbacks. */
void lane_force_old_kernel(bool on);
