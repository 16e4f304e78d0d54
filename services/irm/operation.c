/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starting and stopping layers by systemd, see operation.h. */

#include "basic/log.h"
#include "basic/string.h"
#include "services/common/bus.h"
#include "services/common/bus-error.h"
#include "services/irm/announce.h"
#include "services/irm/systemd.h"

static const char *const operation_kind_table[_OPERATION_KIND_MAX] = {
        [OPERATION_START_LAYER] = "start-layer",
        [OPERATION_STOP_LAYER] = "stop-layer",
        [OPERATION_BOOTSTRAP] = "bootstrap",
        [OPERATION_ENROLL] = "enroll",
        [OPERATION_CONNECT] = "connect",
        [OPERATION_DISCONNECT] = "disconnect",
        [OPERATION_RESET_STATISTICS] = "reset-statistics",
        [OPERATION_SET_PROPERTIES] = "set-properties",
        [OPERATION_CAPTURE] = "capture",
};

DEFINE_ENUM_NAMES(operation_kind, OperationKind);

static const char *const operation_state_table[_OPERATION_STATE_MAX] = {
        [OPERATION_RUNNING] = "running",
        [OPERATION_DONE] = "done",
        [OPERATION_FAILED] = "failed",
        [OPERATION_CANCELLED] = "cancelled",
};

DEFINE_ENUM_NAMES(operation_state, OperationState);

static const char *const kind_methods[_OPERATION_KIND_MAX] = {
        [OPERATION_START_LAYER] = "StartUnit",
        [OPERATION_STOP_LAYER] = "StopUnit",
};

Operation *operation_free(Operation *o) {
        if (!o)
                return NULL;

        if (map_get(o->manager->operations, &o->id, sizeof(o->id)) == o)
                map_remove(o->manager->operations, &o->id, sizeof(o->id));

        sd_bus_slot_unref(o->slot);
        sd_event_source_disable_unref(o->timer);
        sd_bus_message_unref(o->caller);
        o->answer_fd = safe_close(o->answer_fd);
        free(o->subject);
        free(o->job);
        free(o->message);
        return mfree(o);
}
DEFINE_CLEANUP(Operation, operation_free);

static int operation_expired(sd_event_source *s, uint64_t usec, void *userdata) {
        Operation *o = userdata;
        _cleanup_free_ char *path = NULL;

        if (o->manager->bus && operation_path(o, &path) >= 0)
                (void) sd_bus_emit_object_removed(o->manager->bus, path);

        operation_free(o);
        return 0;
}

static void operation_set_timer(Operation *o, usec_t after, sd_event_time_handler_t elapsed) {
        o->timer = sd_event_source_disable_unref(o->timer);
        (void) sd_event_add_time_relative(o->manager->event, &o->timer, CLOCK_MONOTONIC, after, 0, elapsed, o);
}

/* Returns: whether it says anything else than before. */
static bool operation_say(Operation *o, const char *format, va_list list) {
        char *text;

        if (vasprintf(&text, format, list) < 0)
                return false;
        if (streq(text, o->message)) {
                free(text);
                return false;
        }

        free(o->message);
        o->message = text;
        return true;
}

/* One step further, or news of the one that is under way. Announced where anything is new. */
static void operation_reach(Operation *o, OperationStepKind kind, const char *format, ...) _printf_(3, 4);
static void operation_reach(Operation *o, OperationStepKind kind, const char *format, ...) {
        bool changed = operation_steps_reach(&o->steps, kind, time_now());
        va_list list;

        va_start(list, format);
        changed = operation_say(o, format, list) || changed;
        va_end(list);

        if (changed)
                announce_operation_changed(o);
}

static void operation_answer(Operation *o) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *caller = TAKE_PTR(o->caller);
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (!caller)
                return;
        if (o->state == OPERATION_DONE) {
                (void) (o->answer_fd >= 0 ? sd_bus_reply_method_return(caller, "h", o->answer_fd)
                                          : sd_bus_reply_method_return(caller, NULL));
                return;
        }

        (void) bus_error_set(&error, o->error, "%s", o->message);
        (void) sd_bus_reply_method_error(caller, &error);
}

static void operation_finish(Operation *o, OperationState state, int error, const char *format, ...) _printf_(4, 5);
static void operation_finish(Operation *o, OperationState state, int error, const char *format, ...) {
        va_list list;

        if (o->state != OPERATION_RUNNING)
                return;

        va_start(list, format);
        (void) operation_say(o, format, list);
        va_end(list);

        operation_steps_end(&o->steps, state == OPERATION_DONE, time_now());
        o->state = state;
        o->error = error;
        o->slot = sd_bus_slot_unref(o->slot);
        log_debug("Operation %" PRIu64 " (%s %s): %s: %s", o->id, operation_kind_to_string(o->kind), o->subject,
                  operation_state_to_string(state), o->message);
        if (state != OPERATION_DONE)
                o->answer_fd = safe_close(o->answer_fd);        /* before anybody hears of it */
        operation_answer(o);
        o->answer_fd = safe_close(o->answer_fd);
        announce_operation_changed(o);
        announce_operation_removed(o);
        operation_set_timer(o, OPERATION_KEPT_USEC, operation_expired);
}

