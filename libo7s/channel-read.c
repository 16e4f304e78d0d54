/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The reading side of a channel: taking messages out of a lane that its owner may be scribbling on.
 *
 * Each descriptor is loaded exactly once, when a message comes to the front; what follows uses the private copy.
 * The bytes of a slot can change while they are copied. That harms nobody: they are the writer's to choose, and
 * whoever parses them parses the copy.
 */

#include "libo7s/channel-internal.h"

/* Flags travel as they are, above the length. */
_Static_assert(CHANNEL_MARKED * LANE_DESCRIPTOR_MARKED == LANE_DESCRIPTOR_MARKED, "marked");
_Static_assert(CHANNEL_PART * LANE_DESCRIPTOR_MARKED == LANE_DESCRIPTOR_PART, "part");
_Static_assert(CHANNEL_REST * LANE_DESCRIPTOR_MARKED == LANE_DESCRIPTOR_REST, "rest");

/* How many slots ahead the next messages' first lines are asked for. */
#define PREFETCH_SLOTS 4U

/* Looks how far the peer has written. */
static int head_refresh(Channel *c) {
        ChannelReader *r = &c->reader;
        uint32_t head;

        head = lane_load_acquire(&c->peer->head);
        if (head - r->released > c->n_slots)
                return channel_condemn(c);
        if (head - r->released < r->head - r->released)         /* backwards */
                return channel_condemn(c);

        r->head = head;
        return 0;
}

