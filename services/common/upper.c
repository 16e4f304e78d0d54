/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "basic/log.h"
#include "services/common/daemon.h"
#include "services/common/upper.h"

struct UpperFlow {
        Upper *upper;                   /* not owned */
        UpperQueue *queue;              /* of layer_flow_cube(); upper's */
        LayerFlow *flow;                /* not owned, owns us */
        Endpoint *endpoint;
        sd_event_source *io;
        ListNode by_ready;
        ListNode by_warm;
        ListNode by_upper;
        Policer policer;
        bool paused;                    /* its budget is used up; the layer will resume it */
        bool ending;                    /* the application's end is over; what it wrote is still to be sent */
        CloseReason reason;
        sd_event_source *deadline;      /* while ending, where there is a budget */
};

static void counters_add(Counters *sum, const Counters *c) {
        sum->rx_packets += c->rx_packets;
        sum->rx_bytes += c->rx_bytes;
        sum->tx_packets += c->tx_packets;
        sum->tx_bytes += c->tx_bytes;
        for (unsigned i = 0; i < _DROP_REASON_MAX; i++)
                sum->drops[i] += c->drops[i];
}

/* What was counted when sum became b. */
static void counters_subtract(Counters *sum, const Counters *b) {
        sum->rx_packets -= b->rx_packets;
        sum->rx_bytes -= b->rx_bytes;
        sum->tx_packets -= b->tx_packets;
        sum->tx_bytes -= b->tx_bytes;
        for (unsigned i = 0; i < _DROP_REASON_MAX; i++)
                sum->drops[i] -= b->drops[i];
}

void upper_sum_counters(const Upper *upper, Counters *ret) {
        UpperFlow *u;

        *ret = upper->past;
        list_for_each(u, &upper->flows, by_upper)
                counters_add(ret, endpoint_counters(u->endpoint));
        counters_subtract(ret, &upper->reset);
}

void upper_reset_counters(Upper *upper) {
        Counters now;

        upper_sum_counters(upper, &now);
        counters_add(&upper->reset, &now);
        upper->n_demoted = 0;
}

/* -- whose turn it is -- */

static bool queue_waits(const UpperQueue *queue) {
        return !queue->blocked && !list_is_empty(&queue->ready);
}

/* The highest that has something to do, and now and then the lowest. */
static UpperQueue *next_queue(Upper *upper) {
        bool lowest = upper->n_bursts % UPPER_LOWEST_EVERY == UPPER_LOWEST_EVERY - 1;

        for (unsigned i = 0; i < _CUBE_MAX; i++) {
                UpperQueue *queue = &upper->queues[lowest ? i : _CUBE_MAX - 1 - i];

                if (queue_waits(queue))
                        return queue;
        }

        return NULL;
}

