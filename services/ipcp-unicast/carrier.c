/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What arrives on a flow of a layer below, see carrier.h. An o7s_flow is level-triggered: what a bounded burst
 * leaves behind keeps the descriptor readable, so nothing has to be remembered between two turns of the loop.
 */

#include "services/ipcp-unicast/carrier.h"

/* Messages per second, of which no neighbour that keeps to its pace has more to say besides data: twice that of
 * routing. Beyond it, management waits its turn among the data, which a storm would otherwise not let through at
 * all. */
#define MANAGEMENT_RATE_MAX 10000U

Carrier *carrier_free(Carrier *c) {
        if (!c)
                return NULL;

        list_unlink(&c->by_lower);
        c->io = sd_event_source_disable_unref(c->io);
        o7s_flow_unref(c->o7s);
        return mfree(c);
}

LowerFlow *carrier_cut(Carrier *c) {
        LowerFlow *flow = TAKE_PTR(c->flow);

        flow->shell = NULL;
        return flow;
}

/* -- telling the core; each of these may free what it is about -- */

/* It never came up. */
static void carrier_failed(Carrier *c, int error, usec_t now) {
        o7s_error last = { .size = sizeof(last) };
        bool told = o7s_last_error(&last) >= 0 && last.error == error;

        unicast_lower_failed(carrier_cut(c), error, told ? last.text : o7s_strerror(error), now);
}

static void carrier_ended(Carrier *c, int events, int error, usec_t now) {
        const char *reason = "it was closed at the other end";

        if (events & O7S_PEER_GONE)
                reason = "the layer below went away";
        else if (error < 0 && error != -ENOTCONN)
                reason = o7s_strerror(error);

        unicast_lower_down(carrier_cut(c), reason, now);
}

void carrier_show(const Carrier *c, bool outgoing, Packet *const *packets, unsigned n) {
        bool data = c->flow->purpose == LOWER_DATA && c->flow->state == LOWER_OPEN;

        capture_packets(c->lower->capture, data ? LOWER_INTERFACE_DATA : LOWER_INTERFACE_MANAGEMENT, outgoing, packets,
                        n);
}

/* -- what arrives -- */

static void carrier_count(Carrier *c, unsigned n, usec_t now) {
        if (usec_sub(now, c->second) >= USEC_PER_SEC) {
                c->noisy = c->n_read > MANAGEMENT_RATE_MAX;
                c->second = now;
                c->n_read = 0;
        }

        c->n_read += n;
        if (c->n_read > MANAGEMENT_RATE_MAX)
                c->noisy = true;
}

static int64_t flow_priority(const Carrier *c) {
        const LowerFlow *flow = c->flow;

        if (flow->purpose != LOWER_DATA)
                return c->noisy ? DAEMON_PRIORITY_DATA : LOWER_PRIORITY_MANAGEMENT;

        return DAEMON_PRIORITY_DATA - (flow->cube == CUBE_VOICE ? 2 : flow->cube == CUBE_VIDEO ? 1 : 0);
}

/* What a flow is for is known when its first message has said it. */
static void carrier_prioritise(Carrier *c) {
        int64_t priority = flow_priority(c);

        if (c->priority == priority)
                return;

        c->priority = priority;
        (void) sd_event_source_set_priority(c->io, priority);
}

int lower_make_room(Lower *l, size_t room) {
        Packet *packets[UNICAST_BURST_MAX] = {};
        int r = 0;

        if (room <= l->packet_room)
                return 0;

        for (size_t i = 0; i < ELEMENTSOF(packets) && r >= 0; i++)
                r = packet_new(room, &packets[i]);

        for (size_t i = 0; i < ELEMENTSOF(packets); i++) {
                Packet *old = l->packets[i];

                if (r >= 0)
                        l->packets[i] = packets[i];
                (void) packet_free(r >= 0 ? old : packets[i]);
        }
        if (r >= 0)
                l->packet_room = room;
        return r;
}

