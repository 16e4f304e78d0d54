/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows: what they hold, to whom they belong, and their moves, see flow.h. */

#include "basic/log.h"
#include "services/irm/flow.h"
#include "services/irm/announce.h"
#include "services/irm/reattach.h"

Flow *flow_find(Manager *m, uint64_t id) {
        return map_get(m->flows, &id, sizeof(id));
}

void flow_set_caller(Flow *f, Process *p) {
        Process *before = f->caller;

        list_unlink(&f->by_caller);
        f->caller = p;
        if (p)
                list_append(&p->called_flows, &f->by_caller);
        if (before && before != p)
                process_settle(before);
}

void flow_set_acceptor(Flow *f, Process *p) {
        Process *before = f->acceptor;

        list_unlink(&f->by_acceptor);
        f->acceptor = p;
        if (p)
                list_append(&p->accepted_flows, &f->by_acceptor);
        if (before && before != p)
                process_settle(before);
}

void flow_set_layer(Flow *f, Layer *l) {
        if (f->layer) {
                list_unlink(&f->by_layer);
                f->layer->n_flows--;
        }

        f->layer = l;
        if (l) {
                list_append(&l->flows, &f->by_layer);
                l->n_flows++;
        }
}

void flow_set_offer(Flow *f, Acceptor *a) {
        if (f->offered_to) {
                list_unlink(&f->by_offer);
                f->offered_to->n_offers--;
        }

        f->offered_to = a;
        if (a) {
                list_append(&a->offers, &f->by_offer);
                a->n_offers++;
        }
}

void flow_wait(Flow *f) {
        if (!f->served || list_is_linked(&f->by_name))
                return;

        list_append(&f->served->waiting, &f->by_name);
        f->served->n_waiting++;
}

void flow_wait_no_more(Flow *f) {
        if (!list_is_linked(&f->by_name))
                return;

        list_unlink(&f->by_name);
        f->served->n_waiting--;
}

int flow_new(Manager *m, uint64_t id, bool incoming, const char *name, const o7s_qos *qos, Flow **ret) {
        _cleanup_(flow_freep) Flow *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;

        f->manager = m;
        f->id = id;
        f->incoming = incoming;
        f->state = incoming ? FLOW_QUEUED : FLOW_SEARCHING;
        f->qos = f->granted = *qos;
        f->caller_lane = f->peer_lane = f->doorbell = -1;
        f->state_slot = STATE_NO_SLOT;
        (void) copy_string(f->name, sizeof(f->name), name);
        list_init(&f->by_caller);
        list_init(&f->by_acceptor);
        list_init(&f->by_offer);
        list_init(&f->by_name);
        list_init(&f->by_layer);

        r = map_put(m->flows, &f->id, sizeof(f->id), f);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(f);
        return 0;
}

/* After this an established flow is only a record of who talks to whom. */
void flow_drop_means(Flow *f) {
        flow_wait_no_more(f);
        flow_set_offer(f, NULL);

        if (f->incoming_request)
                f->incoming_request = incoming_free(&f->manager->incoming, f->incoming_request);

        f->handshake = handshake_free(f->handshake);
        f->allocation = mfree(f->allocation);
        f->timer = sd_event_source_disable_unref(f->timer);
        f->doorbell_source = sd_event_source_disable_unref(f->doorbell_source);
        f->caller_lane = safe_close(f->caller_lane);
        f->peer_lane = safe_close(f->peer_lane);
        f->doorbell = safe_close(f->doorbell);
}

Flow *flow_free(Flow *f) {
        Name *served;

        if (!f)
                return NULL;

        flow_drop_means(f);
        flow_set_layer(f, NULL);

        if (f->served_by)
                f->served_by->n_flows--;

        served = f->served;
        if (f->counted)
                served->n_flows--;

        state_remove(f->manager->state, STATE_FLOW, f->state_slot);
        quota_return_flow(&f->manager->quota, &f->charge);

        if (map_get(f->manager->flows, &f->id, sizeof(f->id)) == f)
                map_remove(f->manager->flows, &f->id, sizeof(f->id));

        flow_set_caller(f, NULL);
        flow_set_acceptor(f, NULL);
        return mfree(f);
}

static void flow_finish(Flow *f) {
        LayerMessage message = { .type = LAYER_CLOSE, .flow_id = f->id, .close_reason = f->close_reason };

        if (f->layer && !f->ended_by_layer)
                layer_send(f->layer, &message, NULL, 0);
        reattach_fail(f);

        log_debug("Flow %" PRIu64 " to '%s' has ended: %s", f->id, f->name, close_reason_to_string(f->close_reason));
        announce_flow_removed(f);
}