static void turn_schedule(Upper *upper) {
        (void) sd_event_source_set_enabled(upper->turn, next_queue(upper) ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void make_ready(UpperFlow *u) {
        if (!list_is_linked(&u->by_ready))
                list_append(&u->queue->ready, &u->by_ready);
        turn_schedule(u->upper);
}

static void make_warm(UpperFlow *u) {
        list_append(&u->upper->warm, &u->by_warm);
        u->upper->n_warm++;
}

static void make_cold(UpperFlow *u) {
        if (!list_is_linked(&u->by_warm))
                return;

        list_unlink(&u->by_warm);
        u->upper->n_warm--;
}

void upper_flow_free(LayerFlow *flow) {
        UpperFlow *u = TAKE_PTR(flow->upper);

        if (!u)
                return;

        if (u->queue->held == u)
                u->queue->held = NULL;
        list_unlink(&u->by_ready);
        make_cold(u);
        list_unlink(&u->by_upper);
        u->upper->n_flows--;
        counters_add(&u->upper->past, endpoint_counters(u->endpoint));
        sd_event_source_disable_unref(u->deadline);
        sd_event_source_disable_unref(u->io);
        endpoint_free(u->endpoint);
        free(u);
}

void upper_flow_close(LayerFlow *flow, CloseReason reason) {
        if (flow->upper)
                endpoint_close(flow->upper->endpoint, reason);
        upper_flow_free(flow);
}

/* -- who sends more than was asked for -- */

static void set_demoted(UpperFlow *u, bool demoted) {
        bool ready = list_is_linked(&u->by_ready);
        Cube cube;

        log_debug("Flow %" PRIu64 " sends %s.", u->flow->key.flow_id,
                  demoted ? "more than it asked for, and waits with best effort" : "no more than it asked for again");
        u->flow->demoted = demoted;
        cube = layer_flow_cube(u->flow);

        list_unlink(&u->by_ready);
        u->queue = &u->upper->queues[cube];
        if (ready)
                list_append(&u->queue->ready, &u->by_ready);
        (void) sd_event_source_set_priority(u->io, DAEMON_PRIORITY_DATA - (int64_t) cube);
}

/* Returns whether the flow changed its queue. Not while packets of it are held in one: those that follow may overtake
 * them in the other. What is still in its lane stays in order wherever it is taken from. */
static bool police(UpperFlow *u, usec_t now) {
        bool over;

        if (u->queue->held == u)
                return false;

        over = policer_is_over(&u->policer, now);
        if (over == u->flow->demoted)
                return false;

        set_demoted(u, over);
        return true;
}

static void charge(UpperFlow *u, unsigned n, usec_t now) {
        size_t cost = 0;

        for (unsigned i = 0; i < n; i++)
                cost += policer_cost(packet_size(u->queue->packets[i]));

        policer_charge(&u->policer, cost, now);
        if (u->flow->demoted)
                u->upper->n_demoted += n;
}

/* -- down -- */

static void end(UpperFlow *u, usec_t now) {
        Upper *upper = u->upper;
        LayerFlow *flow = u->flow;
        CloseReason reason = u->reason;

        upper_flow_close(flow, reason);
        upper->ended(upper->userdata, flow, reason, now);
}

static int ending_took_too_long(sd_event_source *source, uint64_t usec, void *userdata) {
        end(userdata, time_now());
        return 0;
}

/* A budget may leave no hope of sending what is left: the flow ends all the same. */
static int set_deadline(UpperFlow *u) {
        Upper *upper = u->upper;
        int r;

        r = sd_event_add_time_relative(upper->event, &u->deadline, CLOCK_MONOTONIC, upper->ending_max_usec, 0,
                                       ending_took_too_long, u);
        if (r < 0)
                return r;

        return sd_event_source_set_priority(u->deadline, DAEMON_PRIORITY_DATA);
}

static void set_ending(UpperFlow *u, CloseReason reason) {
        if (u->ending)
                return;

        u->ending = true;
        u->reason = reason;
        (void) sd_event_source_set_enabled(u->io, SD_EVENT_OFF);        /* a hang-up would ring for ever */

        if (u->upper->budget && set_deadline(u) < 0)
                u->deadline =
                        sd_event_source_disable_unref(u->deadline); /* then it has no time at all, see pause_flow() */
        make_ready(u);
}

void upper_flow_finish(LayerFlow *flow, CloseReason reason) {
        assert(flow->upper);

        set_ending(flow->upper, reason);
}

static void burst_transmit(UpperFlow *u, unsigned first, unsigned n, usec_t now) {
        UpperQueue *queue = u->queue;
        unsigned done = u->upper->transmit(u->upper->userdata, u->flow, queue->packets + first, n, now);

        if (done >= n) {
                queue->n_held = 0;
                return;
        }

        queue->blocked = true;
        queue->held = u;
        queue->held_first = first + done;
        queue->n_held = n - done;
}

/* Takes nothing more from the application until the layer says so. */
static void pause_flow(UpperFlow *u, usec_t now) {
        u->paused = true;
        list_unlink(&u->by_ready);

        if (u->ending && !u->deadline)
                end(u, now);
}

/* Returns whether there is something already. The flow may be gone afterwards. */
static bool arm(UpperFlow *u, usec_t now) {
        int r = endpoint_arm(u->endpoint);

        if (r < 0) {
                u->reason = CLOSE_VIOLATION;
                end(u, now);
        }

        return r == 0;
}

/* One burst of one flow. Returns whether there is more to do. The flow may be gone afterwards. */
static bool serve(UpperFlow *u, usec_t now) {
        Upper *upper = u->upper;
        unsigned max = UPPER_BURST_MAX;
        int n;

        u->paused = false;
        make_cold(u);
        if (police(u, now))
                return true;            /* its turn comes in the other queue */

        if (upper->budget && endpoint_readable(u->endpoint)) {
                max = upper->budget(upper->userdata, u->flow, UPPER_BURST_MAX, now);
                if (max == 0) {
                        pause_flow(u, now);
                        return false;
                }
        }

        n = endpoint_take(u->endpoint, u->queue->packets, max);
        if (n > 0) {
                charge(u, (unsigned) n, now);
                burst_transmit(u, 0, (unsigned) n, now);
                return true;
        }
        if (n < 0) {
                u->reason = CLOSE_VIOLATION;
                end(u, now);
                return false;
        }

        if (u->ending) {
                if (endpoint_readable(u->endpoint))
                        return true;    /* what was taken did not fit and was dropped; there is more */
                end(u, now);
                return false;
        }

        if (upper->n_warm < upper->n_warm_max) {
                make_warm(u);
                return false;
        }

        return arm(u, now);
}

static int turn_renew(Upper *upper);

static int turn_now(sd_event_source *source, void *userdata) {
        Upper *upper = userdata;
        usec_t now = time_now();

        for (unsigned i = 0; i < UPPER_BURSTS_PER_TURN; i++) {
                UpperQueue *queue = next_queue(upper);
                UpperFlow *u;

                if (!queue)
                        break;

                u = list_first(&queue->ready, UpperFlow, by_ready);
                list_unlink(&u->by_ready);
                if (serve(u, now))
                        list_append(&u->queue->ready, &u->by_ready);
                upper->n_bursts++;
        }

        (void) turn_renew(upper);       /* without memory it is less fair, and goes on */
        turn_schedule(upper);
        return 0;
}

/* The event loop takes what has been pending for longest first, and a deferred source is pending from when it is made:
 * the same one again and again would keep doorbells and the network waiting for as long as anybody has something to
 * send. */
static int turn_renew(Upper *upper) {
        sd_event_source *turn;
        int r;

        r = sd_event_add_defer(upper->event, &turn, turn_now, upper);
        if (r < 0)
                return r;

        sd_event_source_disable_unref(upper->turn);
        upper->turn = turn;

        r = sd_event_source_set_enabled(turn, SD_EVENT_OFF);
        if (r < 0)
                return r;

        return sd_event_source_set_priority(turn, DAEMON_PRIORITY_DATA);
}

/* -- the path -- */

/* An application that has not looked at its doorbell for long is told what counts then, once there is room. */
static void tell_path(UpperFlow *u) {
        PathState path = u->upper->path;
        int r;

        if (u->ending)
                return;

        path.down = path.down || u->flow->down;
        r = endpoint_tell_path(u->endpoint, &path);
        (void) sd_event_source_set_io_events(u->io, r == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void upper_set_path(Upper *upper, const PathState *path) {
        UpperFlow *u;

        upper->path = *path;
        list_for_each(u, &upper->flows, by_upper)
                tell_path(u);
}

void upper_flow_set_down(LayerFlow *flow, bool down) {
        flow->down = down;
        if (flow->upper)
                tell_path(flow->upper);
}

/* -- doorbells -- */

/* Straight on where nobody else waits: this is the short way of a single message. */
static void attend(UpperFlow *u, usec_t now) {
        (void) police(u, now);

        if (u->queue->blocked || list_is_linked(&u->by_ready) || !list_is_empty(&u->queue->ready))
                make_ready(u);
        else if (serve(u, now) && (u->queue->blocked || serve(u, now)))
                make_ready(u);
}

static int doorbell_rang(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        UpperFlow *u = userdata;
        CloseReason reason = CLOSE_NORMAL;
        usec_t now = time_now();
        int r;

        if (revents & EPOLLOUT)
                tell_path(u);

        r = endpoint_drain(u->endpoint, now, &reason);
        if (r > 0)
                set_ending(u, reason);
        else if (r == -EPIPE)
                set_ending(u, CLOSE_PEER_DIED);
        else if (r < 0)
                set_ending(u, CLOSE_VIOLATION);

        if (u->paused && !u->ending)
                return 0;

        attend(u, now);
        return 0;
}

bool upper_look(Upper *upper) {
        bool found = false;

        /* Who is served comes back behind those that are still to be looked at. */
        for (unsigned n = upper->n_warm; n > 0 && upper->n_warm > 0; n--) {
                UpperFlow *u = list_first(&upper->warm, UpperFlow, by_warm);

                make_cold(u);
                if (endpoint_readable(u->endpoint)) {
                        attend(u, time_now());
                        found = true;
                } else {
                        make_warm(u);
                }
        }

        return found;
}

bool upper_sleep(Upper *upper) {
        while (upper->n_warm > 0) {
                UpperFlow *u = list_first(&upper->warm, UpperFlow, by_warm);

                make_cold(u);
                if (arm(u, time_now()))
                        make_ready(u);
        }

        return !next_queue(upper);
}

static void queue_resume(UpperQueue *queue) {
        unsigned n = queue->n_held;

        if (!queue->blocked)
                return;

        queue->blocked = false;
        queue->n_held = 0;
        if (queue->held && n > 0)
                burst_transmit(TAKE_PTR(queue->held), queue->held_first, n, time_now());
}

void upper_resume(Upper *upper) {
        for (unsigned i = _CUBE_MAX; i > 0; i--)
                queue_resume(&upper->queues[i - 1]);
        turn_schedule(upper);
}

void upper_flow_resume(LayerFlow *flow) {
        UpperFlow *u = flow->upper;

        if (!u || !u->paused)
                return;

        u->paused = false;
        make_ready(u);
}

/* -- up -- */

void upper_deliver(Upper *upper, LayerFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        UpperFlow *u = flow->upper;
        int r;

        if (!u || u->ending) {
                upper->past.drops[u ? DROP_FLOW_CLOSED : DROP_NOT_ATTACHED] += n;
                return;
        }

        /* Where nobody holds the other end the doorbell rings by itself, and says why. */
        r = endpoint_deliver(u->endpoint, packets, n, marked);
        if (r == -EBADMSG)
                set_ending(u, CLOSE_VIOLATION);
}

/* -- the object -- */

int upper_flow_new(Upper *upper, LayerFlow *flow, Endpoint *taken) {
        _cleanup_(endpoint_freep) Endpoint *endpoint = taken;
        _cleanup_free_ UpperFlow *u = NULL;
        int r;

        assert(!flow->upper);

        if (!upper->queues[0].packets[0])
                return -ENOBUFS;        /* there was no memory for them, or never a network */

        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;

        r = sd_event_add_io(upper->event, &u->io, endpoint_fd(endpoint), EPOLLIN, doorbell_rang, u);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(u->io, DAEMON_PRIORITY_DATA - (int64_t) cube_from_qos(&flow->qos));
        if (r < 0) {
                sd_event_source_disable_unref(u->io);
                return r;
        }

        flow->demoted = false;
        policer_init(&u->policer, flow->of_layer ? 0 : cube_rate_bps(&flow->qos), time_now());
        u->upper = upper;
        u->queue = &upper->queues[layer_flow_cube(flow)];
        u->flow = flow;
        u->endpoint = TAKE_PTR(endpoint);
        list_init(&u->by_ready);
        list_init(&u->by_warm);
        list_append(&upper->flows, &u->by_upper);
        upper->n_flows++;

        /* Arms the lane, and takes what the application wrote before we looked. */
        flow->upper = TAKE_PTR(u);
        make_ready(flow->upper);
        if (flow->down || upper->path.down || upper->path.packet_max != flow->packet_max)
                tell_path(flow->upper);
        return 0;
}

static void free_packets(Packet **packets) {
        for (unsigned i = 0; i < UPPER_BURST_MAX; i++)
                packets[i] = packet_free(packets[i]);
}

int upper_set_packet_max(Upper *upper, size_t packet_max) {
        Packet *packets[_CUBE_MAX][UPPER_BURST_MAX] = {};
        int r = 0;

        for (unsigned i = 0; i < _CUBE_MAX * UPPER_BURST_MAX && r >= 0; i++)
                r = packet_new(packet_max, &packets[i / UPPER_BURST_MAX][i % UPPER_BURST_MAX]);

        for (unsigned i = 0; i < _CUBE_MAX; i++) {
                UpperQueue *queue = &upper->queues[i];

                if (r < 0) {
                        free_packets(packets[i]);
                        continue;
                }

                free_packets(queue->packets);
                memcpy(queue->packets, packets[i], sizeof(queue->packets));

                /* What was held was cut for the old size. */
                queue->n_held = 0;
                queue->held = NULL;
        }

        return r;
}

int upper_init(Upper *upper, sd_event *event, upper_transmit_t transmit, upper_ended_t ended, void *userdata) {
        *upper = (Upper) {
                .event = sd_event_ref(event),
                .transmit = transmit,
                .ended = ended,
                .userdata = userdata,
                .ending_max_usec = UPPER_ENDING_MAX_USEC,
        };
        for (unsigned i = 0; i < _CUBE_MAX; i++)
                list_init(&upper->queues[i].ready);
        list_init(&upper->flows);
        list_init(&upper->warm);

        return turn_renew(upper);
}

void upper_set_looks(Upper *upper) {
        upper->n_warm_max = UPPER_WARM_MAX;
}

void upper_set_budget(Upper *upper, upper_budget_t budget) {
        assert(upper->n_flows == 0);
        upper->budget = budget;
}

void upper_done(Upper *upper) {
        for (unsigned i = 0; i < _CUBE_MAX; i++)
                free_packets(upper->queues[i].packets);

        upper->turn = sd_event_source_disable_unref(upper->turn);
        upper->event = sd_event_unref(upper->event);
}
