/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a channel works; channel.c, channel-write.c and channel-read.c implement it.
 *
 * Two lanes, one in each direction. We write only our own lane: the head of what we send, the tail of what we have
 * read of the peer's, and two words that say whether we sleep. We keep private copies of all of it and never read
 * ours back. Of the peer's lane we read the same four words, and check them against what the peer may have done:
 *
 *      our lane      tail (peer's word) ........... published ....... head         slots we have filled
 *                     |-- the peer has yet to read --|-- unpublished --|
 *                    the peer's tail may move up to "published", and only forwards
 *
 *      peer's lane   released ........... tail ............ head (peer's word)     slots it has filled
 *                     |-- not given back --|-- to be read --|
 *                    the peer's head may move up to "released" + n_slots, and only forwards
 *
 * Sleeping is announced by an epoch in armed_read or armed_write. The sleeper stores it, fences, and looks once more;
 * the waker stores its index, fences, and looks whether an epoch is there. One of the two sees the other, whatever
 * the processors reorder (test-channel-model.c tries all interleavings). The waker cannot reset a word that it may
 * only read, so it remembers the epoch that it rang for: one ring per sleep. One counter serves both words, so an
 * epoch names one sleep of one of them.
 *
 * A sleeping writer is woken when half of the lane is free, not at each slot: half a lane is room for the largest
 * message, and waking costs as much as copying some hundred packets.
 *
 * The three cache-line groups of the struct belong to: everybody (read-only after the constructor, but for the dead
 * flag and the epoch counter), the writing thread, the reading thread.
 */

#include "libo7s/channel.h"
#include "libo7s/lane-internal.h"

typedef struct ChannelWriter {
        uint32_t head;          /* next slot to fill */
        uint32_t published;     /* what the peer knows of head */
        uint32_t tail;          /* what we know of the peer's tail */
        uint32_t rung;          /* epoch of the peer's armed_read that we rang for */
        uint32_t reserved;      /* bytes of the slot that is handed out, 0 where none is */
        bool armed;
} ChannelWriter;

typedef struct ChannelReader {
        uint32_t tail;          /* next slot to read */
        uint32_t released;      /* what the peer knows of tail */
        uint32_t head;          /* what we know of the peer's head */
        uint32_t rung;          /* epoch of the peer's armed_write that we rang for */
        uint32_t size;          /* bytes of the message at tail, 0 where its descriptors are not read yet */
        uint32_t offset;        /* bytes of it that were handed out */
        ChannelFlags flags;     /* of the message whose descriptors were read last */
        uint32_t rings_before;  /* .n_rings when it was armed */
        bool armed;
} ChannelReader;

struct Channel {
        LaneMemory *own;
        const LaneMemory *peer;
        Lane *own_lane;
        Lane *peer_lane;
        uint32_t n_slots;
        uint32_t mask;
        uint32_t message_max;
        bool peer_knows_path;   /* it said so when we began; a lie harms nobody but the liar */
        int fd;
        uint32_t epoch;         /* of our last sleep; atomic: reader and writer both sleep */
        uint32_t n_rings;       /* taken off the doorbell; atomic: either side may drain it */
        bool dead;              /* atomic: either side may find out */

        ChannelWriter writer __attribute__((aligned(LANE_WORD_ALIGN)));
        ChannelReader reader __attribute__((aligned(LANE_WORD_ALIGN)));
};

static inline bool channel_is_dead(const Channel *c) {
        return __atomic_load_n(&c->dead, __ATOMIC_RELAXED);
}

/* The epoch of a new sleep; never 0. */
uint32_t channel_next_epoch(Channel *c);

/* Rings for an epoch, once. Returns: 0; 1: rang; -EPIPE; another errno: not rung, to be tried again. */
int channel_ring(Channel *c, uint32_t epoch, uint32_t *rung);
