/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One flow of an application: from its endpoint to its end. */

#include "services/common/daemon.h"
#include "services/common/upper-internal.h"

/* -- the path -- */

/* An application that has not looked at its doorbell for long is told what counts then, once there is room. */
void upper_flow_tell_path(UpperFlow *u) {
        PathState path = u->upper->path;
        int r;

        if (u->ending)
                return;

        path.down = path.down || u->flow->down;
        r = endpoint_tell_path(u->endpoint, &path);
        (void) sd_event_source_set_io_events(u->io, r == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void upper_flow_set_down(LayerFlow *flow, bool down) {
        flow->down = down;
        if (flow->upper)
                upper_flow_tell_path(flow->upper);
}

/* -- its end -- */

void upper_flow_free(LayerFlow *flow) {
        UpperFlow *u = TAKE_PTR(flow->upper);

        if (!u)
                return;

        if (u->queue->held == u)
                u->queue->held = NULL;
        list_unlink(&u->by_ready);
        upper_turn_forget_warm(u);
        list_unlink(&u->by_upper);
        u->upper->n_flows--;
        upper_add_counters(&u->upper->past, endpoint_counters(u->endpoint));
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

void upper_flow_end(UpperFlow *u, usec_t now) {
        Upper *upper = u->upper;
        LayerFlow *flow = u->flow;
        CloseReason reason = u->reason;

        upper_flow_close(flow, reason);
        upper->ended(upper->userdata, flow, reason, now);
}

static int ending_took_too_long(sd_event_source *source, uint64_t usec, void *userdata) {
        upper_flow_end(userdata, time_now());
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

void upper_flow_set_ending(UpperFlow *u, CloseReason reason) {
        if (u->ending)
                return;

        u->ending = true;
        u->reason = reason;
        (void) sd_event_source_set_enabled(u->io, SD_EVENT_OFF);        /* a hang-up would ring for ever */

        if (u->upper->budget && set_deadline(u) < 0)
                u->deadline =
                        sd_event_source_disable_unref(u->deadline); /* then it has no time at all, see pause_flow() */
        upper_turn_wanted(u);
}

void upper_flow_finish(LayerFlow *flow, CloseReason reason) {
        assert(flow->upper);

        upper_flow_set_ending(flow->upper, reason);
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
                upper_flow_set_ending(u, CLOSE_VIOLATION);
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

        r = sd_event_add_io(upper->event, &u->io, endpoint_fd(endpoint), EPOLLIN, upper_turn_rang, u);
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
        upper_turn_wanted(flow->upper);
        if (flow->down || upper->path.down || upper->path.packet_max != flow->packet_max)
                upper_flow_tell_path(flow->upper);
        return 0;
}
