/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows that change the process of their layer, see reattach.h. */

#include "basic/log.h"
#include "services/irm/layer-names.h"
#include "services/irm/reattach.h"

static bool is_attached_or_waits(const Flow *f) {
        return f->state == FLOW_ESTABLISHED || f->state == FLOW_SUSPENDED || f->state == FLOW_RETURNED;
}

void reattach_layer_lost(Layer *l) {
        Flow *f, *following;

        list_for_each_safe(f, following, &l->flows, by_layer) {
                f->confirmed = false;
                if (is_attached_or_waits(f)) {
                        (void) flow_handle(f, FLOW_EVENT_LOST);
                        continue;
                }

                f->ended_by_layer = true;
                flow_end(f, CLOSE_LAYER_DOWN, -ENETDOWN, "The layer went away");
        }
}

/* -- the layer -- */

/* A flow that we do not know (any more), or that is another layer's, is over; this one ends it at its peer. */
static void refuse_return(Layer *l, uint64_t flow_id) {
        LayerMessage message = { .type = LAYER_CLOSE, .flow_id = flow_id, .close_reason = CLOSE_NORMAL };

        layer_send(l, &message, NULL, 0);
}

void reattach_layer_returned(Layer *l, const LayerMessage *message, int lane_fd) {
        Flow *f = flow_find(l->manager, message->flow_id);
        _cleanup_close_ int lane = lane_fd;

        if (!f || f->layer != l || !is_attached_or_waits(f)) {
                refuse_return(l, message->flow_id);
                return;
        }

        /* After a restart of ours we have not seen the layer's process end. */
        (void) flow_handle(f, FLOW_EVENT_LOST);

        f->confirmed = true;
        f->layer_uid = message->uid;
        f->peer_lane = TAKE_FD(lane);
        (void) flow_handle(f, FLOW_EVENT_LAYER_LANE);
}

/* -- the application -- */

static bool is_end_of(const Flow *f, const Client *c) {
        return f->caller == c->process || f->acceptor == c->process;
}

static void refuse_asked(Client *c, uint64_t flow_id, int result, const char *text) {
        IrmMessage reply = { .type = IRM_REPLY, .flow_id = flow_id, .result = result };

        (void) copy_string(reply.text, sizeof(reply.text), text);
        client_send(c, &reply, NULL, 0);
}

void reattach_asked(Client *c, const IrmMessage *message) {
        Flow *f = flow_find(c->manager, message->flow_id);
        IrmMessage reply = { .type = IRM_REPLY, .flow_id = message->flow_id };
        int ends[2], r;

        if (!f || !f->layer || !is_end_of(f, c) || !is_attached_or_waits(f)) {
                refuse_asked(c, message->flow_id, -ESTALE, "The layer below went away, and the flow with it");
                return;
        }

        r = doorbell_pair(ends);
        if (r < 0) {
                log_warning_errno(r, "Cannot make a doorbell for flow %" PRIu64 ": %m", f->id);
                refuse_asked(c, message->flow_id, r, "The IRM is out of descriptors");
                return;
        }

        /* What it brought when it asked before is not what it will use. */
        (void) safe_close(f->doorbell);
        f->caller_lane = safe_close(f->caller_lane);
        f->doorbell = ends[1];

        /* It may see the end of the layer's process before we do. If it only says so, its own flow waits in vain. */
        if (f->state == FLOW_ESTABLISHED)
                (void) flow_handle(f, FLOW_EVENT_LOST);

        reply.lane_class = f->lane_class;
        client_send(c, &reply, &ends[0], 1);
        (void) safe_close(ends[0]);
}

bool reattach_wants_lane(const Flow *f, const Client *c) {
        return (f->state == FLOW_SUSPENDED || f->state == FLOW_RETURNED) && is_end_of(f, c) && f->doorbell >= 0 &&
               f->caller_lane < 0;
}

/* -- what the table says -- */

static int layer_stayed_away(sd_event_source *s, uint64_t usec, void *userdata) {
        Flow *f = userdata;
        Layer *l = f->layer;

        log_debug("Flow %" PRIu64 ": layer %s did not come back in time", f->id, l->name);
        f->close_reason = CLOSE_LAYER_DOWN;
        f->error = -ENETDOWN;
        (void) copy_string(f->text, sizeof(f->text), "The layer below went away, and did not come back in time");
        (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
        layer_settle(l);
        return 0;
}

void reattach_suspend(Flow *f) {
        int r;

        f->peer_lane = safe_close(f->peer_lane);

        r = flow_set_timer(f, usec_add(time_now(), REATTACH_LAYER_USEC), layer_stayed_away);
        if (r < 0)
                log_warning_errno(r, "Cannot limit the time that flow %" PRIu64 " waits for its layer: %m", f->id);
}

void reattach_return(Flow *f) {
        (void) flow_set_timer(f, USEC_INFINITY, NULL);

        if (f->caller_lane >= 0)
                (void) flow_handle(f, FLOW_EVENT_CALLER_LANE);
}

static IrmMessage outcome_of(const Flow *f, int result) {
        IrmMessage outcome = { .type = IRM_OUTCOME, .flow_id = f->id, .result = result, .lane_class = f->lane_class };

        flow_fill_info(f, &outcome.info);
        return outcome;
}

void reattach_complete(Flow *f) {
        IrmMessage outcome = outcome_of(f, 0);
        const Process *application = f->caller ? f->caller : f->acceptor;
        LayerMessage message = {
                .type = LAYER_ESTABLISHED,
                .flow_id = f->id,
                .qos = f->qos,
                .lane_class = f->lane_class,
                .uid = application->key.uid,
                .of_layer = layer_of_process(application) != NULL,
        };
        int fds[] = { f->caller_lane, f->doorbell }, r;

        /* The application's first: what the layer rings comes behind it. */
        r = irm_message_send_outcome(f->doorbell, &outcome, f->peer_lane);
        if (r < 0)
                log_debug_errno(r, "Cannot tell that flow %" PRIu64 " is attached again: %m", f->id);

        layer_send(f->layer, &message, fds, ELEMENTSOF(fds));
        flow_drop_means(f);
        log_debug("Flow %" PRIu64 " is attached to layer %s again", f->id, f->layer->name);
}

void reattach_fail(Flow *f) {
        IrmMessage outcome = outcome_of(f, f->error < 0 ? f->error : -ENETDOWN);

        if (f->doorbell < 0)
                return;

        (void) copy_string(outcome.text, sizeof(outcome.text), f->text);
        (void) irm_message_send_outcome(f->doorbell, &outcome, -1);
}