/* What it took up, another may have now: an offer to a listener, a part of somebody's quota, of its name's flows. */
static void flow_make_room(Flow *f) {
        Name *served = f->served;

        flow_free(f);
        if (served)
                name_dispatch(served);
}

FlowAction flow_handle(Flow *f, FlowEvent event) {
        FlowMove move = flow_move(f->state, event);
        Manager *m = f->manager;

        log_debug("Flow %" PRIu64 ": %s, %s → %s, %s", f->id, flow_state_to_string(f->state),
                  flow_event_to_string(event), flow_state_to_string(move.next), flow_action_to_string(move.action));
        f->state = move.next;

        switch (move.action) {
        case FLOW_DO_OFFER:
                if (f->incoming)
                        accept_offer(f);
                else
                        connect_offer(f);
                break;
        case FLOW_DO_REQUEST:
                connect_request(f);
                break;
        case FLOW_DO_SEARCH:
                if (f->incoming)
                        accept_search(f);
                else
                        connect_search(f);
                break;
        case FLOW_DO_COMPLETE:
                connect_complete(f);
                break;
        case FLOW_DO_ACCEPT:
                accept_answer(f);
                break;
        case FLOW_DO_ESTABLISH:
                if (f->incoming)
                        accept_establish(f);
                else
                        connect_establish(f);
                break;
        case FLOW_DO_SUSPEND:
                reattach_suspend(f);
                break;
        case FLOW_DO_RETURN:
                reattach_return(f);
                break;
        case FLOW_DO_REATTACH:
                reattach_complete(f);
                break;
        case FLOW_DO_FAIL:
                connect_fail(f);
                flow_make_room(f);
                break;
        case FLOW_DO_REFUSE:
                accept_refuse(f);
                flow_make_room(f);
                break;
        case FLOW_DO_FINISH:
                flow_finish(f);
                flow_make_room(f);
                break;
        case FLOW_DO_NOTHING:
        case FLOW_DO_KEEP_LANE:
        case FLOW_DO_PUNISH:
        case _FLOW_ACTION_MAX:
        case _FLOW_ACTION_INVALID:
                break;
        }

        manager_changed(m);
        return move.action;
}

void flow_end(Flow *f, CloseReason reason, int error, const char *text) {
        f->close_reason = reason;
        f->error = error;
        (void) copy_string(f->text, sizeof(f->text), strempty(text));
        (void) flow_handle(f, FLOW_EVENT_END);
}

int flow_set_timer(Flow *f, usec_t when, sd_event_time_handler_t elapsed) {
        int r;

        if (when == USEC_INFINITY) {
                f->timer = sd_event_source_disable_unref(f->timer);
                return 0;
        }
        if (!f->timer)
                return sd_event_add_time(f->manager->event, &f->timer, CLOCK_MONOTONIC, when, 1, elapsed, f);

        r = sd_event_source_set_time(f->timer, when);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT);
}

void flow_set_terms(Flow *f, const Terms *terms) {
        f->granted = terms->qos;
        f->transfer = terms->transfer;
}

const char *flow_protection(const Flow *f) {
        return f->layer ? f->protection : "none";
}

void flow_fill_info(const Flow *f, IrmFlowInfo *ret) {
        *ret = (IrmFlowInfo) {
                .qos = f->granted,
                .local = !f->layer,
                .mtu = f->layer ? f->layer->mtu : 0,
                .transfer = f->transfer,
                .mpl_ms = f->layer ? terms_mpl_ms(f->layer->type) : 0,
                .verified = f->verified,
        };
        (void) copy_string(ret->name, sizeof(ret->name), f->name);
        (void) copy_string(ret->peer, sizeof(ret->peer), f->peer);
        (void) copy_string(ret->protection, sizeof(ret->protection), flow_protection(f));
        (void) copy_string(ret->key_exchange, sizeof(ret->key_exchange), f->key_exchange);
        if (f->layer)
                (void) copy_string(ret->layer, sizeof(ret->layer), f->layer->name);
}

const char *flow_shown_name(const Flow *f, char buffer[FLOW_NAME_WIRE_BYTES_MAX + 1]) {
        (void) copy_string(buffer, FLOW_NAME_WIRE_BYTES_MAX + 1, f->name);
        utf8_mend(buffer);
        return buffer;
}