static int operation_timed_out(sd_event_source *s, uint64_t usec, void *userdata) {
        Operation *o = userdata;
        const Layer *l = layer_find(o->manager, o->subject);

        operation_finish(o, OPERATION_FAILED, -ETIMEDOUT, "Layer %s is still %s: %s", o->subject,
                         l ? layer_state_to_string(l->state) : "unknown", l ? l->reason : "nothing is known of it");
        return 0;
}

static int job_queued(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Operation *o = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        const char *job;

        o->slot = sd_bus_slot_unref(o->slot);

        if (e)
                operation_finish(o, OPERATION_FAILED, -sd_bus_error_get_errno(e), "systemd refused: %s",
                                 strempty(e->message));
        else if (sd_bus_message_read(reply, "o", &job) < 0)
                operation_finish(o, OPERATION_FAILED, -EBADMSG, "systemd's answer makes no sense");
        else if (o->no_wait)
                operation_finish(o, OPERATION_DONE, 0, "The job is queued");
        else {
                o->job = strdup(job);
                operation_reach(o, OPERATION_STEP_UNIT, "systemd %s the unit",
                                o->kind == OPERATION_START_LAYER ? "starts" : "stops");
                operation_layer_changed(o->manager, o->subject);
        }

        return 0;
}

static int operation_queue_job(Operation *o) {
        _cleanup_free_ char *unit = NULL;
        int r;

        r = bus_layer_unit(o->subject, &unit);
        if (r < 0)
                return r;

        return systemd_queue_job(o->manager->bus, kind_methods[o->kind], unit, job_queued, o, &o->slot);
}

static int reloaded(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Operation *o = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        int r;

        o->slot = sd_bus_slot_unref(o->slot);

        /* Perhaps nothing was new to it: starting tells. */
        if (e)
                log_warning("systemd did not reload: %s", strempty(e->message));

        operation_reach(o, OPERATION_STEP_QUEUE, "Asking systemd");
        r = operation_queue_job(o);
        if (r < 0)
                operation_finish(o, OPERATION_FAILED, r, "Cannot ask systemd: %s", strerror(-r));
        return 0;
}

static int operation_make(Manager *m, OperationKind kind, const char *layer, const char *message, bool no_wait,
                          Operation **ret) {
        _cleanup_(operation_freep) Operation *o = NULL;

        if (map_size(m->operations) >= OPERATIONS_MAX)
                return -EBUSY;

        o = malloc(sizeof(*o));
        if (!o)
                return -ENOMEM;

        *o = (Operation) {
                .manager = m,
                .id = ++m->next_operation_id,
                .kind = kind,
                .no_wait = no_wait,
                .answer_fd = -1,
                .started = time_realtime_nsec() / NSEC_PER_USEC,
        };
        o->subject = strdup(layer);
        o->message = strdup(message);
        if (!o->subject || !o->message)
                return -ENOMEM;

        *ret = TAKE_PTR(o);
        return 0;
}

/* From now on it is known, and somebody's. */
static int operation_begin(Operation *o) {
        int r;

        r = map_put(o->manager->operations, &o->id, sizeof(o->id), o);
        if (r < 0)
                return r;

        operation_set_timer(o, OPERATION_TIMEOUT_USEC, operation_timed_out);
        announce_operation_new(o);
        return 0;
}

int operation_new(Manager *m, OperationKind kind, const char *layer, bool reload, bool no_wait, Operation **ret) {
        _cleanup_(operation_freep) Operation *o = NULL;
        int r;

        r = operation_make(m, kind, layer, reload ? "Reloading systemd" : "Asking systemd", no_wait, &o);
        if (r < 0)
                return r;

        operation_steps_init(&o->steps, reload ? OPERATION_STEP_RELOAD : OPERATION_STEP_QUEUE,
                             no_wait                        ? OPERATION_STEP_QUEUE
                             : kind == OPERATION_STOP_LAYER ? OPERATION_STEP_UNIT
                                                            : OPERATION_STEP_LAYER,
                             time_now());

        r = reload ? systemd_reload(m->bus, reloaded, o, &o->slot) : operation_queue_job(o);
        if (r < 0)
                return r;

        r = operation_begin(o);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(o);
        return 0;
}

