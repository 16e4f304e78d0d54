/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The writing side of a channel: filling slots of our lane, publishing them, waiting for room. */

#include "libo7s/channel-internal.h"

/* How many slots ahead our stores are prepared. */
#define OWN_AHEAD_SLOTS 8U
#define CACHE_LINE_BYTES 64U

static uint32_t slots_free(const Channel *c) {
        return c->n_slots - (c->writer.head - c->writer.tail);
}

/* Looks how far the peer has read. */
static int tail_refresh(Channel *c) {
        ChannelWriter *w = &c->writer;
        uint32_t tail;

        tail = lane_load_acquire(&c->peer->tail);
        if (tail - w->tail > w->published - w->tail)
                return channel_condemn(c);

        w->tail = tail;
        return 0;
}

/* Returns: 0; -EAGAIN: fewer than n slots are free; -EBADMSG. */
static int slots_need(Channel *c, uint32_t n) {
        int r;

        if (slots_free(c) >= n)
                return 0;

        r = tail_refresh(c);
        if (r < 0)
                return r;

        return slots_free(c) >= n ? 0 : -EAGAIN;
}

/* Asks for the lines of a slot that is filled soon, to be written. The peer has read it, so its processor holds them,
 * and a store to each would wait until they are given up; asked for early they come while we are at other things. Only
 * of what is free: from under a peer that still reads they would have to come back. How much of it will be filled is
 * guessed: as much as of the one before. x86-64 processors without the instruction pass over it. */
#if defined(__x86_64__)
__attribute__((target("prfchw")))
#endif
static void own_ahead(const Channel *c, uint32_t size) {
        const uint8_t *slot = c->own->slots[(c->writer.head + OWN_AHEAD_SLOTS) & c->mask];

        if (slots_free(c) <= OWN_AHEAD_SLOTS)
                return;

        for (uint32_t at = 0; at < size; at += CACHE_LINE_BYTES)
                __builtin_prefetch(slot + at, 1);
}

static void slot_finish(Channel *c, uint32_t size, uint64_t flags) {
        lane_store_descriptor(&c->own->descriptors[c->writer.head & c->mask], size | flags);
        c->writer.head++;
        own_ahead(c, size);
}

/* Adds up the parts. Returns: 0; -EINVAL: nothing in them; -EMSGSIZE. */
static int parts_size(const Channel *c, const struct iovec *parts, unsigned n_parts, uint32_t *ret) {
        size_t size = 0;

        for (unsigned i = 0; i < n_parts; i++) {
                if (parts[i].iov_len > c->message_max - size)
                        return -EMSGSIZE;
                size += parts[i].iov_len;
        }

        if (size == 0)
                return -EINVAL;

        *ret = (uint32_t) size;
        return 0;
}

int channel_push_flagged(Channel *channel, const struct iovec *parts, unsigned n_parts, ChannelFlags flags) {
        uint32_t size, left, used = 0;
        uint8_t *slot;
        int r;

        if (channel_is_dead(channel))
                return -EBADMSG;

        r = parts_size(channel, parts, n_parts, &size);
        if (r < 0)
                return r;

        r = slots_need(channel, (size + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);
        if (r < 0)
                return r;

        channel->writer.reserved = 0;           /* what was handed out is this slot now */
        slot = channel->own->slots[channel->writer.head & channel->mask];
        left = size;

        for (unsigned i = 0; i < n_parts; i++) {
                const uint8_t *from = parts[i].iov_base;
                size_t part = parts[i].iov_len;

                while (part > 0) {
                        size_t n = MIN(part, (size_t) (LANE_SLOT_BYTES - used));

                        memcpy(slot + used, from, n);
                        from += n;
                        part -= n;
                        used += (uint32_t) n;
                        left -= (uint32_t) n;

                        if (used < LANE_SLOT_BYTES || left == 0)
                                continue;

                        slot_finish(channel, LANE_SLOT_BYTES, LANE_DESCRIPTOR_MORE);
                        slot = channel->own->slots[channel->writer.head & channel->mask];
                        used = 0;
                }
        }

        slot_finish(channel, used, flags * LANE_DESCRIPTOR_MARKED);
        return 0;
}

int channel_push(Channel *channel, const struct iovec *parts, unsigned n_parts) {
        return channel_push_flagged(channel, parts, n_parts, 0);
}

size_t channel_room(Channel *channel) {
        if (slots_free(channel) < channel->n_slots / 2 && !channel_is_dead(channel))
                (void) tail_refresh(channel);

        return MIN((size_t) slots_free(channel) * LANE_SLOT_BYTES, (size_t) channel->message_max);
}

int channel_reserve(Channel *channel, size_t size, void **ret) {
        int r;

        assert(ret);

        if (channel_is_dead(channel))
                return -EBADMSG;
        if (size > LANE_SLOT_BYTES)
                return -EMSGSIZE;
        if (size == 0)
                return -EINVAL;

        r = slots_need(channel, 1);
        if (r < 0)
                return r;

        channel->writer.reserved = (uint32_t) size;
        *ret = channel->own->slots[channel->writer.head & channel->mask];
        return 0;
}

int channel_commit(Channel *channel, size_t size) {
        if (channel_is_dead(channel))
                return -EBADMSG;
        if (size == 0 || size > channel->writer.reserved)
                return -EINVAL;

        slot_finish(channel, (uint32_t) size, 0);
        channel->writer.reserved = 0;
        return 0;
}

int channel_publish(Channel *channel) {
        ChannelWriter *w = &channel->writer;
        int r;

        if (channel_is_dead(channel))
                return -EBADMSG;
        if (w->head == w->published)
                return 0;

        lane_store_release(&channel->own->head, w->head);
        w->published = w->head;

        lane_fence();
        r = channel_ring(channel, lane_load(&channel->peer->armed_read), &w->rung);

        /* Out of kernel memory for one byte: the next burst tries again, the epoch is still to be rung. */
        return r < 0 && r != -EPIPE ? 0 : r;
}

void channel_take_over(Channel *channel, const Channel *from) {
        uint32_t tail = lane_load_acquire(&from->peer->tail), n = from->writer.published - tail;

        assert(channel->n_slots == from->n_slots);
        assert(channel->writer.head == 0);

        if (n > from->n_slots)
                return;

        for (uint32_t i = 0; i < n; i++) {
                uint32_t at = (tail + i) & from->mask;
                uint64_t descriptor = lane_load_descriptor(&from->own->descriptors[at]);

                memcpy(channel->own->slots[i], from->own->slots[at], descriptor & LANE_DESCRIPTOR_LENGTH_MASK);
                lane_store_descriptor(&channel->own->descriptors[i], descriptor);
        }

        channel->writer.head = n;
        (void) channel_publish(channel);
}

int channel_arm_write(Channel *channel) {
        uint32_t room = channel->n_slots / 2;
        int r;

        /* A peer that reads does not see what is not published, and would never make room for us. */
        r = channel_publish(channel);
        if (r == -EBADMSG)
                return r;

        lane_store(&channel->own->armed_write, channel_next_epoch(channel));
        channel->writer.armed = true;
        lane_fence();

        r = slots_need(channel, room);
        if (r == -EAGAIN)
                return 1;

        channel_disarm_write(channel);
        return r;
}

void channel_disarm_write(Channel *channel) {
        if (!channel->writer.armed)
                return;

        lane_store(&channel->own->armed_write, 0);
        channel->writer.armed = false;
}

uint32_t channel_queued(Channel *channel) {
        if (!channel_is_dead(channel))
                (void) tail_refresh(channel);

        return channel->writer.head - channel->writer.tail;
}