void flow_remember(Flow *f) {
        StateFlow record;

        if (f->since == 0)
                f->since = time_realtime_nsec() / NSEC_PER_USEC;

        record = (StateFlow) {
                .id = f->id,
                .caller_uid = f->caller ? f->caller->key.uid : 0,
                .caller_pid = f->caller ? f->caller->key.pid : 0,
                .acceptor_uid = f->acceptor ? f->acceptor->key.uid : 0,
                .acceptor_pid = f->acceptor ? f->acceptor->key.pid : 0,
                .lane_class = (uint32_t) f->lane_class,
                .charged_uid = f->charge.uid,
                .since_usec = f->since,
                .qos = f->qos,
                .granted = f->granted,
                .transfer = f->transfer,
                .verified = f->verified,
        };

        (void) copy_string(record.protection, sizeof(record.protection), f->protection);
        (void) copy_string(record.key_exchange, sizeof(record.key_exchange), f->key_exchange);
        (void) copy_string(record.name, sizeof(record.name), f->name);
        (void) copy_string(record.peer, sizeof(record.peer), f->peer);
        if (f->layer)
                (void) copy_string(record.layer, sizeof(record.layer), f->layer->name);

        f->state_slot = state_put(f->manager->state, STATE_FLOW, &record);
}

/* A process that has ended since then has taken its flows with it. */
static int restore_ends(Flow *f, const StateFlow *record) {
        Process *p;
        int r;

        if (record->caller_pid > 0) {
                r = process_get(f->manager, record->caller_pid, record->caller_uid, -1, &p);
                if (r < 0)
                        return r;
                flow_set_caller(f, p);
        }
        if (record->acceptor_pid > 0) {
                r = process_get(f->manager, record->acceptor_pid, record->acceptor_uid, -1, &p);
                if (r < 0)
                        return r;
                flow_set_acceptor(f, p);
        }
        if (record->caller_pid > 0 || record->acceptor_pid > 0)
                return quota_adopt_flow(&f->manager->quota, record->charged_uid, f->lane_class, &f->charge);

        return 0;
}

int flow_restore(Manager *m, const StateFlow *record, uint32_t state_slot, Flow **ret) {
        _cleanup_(flow_freep) Flow *f = NULL;
        Layer *l;
        int r;

        if (record->id == 0 || record->lane_class >= _LANE_CLASS_MAX)
                return -EBADMSG;
        if (flow_find(m, record->id))
                return -EEXIST;

        r = flow_new(m, record->id, record->caller_pid == 0, record->name, &record->qos, &f);
        if (r < 0)
                return r;

        f->state = FLOW_ESTABLISHED;
        f->lane_class = (LaneClass) record->lane_class;
        f->since = record->since_usec;
        f->granted = record->granted;
        f->transfer = record->transfer;
        f->verified = record->verified;
        (void) copy_string(f->protection, sizeof(f->protection), record->protection);
        (void) copy_string(f->key_exchange, sizeof(f->key_exchange), record->key_exchange);
        (void) copy_string(f->peer, sizeof(f->peer), record->peer);

        if (record->layer[0] != '\0') {
                r = layer_get(m, record->layer, &l);
                if (r < 0)
                        return r;
                flow_set_layer(f, l);
        }

        r = restore_ends(f, record);
        if (r < 0)
                return r;

        f->served = f->acceptor ? name_find(m, f->name) : NULL;
        f->counted = f->served != NULL;
        if (f->counted)
                f->served->n_flows++;

        f->state_slot = state_slot;
        if (state_slot == STATE_NO_SLOT)
                flow_remember(f);

        *ret = TAKE_PTR(f);
        return 0;
}

void flow_established(Flow *f) {
        Manager *m = f->manager;

        /* Now it counts as one that the listener has, not as one that it was offered. */
        if (f->offered_to) {
                f->served_by = f->offered_to;
                f->served_by->n_flows++;
                f->served = f->served_by->name;
                f->served->accepted_total++;
        }
        if (f->acceptor && f->served) {
                f->counted = true;
                f->served->n_flows++;
        }

        f->confirmed = true;
        flow_drop_means(f);
        quota_flow_established(&m->quota, &f->charge);
        m->flows_total++;
        announce_flow_new(f);

        if (f->served)
                name_dispatch(f->served);       /* the listener has room for another offer */
}
