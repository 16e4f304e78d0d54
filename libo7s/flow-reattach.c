/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow whose layer's process was killed. The doorbell hangs up without a word; the flow is suspended and asks the
 * IRM, which answers at once with a new doorbell, as it does for an allocation, and later tells the outcome on it:
 * the next process of the layer has the flow and this is its lane, or the flow is over. Nobody waits for that who
 * would not wait anyway: the new doorbell takes the old one's place wherever that was watched.
 *
 * Meanwhile reads get what the old lane still holds, and writes go into our old lane as long as it has room. What the
 * old process had not taken from there is copied into the new one.
 *
 * The reading and the writing thread work without the mutex, each on a channel of its own (flow->reader.channel,
 * flow->writer.channel), and follow to the current one (flow->channel) by themselves: the reader once the old channel
 * is empty, the writer at its next call. A channel goes when none of the three refers to it. So at most three exist,
 * and where a layer dies again before the reader has looked, what came in between is lost, as on any raw flow.
 *
 * Flows with a transfer do all of this under its mutex, and FRCT sends again what was lost. Those that are protected
 * keep their keys: the next process of the layer has no part in them either.
 *
 * The writer's mutex is what keeps it from pushing into a lane that is just being copied. Order: the flow's, then
 * the writer's.
 */

#include "libo7s/flow-set.h"
#include "libo7s/flow.h"
#include "libo7s/irm-client.h"
#include "libo7s/transfer.h"

/* IRMs that may go away one after the other while they think about one hang-up. */
#define REATTACH_ASKED_MAX 8U

/* -- channels -- */

/* Mutex held. */
static void channel_drop_unused(o7s_flow *flow, Channel *channel) {
        if (channel != flow->channel && channel != flow->reader.channel && channel != flow->writer.channel)
                channel_free(channel);
}

static bool side_follow(o7s_flow *flow, Channel **side) {
        Channel *before = *side;

        if (before == flow_channel(flow))
                return false;

        (void) pthread_mutex_lock(&flow->mutex);
        *side = flow->channel;
        channel_drop_unused(flow, before);
        (void) pthread_mutex_unlock(&flow->mutex);
        return true;
}

bool flow_reader_follow(o7s_flow *flow) {
        return side_follow(flow, &flow->reader.channel);
}

bool flow_writer_follow(o7s_flow *flow) {
        return side_follow(flow, &flow->writer.channel);
}

/* -- the doorbell where it is watched; mutex held -- */

static void doorbell_unwatch(o7s_flow *flow, int fd) {
        if (flow->transfer)
                transfer_unwatch(flow->transfer, fd);
        pollable_remove(&flow->pollable, fd);
        if (flow->member)
                set_member_unwatch(flow->member, fd);
}

static int doorbell_watch(o7s_flow *flow, int fd) {
        int r;

        if (pollable_is_made(&flow->pollable)) {
                r = pollable_add(&flow->pollable, fd);
                if (r < 0)
                        return r;
        }

        return flow->member ? set_member_watch(flow->member, fd) : 0;
}

/* -- asking; mutex held -- */

static void request_forget(o7s_flow *flow) {
        if (flow->doorbell_fd >= 0)
                doorbell_unwatch(flow, flow->doorbell_fd);
        flow->doorbell_fd = safe_close(flow->doorbell_fd);
        flow->own_lane = lane_free(flow->own_lane);
}

static void give_up(o7s_flow *flow, CloseReason reason) {
        request_forget(flow);
        flow->suspended = false;
        flow_end(flow, reason);
}

/* Asks, hands in our new lane, watches for the outcome. */
static int request_send(o7s_flow *flow) {
        IrmMessage request = {
                .type = IRM_REATTACH,
                .version = IRM_PROTOCOL_VERSION,
                .flow_id = flow->handle.flow_id,
        };
        IrmMessage reply;
        int r;

        r = process_request(&request, &reply, &flow->doorbell_fd);
        if (r < 0)
                return r;
        if (reply.result < 0)
                return reply.result;
        if (flow->doorbell_fd < 0 || reply.lane_class != flow->lane_class)
                return -EPROTO;

        r = flow_send_lane(flow);
        if (r < 0)
                return r;

        return doorbell_watch(flow, flow->doorbell_fd);
}

static void ask(o7s_flow *flow) {
        if (flow->n_asked++ >= REATTACH_ASKED_MAX || request_send(flow) < 0)
                give_up(flow, CLOSE_LAYER_DOWN);
}

void flow_suspend(o7s_flow *flow) {
        /* The descriptor stays open until both sides have left its channel: a writer may be about to ring. */
        doorbell_unwatch(flow, channel_fd(flow->channel));
        flow->suspended = true;
        flow->n_asked = 0;
        ask(flow);
}

/* -- the outcome; mutex held -- */

/* The new channel is what both sides find from now on. */
static void channel_replace(o7s_flow *flow, Channel *channel) {
        Channel *before = flow->channel;

        (void) pthread_mutex_lock(&flow->writer.mutex);
        channel_take_over(channel, before);
        __atomic_store_n(&flow->channel, channel, __ATOMIC_RELEASE);
        (void) pthread_mutex_unlock(&flow->writer.mutex);

        channel_drop_unused(flow, before);
}

static int attach(o7s_flow *flow, int lane_fd, const IrmFlowInfo *info) {
        Channel *channel;
        Lane *peer;
        int r;

        r = lane_open(flow->lane_class, lane_fd, &peer);
        if (r < 0) {
                doorbell_close(flow->doorbell_fd, CLOSE_VIOLATION);
                return r;
        }

        /* On its way into the channel the doorbell is in no handle. It stays watched: it is the same descriptor. */
        process_hold_forks();
        r = channel_new(flow->lane_class, TAKE_PTR(flow->own_lane), peer, TAKE_FD(flow->doorbell_fd), &channel);
        if (r >= 0)
                channel_replace(flow, channel);
        process_release_forks();
        if (r < 0)
                return r;

        /* Names and what both ends agreed on do not change; threads read them without the mutex. The next process
         * says so anew where the link is down, and what packets it takes where it does not know that yet. */
        __atomic_store_n(&flow->link_down, false, __ATOMIC_RELAXED);
        if (info->mtu > 0)
                flow->info.mtu = info->mtu;
        flow_set_message_max(flow);
        flow->suspended = false;
        flow_change(flow);
        return 0;
}

void flow_reattach_continue(o7s_flow *flow) {
        _cleanup_(irm_message_wipe) IrmMessage outcome = {};
        _cleanup_close_ int lane_fd = -1;
        int r;

        r = irm_message_receive_outcome(flow->doorbell_fd, &outcome, &lane_fd);
        if (r == -EAGAIN)
                return;

        if (r == -EPIPE) {                      /* the IRM went away; the next one knows the flow too */
                request_forget(flow);
                ask(flow);
                return;
        }

        if (r < 0 || outcome.result < 0) {
                give_up(flow, CLOSE_LAYER_DOWN);
                return;
        }

        r = attach(flow, lane_fd, &outcome.info);
        if (r < 0)
                give_up(flow, r == -EBADMSG ? CLOSE_VIOLATION : CLOSE_LAYER_DOWN);
}
