/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow that a program of this host asks for: from ALLOCATE to the moment when both ends have been handed out. The
 * search itself is allocation.c; here its steps become messages. What a layer is asked, and what it answers, is in
 * connect-request.c and connect-answer.c.
 */

#include "basic/log.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"

/* -- telling the caller -- */

/* The client's end of the doorbell is new and empty, so this never has to wait. */
static void send_outcome(Flow *f, int result, const char *text, int lane_fd) {
        IrmMessage outcome = { .type = IRM_OUTCOME, .flow_id = f->id, .result = result, .lane_class = f->lane_class };
        int r;

        flow_fill_info(f, &outcome.info);
        (void) copy_string(outcome.text, sizeof(outcome.text), strempty(text));
        if (result == 0 && f->handshake)
                outcome.keys = f->handshake->keys;

        r = f->doorbell >= 0 ? irm_message_send_outcome(f->doorbell, &outcome, lane_fd) : 0;
        if (r < 0)
                log_debug_errno(r, "Cannot tell the outcome of flow %" PRIu64 ": %m", f->id);
        explicit_bzero(&outcome.keys, sizeof(outcome.keys));
}

/* -- the search -- */

static Layer *carrier_at(const Flow *f, int index) {
        const AllocationLayer *a = &f->allocation->layers[index];
        Layer *l = layer_find(f->manager, a->name);

        return l && l->key == a->key ? l : NULL;
}

static int allocation_timer_elapsed(sd_event_source *s, uint64_t usec, void *userdata);

void connect_set_timer(Flow *f) {
        (void) flow_set_timer(f, allocation_next(f->allocation), allocation_timer_elapsed);
}

void connect_retract(Flow *f, AllocationStep step) {
        f->step = step;
        f->have_step = true;
        (void) flow_handle(f, FLOW_EVENT_RETRACT);
}

