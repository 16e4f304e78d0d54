/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The provider's end of a flow: bursts of packets between a layer and the lanes of an application. */

#include "libo7s/endpoint.h"

struct Endpoint {
        Channel *channel;
        Counters counters;
        bool hostile;                   /* the violation is counted */
        PathState told;                 /* to the application */

        usec_t rings_since;             /* when n_spurious_rings started from 0 */
        uint64_t n_spurious_rings;      /* rings less messages since then: an honest application rings at most once
                                           for each */
};

int endpoint_new(LaneClass class, Lane *own, Lane *peer, int doorbell_fd, Endpoint **ret) {
        _cleanup_(channel_freep) Channel *channel = NULL;
        Endpoint *e;
        int r;

        assert(ret);

        r = channel_new(class, own, peer, doorbell_fd, &channel);
        if (r < 0)
                return r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;

        *e = (Endpoint) { .channel = TAKE_PTR(channel) };

        *ret = e;
        return 0;
}

Endpoint *endpoint_free(Endpoint *endpoint) {
        if (!endpoint)
                return NULL;

        channel_free(endpoint->channel);
        return mfree(endpoint);
}

int endpoint_fd(const Endpoint *endpoint) {
        return channel_fd(endpoint->channel);
}

Counters *endpoint_counters(Endpoint *endpoint) {
        return &endpoint->counters;
}

/* Counts the violation behind an -EBADMSG, the first time. */
static int endpoint_result(Endpoint *e, int r) {
        if (r == -EBADMSG && !e->hostile) {
                e->hostile = true;
                counters_drop(&e->counters, DROP_HOSTILE);
        }

        return r;
}

static DropReason drop_reason(int error) {
        switch (error) {
        case -EAGAIN:
                return DROP_QUEUE_FULL;
        case -EMSGSIZE:
                return DROP_TOO_LARGE;
        case -EINVAL:
                return DROP_MALFORMED;          /* a message of no bytes */
        default:
                return DROP_FLOW_CLOSED;
        }
}

int endpoint_deliver(Endpoint *endpoint, Packet *const *packets, unsigned n, bool marked) {
        Counters *counters = &endpoint->counters;
        unsigned dropped = 0;
        int r;

        for (unsigned i = 0; i < n; i++) {
                struct iovec part = { .iov_base = packets[i]->head, .iov_len = packet_size(packets[i]) };

                r = channel_push_flagged(endpoint->channel, &part, 1, marked ? CHANNEL_MARKED : 0);
                if (r < 0) {
                        (void) endpoint_result(endpoint, r);
                        counters_drop(counters, drop_reason(r));
                        dropped++;
                        continue;
                }

                counters->rx_packets++;
                counters->rx_bytes += part.iov_len;
        }

        r = channel_publish(endpoint->channel);
        if (r < 0)
                return endpoint_result(endpoint, r);

        return (int) dropped;
}

/* Takes one message. Returns: 1; 0: it was dropped; -EAGAIN; -EBADMSG. */
static int take_one(Endpoint *e, Packet *p) {
        bool more = false;
        ssize_t n;

        packet_reset(p);
        if (packet_room(p) <= PACKET_TAIL_ROOM)
                return -EAGAIN;

        n = channel_read(e->channel, p->head, packet_room(p) - PACKET_TAIL_ROOM, &more);
        if (n < 0)
                return (int) n;
        if (channel_flags(e->channel) != 0)
                return channel_condemn(e->channel);             /* an application has none to give */

        if (more) {
                channel_skip(e->channel);
                counters_drop(&e->counters, DROP_TOO_LARGE);
                return 0;
        }

        p->tail = p->head + n;
        e->counters.tx_packets++;
        e->counters.tx_bytes += (uint64_t) n;
        return 1;
}

int endpoint_take(Endpoint *endpoint, Packet *const *packets, unsigned n) {
        unsigned taken = 0, seen = 0;
        int r = 0;

        /* What is dropped counts against the budget too: messages that do not fit must not keep us here. */
        for (; seen < n; seen++) {
                r = take_one(endpoint, packets[taken]);
                if (r < 0)
                        break;
                taken += (unsigned) r;
        }

        endpoint->n_spurious_rings -= MIN(endpoint->n_spurious_rings, (uint64_t) seen);

        if (r != -EBADMSG)
                r = channel_release(endpoint->channel);
        (void) endpoint_result(endpoint, r);

        /* What was taken before the violation was good; the next call says the rest. */
        return taken == 0 && r == -EBADMSG ? -EBADMSG : (int) taken;
}

bool endpoint_readable(Endpoint *endpoint) {
        return channel_readable(endpoint->channel);
}

int endpoint_arm(Endpoint *endpoint) {
        return endpoint_result(endpoint, channel_arm_read(endpoint->channel));
}

int endpoint_drain(Endpoint *endpoint, usec_t now, CloseReason *ret_reason) {
        unsigned rings;
        int r;

        r = channel_drain_counted(endpoint->channel, &rings, ret_reason);
        if (r != 0)
                return endpoint_result(endpoint, r);

        if (usec_sub(now, endpoint->rings_since) >= USEC_PER_SEC) {
                endpoint->rings_since = now;
                endpoint->n_spurious_rings = 0;
        }

        endpoint->n_spurious_rings += rings;
        if (endpoint->n_spurious_rings > ENDPOINT_SPURIOUS_RINGS_MAX)
                return endpoint_result(endpoint, channel_condemn(endpoint->channel));

        return 0;
}

int endpoint_tell_path(Endpoint *endpoint, const PathState *path) {
        int r;

        if (path->down == endpoint->told.down && path->packet_max == endpoint->told.packet_max)
                return 0;

        r = channel_tell_path(endpoint->channel, path);
        if (r == -EAGAIN)
                return r;

        endpoint->told = *path;         /* who does not understand, or is not there, need not be asked again */
        return 0;
}

void endpoint_close(Endpoint *endpoint, CloseReason reason) {
        channel_close(endpoint->channel, reason);
}
