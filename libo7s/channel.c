/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Life and end of a channel, and what its two directions share. channel-internal.h tells how it works. */

#include "libo7s/channel-internal.h"

int channel_new(LaneClass class, Lane *own, Lane *peer, int doorbell_fd, Channel **ret) {
        _cleanup_(lane_freep) Lane *own_lane = own, *peer_lane = peer;
        _cleanup_close_ int fd = doorbell_fd;
        Channel *c;

        assert(own);
        assert(own->own && own->class == class);
        assert(peer);
        assert(!peer->own && peer->class == class);
        assert(ret);

        c = aligned_alloc(_Alignof(Channel), sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (Channel) {
                .own = own->memory,
                .peer = peer->memory,
                .own_lane = TAKE_PTR(own_lane),
                .peer_lane = TAKE_PTR(peer_lane),
                .n_slots = lane_class_slots(class),
                .mask = lane_class_slots(class) - 1,
                .message_max = (uint32_t) lane_class_message_max(class),
                .peer_knows_path = lane_load(&peer->memory->known) & LANE_KNOWS_PATH,
                .fd = TAKE_FD(fd),
        };

        *ret = c;
        return 0;
}

Channel *channel_free(Channel *channel) {
        if (!channel)
                return NULL;

        safe_close(channel->fd);
        lane_free(channel->own_lane);
        lane_free(channel->peer_lane);
        return mfree(channel);
}

Channel *channel_forget(Channel *channel) {
        if (!channel)
                return NULL;

        safe_close(channel->fd);
        lane_forget(channel->own_lane);
        lane_forget(channel->peer_lane);
        return mfree(channel);
}

int channel_fd(const Channel *channel) {
        return channel->fd;
}

size_t channel_message_max(const Channel *channel) {
        return channel->message_max;
}

void channel_depths(const Channel *channel, uint32_t *ret_out, uint32_t *ret_in) {
        *ret_out = MIN(lane_load(&channel->own->head) - lane_load(&channel->peer->tail), channel->n_slots);
        *ret_in = MIN(lane_load(&channel->peer->head) - lane_load(&channel->own->tail), channel->n_slots);
}

uint32_t channel_next_epoch(Channel *c) {
        uint32_t epoch;

        do
                epoch = __atomic_add_fetch(&c->epoch, 1, __ATOMIC_RELAXED);
        while (epoch == 0);

        return epoch;
}

int channel_ring(Channel *c, uint32_t epoch, uint32_t *rung) {
        int r;

        if (epoch == 0 || epoch == *rung)
                return 0;

        r = doorbell_ring(c->fd);
        if (r < 0)
                return r;

        *rung = epoch;
        return 1;
}

int channel_condemn(Channel *channel) {
        __atomic_store_n(&channel->dead, true, __ATOMIC_RELAXED);
        return -EBADMSG;
}

static int drain(Channel *channel, unsigned *ret_rings, PathState *path, CloseReason *ret_reason) {
        unsigned rings = 0;
        int r;

        r = doorbell_drain_path(channel->fd, &rings, path, ret_reason);
        if (rings > 0)
                (void) __atomic_add_fetch(&channel->n_rings, rings, __ATOMIC_RELEASE);
        if (ret_rings)
                *ret_rings = rings;

        return r == -EBADMSG ? channel_condemn(channel) : r;
}

int channel_drain_counted(Channel *channel, unsigned *ret_rings, CloseReason *ret_reason) {
        return drain(channel, ret_rings, NULL, ret_reason);
}

int channel_drain_path(Channel *channel, PathState *path, CloseReason *ret_reason) {
        return drain(channel, NULL, path, ret_reason);
}

int channel_drain(Channel *channel, CloseReason *ret_reason) {
        return drain(channel, NULL, NULL, ret_reason);
}

int channel_tell_path(Channel *channel, const PathState *path) {
        if (!channel->peer_knows_path)
                return -EOPNOTSUPP;

        return doorbell_tell_path(channel->fd, path);
}

void channel_close(Channel *channel, CloseReason reason) {
        doorbell_close(channel->fd, reason);
}
