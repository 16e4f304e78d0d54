/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whose turn it is, and what a flow does with it: it takes a burst from its lane, for LayerOps.transmit. The rules are
 * in upper.h.
 */

#include <inttypes.h>

#include "basic/log.h"
#include "services/common/daemon.h"
#include "services/common/upper-internal.h"

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

void upper_turn_wanted(UpperFlow *u) {
        if (!list_is_linked(&u->by_ready))
                list_append(&u->queue->ready, &u->by_ready);
        turn_schedule(u->upper);
}

static void make_warm(UpperFlow *u) {
        list_append(&u->upper->warm, &u->by_warm);
        u->upper->n_warm++;
}

void upper_turn_forget_warm(UpperFlow *u) {
        if (!list_is_linked(&u->by_warm))
                return;

        list_unlink(&u->by_warm);
        u->upper->n_warm--;
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

/* -- one turn -- */

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
                upper_flow_end(u, now);
}

/* Returns whether there is something already. The flow may be gone afterwards. */
static bool arm(UpperFlow *u, usec_t now) {
        int r = endpoint_arm(u->endpoint);

        if (r < 0) {
                u->reason = CLOSE_VIOLATION;
                upper_flow_end(u, now);
        }

        return r == 0;
}

/* One burst of one flow. Returns whether there is more to do. The flow may be gone afterwards. */
static bool serve(UpperFlow *u, usec_t now) {
        Upper *upper = u->upper;
        unsigned max = UPPER_BURST_MAX;
        int n;

        u->paused = false;
        upper_turn_forget_warm(u);
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
                upper_flow_end(u, now);
                return false;
        }

        if (u->ending) {
                if (endpoint_readable(u->endpoint))
                        return true;    /* what was taken did not fit and was dropped; there is more */
                upper_flow_end(u, now);
                return false;
        }

        if (upper->n_warm < upper->n_warm_max) {
                make_warm(u);
                return false;
        }

        return arm(u, now);
}

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

        (void) upper_turn_renew(upper); /* without memory it is less fair, and goes on */
        turn_schedule(upper);
        return 0;
}

/* The event loop takes what has been pending for longest first, and a deferred source is pending from when it is made:
 * the same one again and again would keep doorbells and the network waiting for as long as anybody has something to
 * send. */
int upper_turn_renew(Upper *upper) {
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

/* -- what begins a turn -- */

/* Straight on where nobody else waits: this is the short way of a single message. */
static void attend(UpperFlow *u, usec_t now) {
        (void) police(u, now);

        if (u->queue->blocked || list_is_linked(&u->by_ready) || !list_is_empty(&u->queue->ready))
                upper_turn_wanted(u);
        else if (serve(u, now) && (u->queue->blocked || serve(u, now)))
                upper_turn_wanted(u);
}

int upper_turn_rang(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        UpperFlow *u = userdata;
        CloseReason reason = CLOSE_NORMAL;
        usec_t now = time_now();
        int r;

        if (revents & EPOLLOUT)
                upper_flow_tell_path(u);

        r = endpoint_drain(u->endpoint, now, &reason);
        if (r > 0)
                upper_flow_set_ending(u, reason);
        else if (r == -EPIPE)
                upper_flow_set_ending(u, CLOSE_PEER_DIED);
        else if (r < 0)
                upper_flow_set_ending(u, CLOSE_VIOLATION);

        if (u->paused && !u->ending)
                return 0;

        attend(u, now);
        return 0;
}

/* Who is served comes back behind those that are still to be looked at. */
static bool look_at(Upper *upper, const UpperQueue *queue) {
        bool found = false;

        for (unsigned n = upper->n_warm; n > 0 && upper->n_warm > 0; n--) {
                UpperFlow *u = list_first(&upper->warm, UpperFlow, by_warm);

                upper_turn_forget_warm(u);
                if (u->queue != queue || !endpoint_readable(u->endpoint)) {
                        make_warm(u);
                        continue;
                }

                /* Where anybody waits for a turn, of whatever cube, it is the turns that decide. */
                if (next_queue(upper))
                        upper_turn_wanted(u);
                else
                        attend(u, time_now());
                found = true;
        }

        return found;
}

bool upper_look(Upper *upper) {
        bool found = false;

        for (unsigned i = _CUBE_MAX; i > 0; i--)
                if (look_at(upper, &upper->queues[i - 1]))
                        found = true;

        return found;
}

bool upper_sleep(Upper *upper) {
        while (upper->n_warm > 0) {
                UpperFlow *u = list_first(&upper->warm, UpperFlow, by_warm);

                upper_turn_forget_warm(u);
                if (arm(u, time_now()))
                        upper_turn_wanted(u);
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
        upper_turn_wanted(u);
}