/* One burst. Returns: how many messages; 0: nothing there; < 0: the flow has ended. */
static int carrier_read(Carrier *c, usec_t now) {
        Lower *l = c->lower;
        o7s_msg msgs[UNICAST_BURST_MAX];
        Packet *packets[UNICAST_BURST_MAX];
        unsigned n_packets = 0;
        int n;

        for (size_t i = 0; i < ELEMENTSOF(msgs); i++) {
                packet_reset(l->packets[i]);
                msgs[i] = (o7s_msg) { .data = l->packets[i]->head, .capacity = l->packet_room };
        }

        n = o7s_flow_read_batch(c->o7s, msgs, ELEMENTSOF(msgs));
        if (n < 0)
                return n == -EAGAIN ? 0 : n;

        for (int i = 0; i < n; i++) {
                Packet *packet = l->packets[i];

                if (msgs[i].flags & O7S_MSG_TRUNCATED) {
                        counters_drop(&c->flow->counters, DROP_TOO_LARGE);
                        continue;
                }
                packet->tail = packet->head + msgs[i].size;
                packets[n_packets++] = packet;
        }

        carrier_count(c, (unsigned) n, now);
        if (l->capture)
                carrier_show(c, false, packets, n_packets);
        if (n_packets > 0)
                unicast_lower_received(c->flow, packets, n_packets, now);
        return n;
}

static void carrier_read_all(Carrier *c, int events, usec_t now) {
        for (unsigned i = 0; i < LOWER_BURSTS_PER_TURN && c->flow; i++) {
                int n;

                n = carrier_read(c, now);
                if (n < 0)
                        carrier_ended(c, events, n, now);
                if (n < (int) UNICAST_BURST_MAX)
                        return;         /* that was all: the flow rings for what comes now, without another look */
        }
}

/* The layer below takes packets of another size. Without memory for larger ones they are not asked for. */
static void carrier_changed(Carrier *c, usec_t now) {
        struct o7s_flow_info info = { .size = sizeof(info) };

        if (o7s_flow_info(c->o7s, &info) >= 0 && lower_make_room(c->lower, info.mtu) >= 0)
                unicast_lower_resized(c->flow, info.mtu, now);
}

static void carrier_look(Carrier *c, usec_t now) {
        int events;

        events = o7s_flow_events(c->o7s);
        if (events < 0)
                return carrier_ended(c, 0, events, now);
        if (events & O7S_CHANGED)
                carrier_changed(c, now);

        if (c->armed && events & (O7S_WRITABLE | O7S_DOWN)) {
                c->armed = false;
                (void) o7s_flow_arm_write(c->o7s, false);
                unicast_lower_writable(c->flow, now);
        }

        /* What arrived before the end is read first; the reading then says that this was the end. */
        if (c->flow && events & (O7S_READABLE | O7S_DOWN))
                carrier_read_all(c, events, now);
        if (c->flow)
                carrier_prioritise(c);
}

/* The outcome of an allocation of ours. Returns whether the flow is there. */
static bool carrier_finish(Carrier *c, usec_t now) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        int r;

        r = o7s_flow_alloc_finish(c->o7s);
        if (r == -EINPROGRESS)
                return false;
        if (r >= 0)
                r = o7s_flow_info(c->o7s, &info);
        if (r >= 0)
                r = lower_make_room(c->lower, info.mtu);
        if (r < 0) {
                carrier_failed(c, r, now);
                return false;
        }

        c->up = true;
        unicast_lower_allocated(c->flow, info.mtu, now);
        return c->flow;
}

static int carrier_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Carrier *c = userdata;
        usec_t now = time_now();

        c->busy = true;
        if (c->up || carrier_finish(c, now))
                carrier_look(c, now);
        c->busy = false;

        if (!c->flow)
                carrier_free(c);
        return 0;
}

int carrier_new(Lower *l, o7s_flow *o7s, Carrier **ret) {
        _cleanup_(carrier_freep) Carrier *c = NULL;
        int fd, r;

        c = malloc(sizeof(*c));
        if (!c) {
                o7s_flow_unref(o7s);
                return -ENOMEM;
        }

        *c = (Carrier) { .lower = l, .o7s = o7s, .priority = LOWER_PRIORITY_MANAGEMENT };
        list_init(&c->by_lower);

        r = o7s_flow_set_timeout(o7s, O7S_TIMEOUT_READ, 0);
        if (r >= 0)
                r = o7s_flow_set_timeout(o7s, O7S_TIMEOUT_WRITE, 0);
        if (r < 0)
                return r;

        fd = o7s_flow_fd(o7s);
        if (fd < 0)
                return fd;

        r = sd_event_add_io(l->event, &c->io, fd, EPOLLIN, carrier_ready, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->io, c->priority);
        if (r < 0)
                return r;

        list_append(&l->carriers, &c->by_lower);
        *ret = TAKE_PTR(c);
        return 0;
}
