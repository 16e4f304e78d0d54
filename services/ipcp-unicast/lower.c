/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows of the layers below, see lower.h. An o7s_flow is level-triggered: what a bounded burst leaves behind keeps the
 * descriptor readable, so nothing has to be remembered between two turns of the loop.
 *
 * The core may let go of a flow while it is told something about it. A carrier that is in the middle of that is only
 * cut off from its flow then, and freed when it is out again.
 */

#include "basic/log.h"
#include "libo7s/flow.h"
#include "services/common/daemon.h"
#include "services/ipcp-unicast/lower.h"

/* Between control and data: whoever wants to be our neighbour, and what keeps neighbours, before what they send. */
#define PRIORITY_MANAGEMENT (DAEMON_PRIORITY_DATA - 3)

/* Messages per second, of which no neighbour that keeps to its pace has more to say besides data: twice that of
 * routing. Beyond it, management waits its turn among the data, which a storm would otherwise not let through at
 * all. */
#define MANAGEMENT_RATE_MAX 10000U

const PcapngInterface lower_interfaces[_LOWER_INTERFACE_MAX] = {
        [LOWER_INTERFACE_DATA] = {
                PCAPNG_LINK_USER0, "",
                "Packets of an Ouroboros unicast layer, as they are in flows of the layers below: destination, "
                "quality of service, TTL, ECN, endpoint id (little-endian; 4, 1, 1, 1 and 8 bytes unless the layer "
                "was made otherwise), then the payload",
        },
        [LOWER_INTERFACE_MANAGEMENT] = {
                PCAPNG_LINK_USER0, "-management",
                "Messages between neighbours of an Ouroboros unicast layer: protobuf of connection establishment and "
                "enrollment, then link-state messages",
        },
};

typedef struct Carrier {
        Lower *lower;                   /* not owned */
        LowerFlow *flow;                /* not owned; NULL: let go of */
        o7s_flow *o7s;
        sd_event_source *io;
        int64_t priority;
        bool up;
        bool armed;                     /* waits for room */
        bool busy;                      /* inside carrier_ready() */
        bool noisy;                     /* says more than MANAGEMENT_RATE_MAX */
        usec_t second;                  /* when the one began in which n_read were read */
        unsigned n_read;
        ListNode by_lower;              /* Lower.carriers */
} Carrier;

static Carrier *carrier_free(Carrier *c) {
        if (!c)
                return NULL;

        list_unlink(&c->by_lower);
        c->io = sd_event_source_disable_unref(c->io);
        o7s_flow_unref(c->o7s);
        return mfree(c);
}
DEFINE_CLEANUP(Carrier, carrier_free);

/* -- telling the core; each of these may free what it is about -- */

/* Takes the flow away from its carrier. */
static LowerFlow *carrier_cut(Carrier *c) {
        LowerFlow *flow = TAKE_PTR(c->flow);

        flow->shell = NULL;
        return flow;
}

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

