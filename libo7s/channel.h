/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One end of a flow in shared memory: our lane, the peer's lane and the doorbell. Used alike by an
 * application's flow and by a layer's endpoint. Not thread-safe but for one reader beside one writer.
 *
 * A message occupies one or more slots; all but its last carry the flag MORE and are full. It becomes
 * visible as a whole at channel_publish(). All indices of the peer are checked against private copies;
 * anything impossible makes the channel dead (-EBADMSG from then on) and is never an abort.
 *
 * Sleeping, for a reader: (1) drain the doorbell, (2) read until channel_read() says -EAGAIN,
 * (3) channel_arm_read(); if that returns 0 go on reading, else sleep until the descriptor is readable.
 * A writer without room does the same with channel_arm_write(). channel_publish() and channel_release()
 * ring the other side when, and only when, it sleeps, once per epoch.
 *
 * The reader's calls are those of "reading", the writer's those of "writing"; each may have a thread of its own.
 * How it works inside: channel-internal.h.
 */

#include <sys/uio.h>

#include "libo7s/doorbell.h"
#include "libo7s/lane.h"

typedef struct Channel Channel;

/* Takes both lanes and the doorbell, also on failure. Returns: 0; -ENOMEM. */
int channel_new(LaneClass class, Lane *own, Lane *peer, int doorbell_fd, Channel **ret);

/* Closes the doorbell (without a closed record: channel_close() sends that) and unmaps. */
Channel *channel_free(Channel *channel);
DEFINE_CLEANUP(Channel, channel_free);

/* The same in a forked child, see lane_forget(). */
Channel *channel_forget(Channel *channel);

/* The doorbell: poll for readable and hang-up. Stays the channel's. */
int channel_fd(const Channel *channel);

size_t channel_message_max(const Channel *channel);

/* -- writing -- */

/* What can be said of a message; both ends keep to what their flow knows. */
typedef enum ChannelFlags {
        CHANNEL_MARKED = 1 << 0,        /* by a layer: it met congestion */
        CHANNEL_PART = 1 << 1,          /* between programs: the next message goes on with it */
        CHANNEL_REST = 1 << 2,          /* it goes on with the one before */
} ChannelFlags;

/* Copies a message into free slots, unpublished; a reservation that is open is forgotten. Returns: 0; -EAGAIN: no
 * room; -EMSGSIZE; -EINVAL: empty; -EBADMSG: dead. */
int channel_push(Channel *channel, const struct iovec *parts, unsigned n_parts);
int channel_push_flagged(Channel *channel, const struct iovec *parts, unsigned n_parts, ChannelFlags flags);

/* Bytes that certainly find room in one message now. */
size_t channel_room(Channel *channel);

/* In place: the next slot, then how much of it is used. A reservation holds one slot (LANE_SLOT_BYTES).
 * Returns: 0; -EAGAIN, -EMSGSIZE, -EBADMSG; commit without reserve: -EINVAL. */
int channel_reserve(Channel *channel, size_t size, void **ret);
int channel_commit(Channel *channel, size_t size);

/* Makes everything pushed visible. Returns: 0; 1: rang; -EPIPE: nobody holds the other end; -EBADMSG: dead. */
int channel_publish(Channel *channel);

/* Publishes what is pushed, and asks to be rung once half of the slots are free: room for the largest message.
 * Returns: 1: armed, there is less room than that; 0: there is that room; -EBADMSG. */
int channel_arm_write(Channel *channel);
void channel_disarm_write(Channel *channel);

/* Copies into a new and unused channel of the same class what the peer of another one has not consumed, and publishes
 * it. Of the other one nothing is changed; neither is written meanwhile. A peer whose words make no sense has left
 * nothing. */
void channel_take_over(Channel *channel, const Channel *from);

/* Slots that the peer has not consumed yet. */
uint32_t channel_queued(Channel *channel);

/* -- reading -- */

/* Copies out (part of) the next message. What does not fit stays, *ret_more tells; channel_skip() drops it.
 * The slots count as consumed at channel_release(). Finding a message disarms the reader.
 * Returns: bytes (> 0); -EAGAIN: empty; -EBADMSG: dead; -EINVAL: size is 0. */
ssize_t channel_read(Channel *channel, void *data, size_t size, bool *ret_more);
void channel_skip(Channel *channel);

/* In place, for a message in one slot; the bytes are in memory that the peer can change at any time.
 * Returns: 0; -EAGAIN; -EBADMSG; -EMSGSIZE: the message spans slots (use channel_read). */
int channel_peek(Channel *channel, const void **ret, size_t *ret_size);

/* Looks at the message in front, or at what is left of it. Returns: 0; -EAGAIN; -EBADMSG. */
int channel_front(Channel *channel, size_t *ret_size, ChannelFlags *ret_flags);

/* Of the message that was last read or looked at. */
ChannelFlags channel_flags(const Channel *channel);

/* Gives consumed slots back to the writer. Returns: 0; 1: rang; -EPIPE: nobody holds the other end; -EBADMSG: dead. */
int channel_release(Channel *channel);

/* Whether channel_read() would return something now; cheap, no system call. */
bool channel_readable(Channel *channel);

/* Releases, and asks to be rung at the next message. Returns: 1: armed, still empty; 0: there is something to read;
 * -EBADMSG. */
int channel_arm_read(Channel *channel);
void channel_disarm_read(Channel *channel);

/* Whether nothing was read, and the asking not taken back, since then. Whatever is there rings, or has rung. */
bool channel_is_armed_read(const Channel *channel);

/* Slots that the peer has published and that we have not consumed. */
uint32_t channel_pending(Channel *channel);

/* How many slots the peer has not consumed, and how many we have not: for counters, from any thread. What
 * the peer's memory says is bounded, nothing more. */
void channel_depths(const Channel *channel, uint32_t *ret_out, uint32_t *ret_in);

/* -- ending -- */

/* doorbell_drain() on our doorbell. */
int channel_drain(Channel *channel, CloseReason *ret_reason);

/* doorbell_drain_counted() on our doorbell. */
int channel_drain_counted(Channel *channel, unsigned *ret_rings, CloseReason *ret_reason);

/* The same for who has a layer at the other end: doorbell_drain_path(). */
int channel_drain_path(Channel *channel, PathState *path, CloseReason *ret_reason);

/* For a layer: doorbell_tell_path(), where the application knows what that is. Returns also: -EOPNOTSUPP: it does
 * not. */
int channel_tell_path(Channel *channel, const PathState *path);

/* For rules that the owner enforces: the channel is dead from now on. Returns -EBADMSG. */
int channel_condemn(Channel *channel);

/* Tells the other side that this is the end. What was published stays readable there. */
void channel_close(Channel *channel, CloseReason reason);