/* Does what the search says next. The flow may be gone afterwards. */
static void take_step(Flow *f, AllocationStep step) {
        switch (step) {
        case ALLOCATION_REQUEST:
                if (f->state == FLOW_OFFERED) {
                        accept_withdraw(f, -ETIMEDOUT);
                        flow_wait(f);           /* should it come to its senses before the layer answers */
                        connect_retract(f, step);
                        return;
                }
                flow_set_layer(f, carrier_at(f, f->allocation->current));
                (void) flow_handle(f, FLOW_EVENT_ROUTE);
                return;
        case ALLOCATION_FAIL:
                f->error = f->allocation->error;
                allocation_explain(f->allocation, f->name, time_now(), f->text);
                (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
                return;
        case ALLOCATION_WAIT:
                break;
        }

        connect_set_timer(f);
}

static void ask_layer(Flow *f, Layer *l) {
        if (layer_is_usable(l) && layer_may_be_asked(l, f->caller, f->wanted) &&
            allocation_add_layer(f->allocation, l->key, l->name, time_now()) == 0)
                layer_send_query(l, f->id, f->name);
}

static void ask_layers(Flow *f) {
        size_t position;
        Layer *l;

        map_for_each(l, f->manager->layers, position)
                ask_layer(f, l);
}

static int allocation_timer_elapsed(sd_event_source *s, uint64_t usec, void *userdata) {
        Flow *f = userdata;
        bool impatient = f->allocation->impatient;
        AllocationStep step;

        step = allocation_elapsed(f->allocation, time_now());
        if (!impatient && f->allocation->impatient && step == ALLOCATION_WAIT)
                ask_layers(f);

        take_step(f, step);
        return 0;
}

/* A listener that has room is asked first, and wins if it accepts at once (or while layers are asked); else layers
 * and listeners to come race each other. */
static void search(Flow *f) {
        Acceptor *a = f->served ? name_choose_acceptor(f->served) : NULL;

        if (a) {
                flow_set_offer(f, a);
                (void) flow_handle(f, FLOW_EVENT_ACCEPTOR);
                return;
        }

        ask_layers(f);
        flow_wait(f);
        take_step(f, allocation_proceed(f->allocation, time_now()));
}

/* Whoever had it cannot: the search has said what is next, or (where a listener went away) starts again. */
void connect_search(Flow *f) {
        f->peer_lane = safe_close(f->peer_lane);

        if (f->have_step) {
                f->have_step = false;
                take_step(f, f->step);
        } else
                search(f);
}

void connect_permitted(Flow *f, bool granted) {
        if (granted) {
                if (f->state == FLOW_SEARCHING && f->allocation->n_layers == 0 && !list_is_linked(&f->by_name))
                        search(f);
                return;
        }

        flow_end(f, CLOSE_REFUSED, -EACCES,
                 "polkit does not let this process open flows (action org.o7s.irm1.open-flow)");
}

void connect_query_done(Flow *f, Layer *l, int result) {
        if (f->allocation)
                take_step(f, allocation_answered(f->allocation, l->key, result, time_now()));
}

/* Nothing was done for it yet, since polkit has not answered. */
static bool awaits_permission(const Flow *f) {
        return f->caller && f->caller->open_flow == PERMISSION_ASKED && f->allocation->n_layers == 0 &&
               !list_is_linked(&f->by_name);
}

void connect_layer_up(Flow *f, Layer *l) {
        if (!f->allocation || (f->state != FLOW_SEARCHING && f->state != FLOW_REQUESTED))
                return;
        if (awaits_permission(f))
                return;                 /* search() will find this layer */

        ask_layer(f, l);
}

void connect_layer_gone(Flow *f, Layer *l) {
        AllocationStep step;

        if (f->state == FLOW_ANSWERED && f->layer == l) {
                f->error = -ENETDOWN;
                (void) snprintf(f->text, sizeof(f->text), "Layer %s went down", l->name);
                (void) flow_handle(f, FLOW_EVENT_RETRACT);
                return;
        }
        if (!f->allocation)
                return;

        step = allocation_layer_gone(f->allocation, l->key, time_now());
        if (f->layer != l) {
                take_step(f, step);
                return;
        }

        flow_set_layer(f, NULL);
        connect_forget_requests(f);
        connect_retract(f, step);
}

/* -- a listener of this host -- */

void connect_offer(Flow *f) {
        const Terms terms = terms_of_local(&f->qos, f->stream);

        flow_wait_no_more(f);
        connect_leave_layer(f);
        flow_set_terms(f, &terms);
        allocation_hold(f->allocation, usec_add(time_now(), ALLOCATION_PATIENCE_USEC));
        accept_send_offer(f);
        connect_set_timer(f);
}

/* -- both sides are there -- */

void connect_complete(Flow *f) {
        flow_wait_no_more(f);
        if (f->offered_to)
                allocation_hold(f->allocation, USEC_INFINITY);

        if (f->caller_lane >= 0)
                (void) flow_handle(f, FLOW_EVENT_CALLER_LANE);
}

static void establish_here(Flow *f) {
        IrmMessage message = { .type = IRM_ESTABLISHED, .flow_id = f->id, .lane_class = f->lane_class };
        int fds[] = { f->caller_lane, f->doorbell };

        flow_fill_info(f, &message.info);
        (void) snprintf(message.info.peer, sizeof(message.info.peer), "user %u, process %d", f->caller->key.uid,
                        (int) f->caller->key.pid);
        client_send(f->offered_to->client, &message, fds, ELEMENTSOF(fds));
}

void connect_establish(Flow *f) {
        if (!f->layer) {
                flow_set_acceptor(f, f->offered_to->client->process);
                (void) snprintf(f->peer, sizeof(f->peer), "user %u, process %d",
                                f->offered_to->client->process->key.uid,
                                (int) f->offered_to->client->process->key.pid);
        }

        flow_remember(f);
        send_outcome(f, 0, NULL, f->peer_lane);
        if (f->layer)
                connect_establish_request(f);
        else
                establish_here(f);

        flow_established(f);
}

void connect_fail(Flow *f) {
        f->manager->flows_failed_total++;

        if (f->layer)
                connect_leave_layer(f);
        if (f->offered_to)
                accept_withdraw(f, f->error);

        log_debug("Flow %" PRIu64 " to '%s' failed: %s", f->id, f->name, f->text);
        send_outcome(f, f->error < 0 ? f->error : -ECANCELED, f->text, -1);
}