static LayerOrder order_of(OperationKind kind) {
        switch (kind) {
        case OPERATION_BOOTSTRAP:
                return LAYER_ORDER_BOOTSTRAP;
        case OPERATION_ENROLL:
                return LAYER_ORDER_ENROLL;
        case OPERATION_CONNECT:
                return LAYER_ORDER_CONNECT;
        case OPERATION_DISCONNECT:
                return LAYER_ORDER_DISCONNECT;
        case OPERATION_RESET_STATISTICS:
                return LAYER_ORDER_RESET_STATISTICS;
        case OPERATION_SET_PROPERTIES:
                return LAYER_ORDER_SET_PROPERTIES;
        case OPERATION_CAPTURE:
                return LAYER_ORDER_CAPTURE;
        case OPERATION_START_LAYER:
        case OPERATION_STOP_LAYER:
        case _OPERATION_KIND_MAX:
        case _OPERATION_KIND_INVALID:
                break;
        }

        return _LAYER_ORDER_INVALID;
}

int operation_new_order(Layer *l, OperationKind kind, LayerMessage *order, int fd, bool no_wait, Operation **ret) {
        _cleanup_(operation_freep) Operation *o = NULL;
        int r;

        assert(order_of(kind) >= 0);

        r = operation_make(l->manager, kind, l->name, "The layer is told", no_wait, &o);
        if (r < 0)
                return r;

        operation_steps_init(&o->steps, OPERATION_STEP_ORDER, OPERATION_STEP_ORDER, time_now());
        r = operation_begin(o);
        if (r < 0)
                return r;

        order->type = LAYER_ORDER;
        order->order = order_of(kind);
        order->query_id = o->id;
        layer_send(l, order, &fd, fd >= 0 ? 1 : 0);
        if (no_wait)
                operation_finish(o, OPERATION_DONE, 0, "The layer is told");

        *ret = TAKE_PTR(o);
        return 0;
}

void operation_answer_to(Operation *o, sd_bus_message *caller, int fd) {
        assert(o->state == OPERATION_RUNNING && !o->caller);

        o->caller = sd_bus_message_ref(caller);
        o->answer_fd = fd;
}

void operation_cancel(Operation *o) {
        operation_finish(o, OPERATION_CANCELLED, -ECANCELED, "Cancelled; what was begun goes on");
}

void operation_order_done(Layer *l, const LayerMessage *message) {
        Operation *o = map_get(l->manager->operations, &message->query_id, sizeof(message->query_id));

        if (!o || order_of(o->kind) < 0 || !streq(o->subject, l->name))
                return;         /* not its own: whatever it says about it counts for nothing */

        operation_finish(o, message->result < 0 ? OPERATION_FAILED : OPERATION_DONE, message->result, "%s",
                         message->text);
}

void operation_layer_gone(Layer *l) {
        size_t position;
        Operation *o;

        map_for_each(o, l->manager->operations, position)
                if (order_of(o->kind) >= 0 && streq(o->subject, l->name))
                        operation_finish(o, OPERATION_FAILED, -ENETDOWN, "Layer %s went away before it had done it",
                                         l->name);
}

/* The layer says where it is: for a start that is the end of it, or of the hope. */
void operation_layer_changed(Manager *m, const char *layer) {
        const Layer *l = layer_find(m, layer);
        size_t position;
        Operation *o;

        map_for_each(o, m->operations, position) {
                if (o->state != OPERATION_RUNNING || !o->job || !streq(o->subject, layer))
                        continue;

                if (o->kind != OPERATION_START_LAYER || !l)
                        continue;

                if (layer_is_usable(l))
                        operation_finish(o, OPERATION_DONE, 0, "Layer %s is %s", layer,
                                         layer_state_to_string(l->state));
                else if (l->link)
                        operation_reach(o, OPERATION_STEP_UNIT, "Layer %s is %s: %s", layer,
                                        layer_state_to_string(l->state), l->reason);
        }
}

/* A job that ended well is not yet a layer that is online; one that ended badly is the end. */
int operation_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *job, *unit, *result;
        size_t position;
        Operation *o;
        uint32_t id;
        int r;

        r = sd_bus_message_read(message, "uoss", &id, &job, &unit, &result);
        if (r < 0)
                return 0;

        map_for_each(o, m->operations, position) {
                if (o->state != OPERATION_RUNNING || !o->job || !streq(o->job, job))
                        continue;

                if (!streq(result, "done"))
                        operation_finish(o, OPERATION_FAILED, -EIO,
                                         "The job of systemd ended with \"%s\"; see: systemctl status %s", result,
                                         unit);
                else if (o->kind == OPERATION_STOP_LAYER)
                        operation_finish(o, OPERATION_DONE, 0, "Layer %s is stopped", o->subject);
                else
                        operation_reach(o, OPERATION_STEP_LAYER, "The unit runs; waiting for the layer to be online");
        }

        return 0;
}
