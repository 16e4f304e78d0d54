/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the kernel puts the frames that a packet socket receives: a ring of slots that both see (TPACKET_V2, see
 * packet_mmap in the kernel's documentation). A frame is read without a system call, and a burst that comes while this
 * process does not run waits in memory of its own, whatever the limits of socket buffers are.
 *
 *   one block                                                        slot
 *   | slot | slot | ... | slot |  | slot | slot | ...                | status, lengths | address | frame        |
 *
 * A slot belongs to the kernel or to us, as its status says; slots are filled and read in their order. Of the versions
 * this is the one that hands over frame by frame: a later one waits for a block to fill or for a millisecond.
 */

#include "libo7s/packet.h"

/* 1.5 MiB take some 970 frames of an interface with the usual MTU, and 168 with an MTU of 9000: 2 ms of the fastest
 * stream that this process can take. With more it would no longer be below 4 MiB when it has nothing to do. */
#define FRAME_RING_BLOCK_BYTES (128U * 1024)
#define FRAME_RING_BLOCKS 12U

typedef struct FrameRing FrameRing;

/* On a packet socket that is not bound yet, which stays the caller's and is to outlive the ring. frame_max: largest
 * frame with its header, in bytes. Returns: 0; -ENOMEM; -EMSGSIZE: too large for a block; what setsockopt() and mmap()
 * say. */
int frame_ring_new(int fd, size_t frame_max, FrameRing **ret);
FrameRing *frame_ring_free(FrameRing *ring);
DEFINE_CLEANUP(FrameRing, frame_ring_free);

/* Copies the frames that wait into packets, in place of what was in them, n frames at most, and gives their slots back.
 * Frames that are larger than a packet or a slot takes are passed over; *ret_cut says how many. Returns: how many
 * packets are filled. */
unsigned frame_ring_read(FrameRing *ring, Packet *const *packets, unsigned n, unsigned *ret_cut);