static void carrier_show(const Carrier *c, bool outgoing, Packet *const *packets, unsigned n) {
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
                return c->noisy ? DAEMON_PRIORITY_DATA : PRIORITY_MANAGEMENT;

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

/* Buffers for the largest packets of all flows. Returns: 0; -ENOMEM: as they were. */
static int lower_make_room(Lower *l, size_t room) {
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

static void carrier_look(Carrier *c, usec_t now) {
        int events;

        events = o7s_flow_events(c->o7s);
        if (events < 0)
                return carrier_ended(c, 0, events, now);

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

/* Takes the flow of libo7s, also on failure. */
static int carrier_new(Lower *l, o7s_flow *o7s, int64_t priority, Carrier **ret) {
        _cleanup_(carrier_freep) Carrier *c = NULL;
        int fd, r;

        c = malloc(sizeof(*c));
        if (!c) {
                o7s_flow_unref(o7s);
                return -ENOMEM;
        }

        *c = (Carrier) { .lower = l, .o7s = o7s, .priority = priority };
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
                r = sd_event_source_set_priority(c->io, priority);
        if (r < 0)
                return r;

        list_append(&l->carriers, &c->by_lower);
        *ret = TAKE_PTR(c);
        return 0;
}

/* -- what the core wants -- */

int lower_allocate(Lower *l, LowerFlow *flow) {
        const o7s_qos qos = cube_lower_qos(flow->cube);
        uint64_t flags = O7S_TRUNCATE | (flow->purpose == LOWER_DATA ? O7S_BULK : O7S_THIN);
        o7s_flow *o7s = NULL;
        Carrier *c;
        int r;

        assert(flow->lower < l->n_names);

        r = flow_alloc_start_over(l->names[flow->lower], flow->name, &qos, flags, JOIN_ALLOCATE_TIMEOUT_USEC, &o7s);
        if (r < 0)
                return r;

        r = carrier_new(l, o7s, PRIORITY_MANAGEMENT, &c);
        if (r < 0)
                return r;

        c->flow = flow;
        flow->shell = c;
        return 0;
}

void lower_release(LowerFlow *flow) {
        Carrier *c = flow->shell;

        if (!c)
                return;

        (void) carrier_cut(c);
        if (!c->busy)
                carrier_free(c);
}

unsigned lower_send(LowerFlow *flow, Packet *const *packets, unsigned n) {
        Carrier *c = flow->shell;
        o7s_msg msgs[UNICAST_BURST_MAX];
        unsigned done = 0;

        if (!c || !c->up)
                return n;               /* it has ended, and the core is about to hear of it */

        n = MIN(n, (unsigned) ELEMENTSOF(msgs));
        for (unsigned i = 0; i < n; i++)
                msgs[i] = (o7s_msg) { .data = packets[i]->head, .size = packet_size(packets[i]) };

        while (done < n) {
                int r;

                r = o7s_flow_write_batch(c->o7s, msgs + done, n - done);
                if (r > 0) {
                        if (c->lower->capture)
                                carrier_show(c, true, packets + done, (unsigned) r);
                        done += (unsigned) r;
                }
                else if (r == -EMSGSIZE) {
                        counters_drop(&flow->counters, DROP_TOO_LARGE);
                        done++;
                } else if (r == -EAGAIN) {
                        c->armed = o7s_flow_arm_write(c->o7s, true) >= 0;
                        return c->armed ? done : n;
                } else
                        return n;       /* its end is on its way to us as an event */
        }

        return done;
}

unsigned lower_queued(const LowerFlow *flow) {
        const Carrier *c = flow->shell;

        return c && c->up && c->o7s->channel ? channel_queued(c->o7s->channel) : 0;
}

/* -- flows of others to us -- */

static int lower_index(const Lower *l, const char *name) {
        for (unsigned i = 0; i < l->n_names; i++)
                if (streq(l->names[i], name))
                        return (int) i;

        return -ENOENT;
}

/* Takes the flow. Returns: 0; < 0: it is closed. */
static int lower_accept(Lower *l, o7s_flow *o7s) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        _cleanup_(carrier_freep) Carrier *c = NULL;
        int index, r;

        r = carrier_new(l, o7s, PRIORITY_MANAGEMENT, &c);
        if (r >= 0)
                r = o7s_flow_info(o7s, &info);
        if (r >= 0)
                r = lower_make_room(l, info.mtu);
        if (r < 0)
                return r;

        index = lower_index(l, info.layer);
        if (index < 0)
                return -EACCES;         /* of this host, or through a layer that we are not on */

        r = unicast_lower_accepted(l->unicast, (unsigned) index, &info.qos_granted, info.mtu, info.peer, time_now(),
                                   &c->flow);
        if (r < 0)
                return r;

        c->up = true;
        c->flow->shell = c;
        TAKE_PTR(c);
        return 0;
}

static int listen_now(Lower *l);

static void listen_later(Lower *l) {
        l->listener_io = sd_event_source_disable_unref(l->listener_io);
        l->listener = o7s_listener_unref(l->listener);

        (void) sd_event_source_set_time_relative(l->listener_retry, l->listener_retry_usec);
        (void) sd_event_source_set_enabled(l->listener_retry, SD_EVENT_ONESHOT);
        l->listener_retry_usec = MIN(l->listener_retry_usec * 2, LOWER_LISTEN_RETRY_MAX_USEC);
}

static int listener_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Lower *l = userdata;

        for (unsigned i = 0; i < LOWER_ACCEPTS_PER_TURN; i++) {
                o7s_flow *o7s = NULL;
                int r;

                r = o7s_flow_accept(l->listener, 0, &o7s);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0) {
                        log_warning_errno(r, "Cannot accept flows of other members, trying again: %m");
                        listen_later(l);
                        return 0;
                }

                r = lower_accept(l, o7s);
                if (r < 0)
                        log_debug_errno(r, "Refused a flow of another member: %m");
        }

        return 0;
}

static int listener_retry_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        Lower *l = userdata;
        int r;

        r = listen_now(l);
        if (r >= 0) {
                l->listener_retry_usec = LOWER_LISTEN_RETRY_USEC;
                return 0;
        }

        if (r != l->listener_error)
                log_warning_errno(r, "Cannot listen for other members yet: %m");
        l->listener_error = r;
        listen_later(l);
        return 0;
}

/* On every name that is bound to our unit. Data transfer flows need the long queues; the few others take them along. */
static int listen_now(Lower *l) {
        int fd, r;

        r = o7s_listen(NULL, O7S_TRUNCATE | O7S_BULK, &l->listener);
        if (r < 0)
                return r;

        fd = o7s_listener_fd(l->listener);
        if (fd < 0)
                return fd;

        r = sd_event_add_io(l->event, &l->listener_io, fd, EPOLLIN, listener_ready, l);
        return r < 0 ? r : sd_event_source_set_priority(l->listener_io, PRIORITY_MANAGEMENT);
}

/* -- life -- */

int lower_init(Lower *l, sd_event *event, Unicast *unicast, const char *const *names, unsigned n_names) {
        int r;

        *l = (Lower) {
                .unicast = unicast,
                .names = names,
                .n_names = n_names,
                .listener_retry_usec = LOWER_LISTEN_RETRY_USEC,
        };
        list_init(&l->carriers);

        r = sd_event_add_time_relative(event, &l->listener_retry, CLOCK_MONOTONIC, 0, 0, listener_retry_elapsed, l);
        if (r < 0)
                return r;

        l->event = sd_event_ref(event);
        return sd_event_source_set_enabled(l->listener_retry, SD_EVENT_OFF);
}

int lower_start(Lower *l) {
        return sd_event_source_set_enabled(l->listener_retry, SD_EVENT_ONESHOT);
}

void lower_done(Lower *l) {
        if (!l->event)
                return;

        while (!list_is_empty(&l->carriers)) {
                Carrier *c = list_first(&l->carriers, Carrier, by_lower);

                if (c->flow)
                        (void) carrier_cut(c);
                carrier_free(c);
        }

        l->listener_io = sd_event_source_disable_unref(l->listener_io);
        l->listener = o7s_listener_unref(l->listener);
        l->listener_retry = sd_event_source_disable_unref(l->listener_retry);
        for (size_t i = 0; i < ELEMENTSOF(l->packets); i++)
                l->packets[i] = packet_free(l->packets[i]);
        l->event = sd_event_unref(l->event);
}