static uint32_t message_slots(const ChannelReader *r) {
        return (r->size + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES;
}

/* Reads the descriptors of the message at tail. */
static int message_check(Channel *c) {
        ChannelReader *r = &c->reader;
        uint32_t size = 0;

        for (uint32_t at = r->tail;; at++) {
                uint64_t descriptor;
                uint32_t length;

                if (at == r->head)                              /* a message is published as a whole */
                        return channel_condemn(c);

                descriptor = lane_load_descriptor(&c->peer->descriptors[at & c->mask]);
                if (descriptor & ~(LANE_DESCRIPTOR_LENGTH_MASK | LANE_DESCRIPTOR_MORE | LANE_DESCRIPTOR_FLAGS))
                        return channel_condemn(c);

                length = (uint32_t) (descriptor & LANE_DESCRIPTOR_LENGTH_MASK);
                if (length == 0 || length > LANE_SLOT_BYTES)
                        return channel_condemn(c);

                size += length;
                if (size > c->message_max)
                        return channel_condemn(c);

                if (!(descriptor & LANE_DESCRIPTOR_MORE)) {
                        r->flags = (ChannelFlags) ((descriptor & LANE_DESCRIPTOR_FLAGS) / LANE_DESCRIPTOR_MARKED);
                        break;
                }
                if (length != LANE_SLOT_BYTES || (descriptor & LANE_DESCRIPTOR_FLAGS))
                        return channel_condemn(c);
        }

        r->size = size;
        r->offset = 0;
        return 0;
}

/* Sees to it that a checked message is at tail. Returns: 0; -EAGAIN: there is none; -EBADMSG. */
static int message_need(Channel *c) {
        ChannelReader *reader = &c->reader;
        int r;

        if (channel_is_dead(c))
                return -EBADMSG;
        if (reader->size > 0)
                return 0;

        if (reader->tail == reader->head) {
                r = head_refresh(c);
                if (r < 0)
                        return r;
                if (reader->tail == reader->head)
                        return -EAGAIN;
        }

        channel_disarm_read(c);                                 /* awake: rings would be for nothing */

        r = message_check(c);
        if (r < 0)
                return r;

        /* Only what is published: a line that the writer is filling would be taken from under it. */
        if (reader->head - reader->tail > PREFETCH_SLOTS)
                __builtin_prefetch(c->peer->slots[(reader->tail + PREFETCH_SLOTS) & c->mask]);
        return 0;
}

static void message_consume(ChannelReader *r) {
        r->tail += message_slots(r);
        r->size = r->offset = 0;
}

ssize_t channel_read(Channel *channel, void *data, size_t size, bool *ret_more) {
        ChannelReader *reader = &channel->reader;
        uint8_t *to = data;
        uint32_t n, done;
        int r;

        if (size == 0)
                return -EINVAL;

        r = message_need(channel);
        if (r < 0)
                return r;

        n = (uint32_t) MIN(size, (size_t) (reader->size - reader->offset));

        for (done = 0; done < n;) {
                uint32_t at = reader->offset + done, in_slot = at % LANE_SLOT_BYTES;
                uint32_t part = MIN(n - done, LANE_SLOT_BYTES - in_slot);

                memcpy(to + done,
                       channel->peer->slots[(reader->tail + at / LANE_SLOT_BYTES) & channel->mask] + in_slot, part);
                done += part;
        }

        reader->offset += n;
        if (ret_more)
                *ret_more = reader->offset < reader->size;
        if (reader->offset == reader->size)
                message_consume(reader);

        return n;
}

void channel_skip(Channel *channel) {
        if (message_need(channel) >= 0)
                message_consume(&channel->reader);
}

int channel_peek(Channel *channel, const void **ret, size_t *ret_size) {
        ChannelReader *reader = &channel->reader;
        int r;

        assert(ret);
        assert(ret_size);

        r = message_need(channel);
        if (r < 0)
                return r;
        if (reader->size > LANE_SLOT_BYTES)
                return -EMSGSIZE;

        *ret = channel->peer->slots[reader->tail & channel->mask] + reader->offset;
        *ret_size = reader->size - reader->offset;
        return 0;
}

int channel_front(Channel *channel, size_t *ret_size, ChannelFlags *ret_flags) {
        const ChannelReader *reader = &channel->reader;
        int r;

        r = message_need(channel);
        if (r < 0)
                return r;

        *ret_size = reader->size - reader->offset;
        *ret_flags = reader->flags;
        return 0;
}

ChannelFlags channel_flags(const Channel *channel) {
        return channel->reader.flags;
}

int channel_release(Channel *channel) {
        ChannelReader *reader = &channel->reader;
        uint32_t epoch;
        int r;

        if (channel_is_dead(channel))
                return -EBADMSG;
        if (reader->tail == reader->released)
                return 0;

        lane_store_release(&channel->own->tail, reader->tail);
        reader->released = reader->tail;

        lane_fence();
        epoch = lane_load_acquire(&channel->peer->armed_write);
        if (epoch == 0 || epoch == reader->rung)
                return 0;

        /* The writer slept after its last message, so its head says how much it waits behind. */
        r = head_refresh(channel);
        if (r < 0)
                return r;
        if (reader->head - reader->released > channel->n_slots / 2)
                return 0;

        r = channel_ring(channel, epoch, &reader->rung);
        return r < 0 && r != -EPIPE ? 0 : r;
}

bool channel_readable(Channel *channel) {
        ChannelReader *reader = &channel->reader;

        if (channel_is_dead(channel))
                return true;                                    /* to be told so */

        return reader->tail != reader->head || lane_load(&channel->peer->head) != reader->tail;
}

/* Whether the asking of before still stands: what came since then would have taken it back when it was read, or is
 * still to be seen. A ring that was taken off meanwhile may have been for it all the same, late, from a writer whose
 * message was read before we asked: that one does not ring again. */
static bool is_armed_for_next(const Channel *c) {
        const ChannelReader *r = &c->reader;

        if (!r->armed || r->rings_before != __atomic_load_n(&c->n_rings, __ATOMIC_ACQUIRE))
                return false;

        return r->released == r->tail && r->head == r->tail && lane_load(&c->peer->head) == r->tail;
}

int channel_arm_read(Channel *channel) {
        ChannelReader *reader = &channel->reader;
        int r;

        if (is_armed_for_next(channel) && !channel_is_dead(channel))
                return 1;

        /* The writer may wait for just these slots. */
        r = channel_release(channel);
        if (r == -EBADMSG)
                return r;

        reader->rings_before = __atomic_load_n(&channel->n_rings, __ATOMIC_ACQUIRE);
        lane_store(&channel->own->armed_read, channel_next_epoch(channel));
        reader->armed = true;
        lane_fence();

        r = head_refresh(channel);
        if (r == 0 && reader->tail == reader->head)
                return 1;

        channel_disarm_read(channel);
        return r;
}

void channel_disarm_read(Channel *channel) {
        if (!channel->reader.armed)
                return;

        lane_store(&channel->own->armed_read, 0);
        channel->reader.armed = false;
}

bool channel_is_armed_read(const Channel *channel) {
        return channel->reader.armed;
}

uint32_t channel_pending(Channel *channel) {
        if (!channel_is_dead(channel))
                (void) head_refresh(channel);

        return channel->reader.head - channel->reader.tail;
}
