/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Methods of a layer's object about the process that serves it, whatever its type: counters, what of its file can be
 * changed without a restart, and the packets that pass. The layer does it; its answer is the caller's.
 */

#include <fcntl.h>

#include "basic/log.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/layer-order.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"

typedef struct ControlCall {
        const char *action;
        OperationKind kind;
        LayerMessage *order;
        uint64_t flags;
} ControlCall;

/* Whether polkit agrees and the layer is there. Returns: > 0: yes; 0: polkit is asked; < 0, with the error. */
static int may_order(sd_bus_message *message, Layer *l, const ControlCall *call, sd_bus_error *error) {
        int r;

        r = bus_authorize(l->manager, message, call->action, NULL, l->name, operation_kind_to_string(call->kind),
                          error);
        if (r <= 0)
                return r;
        if (!l->link)
                return bus_error_set_named(error, "WrongState", "Layer '%s' is %s: %s", l->name,
                                           layer_state_to_string(l->state), l->reason);

        return 1;
}

/* to_layer goes with the order and stays the caller's; to_caller goes with the answer, and is taken unless this
 * fails; -1: none. */
static int give_order(sd_bus_message *message, Layer *l, const ControlCall *call, int to_layer, int to_caller,
                      sd_bus_error *error) {
        bool no_wait = call->flags & BUS_FLAG_NO_WAIT;
        Operation *o;
        uid_t uid;
        int r;

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        r = operation_new_order(l, call->kind, call->order, to_layer, no_wait, &o);
        if (r < 0)
                return bus_error_set(error, r, "Cannot order layer '%s': %s", l->name, strerror(-r));

        log_notice("Layer %s is ordered by user %u: %s", l->name, (unsigned) uid, operation_kind_to_string(call->kind));
        if (no_wait)
                return sd_bus_reply_method_return(message, NULL);

        operation_answer_to(o, message, to_caller);
        return 1;
}

/* Returns as a handler does. */
static int take_order(sd_bus_message *message, Layer *l, const ControlCall *call, sd_bus_error *error) {
        int r;

        r = may_order(message, l, call, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (call->flags & BUS_FLAG_DRY_RUN)
                return sd_bus_reply_method_return(message, NULL);

        return give_order(message, l, call, -1, -1, error);
}

int method_layer_reset_statistics(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));
        const ControlCall call = { .action = POLKIT_MANAGE_LAYER, .kind = OPERATION_RESET_STATISTICS, .order = order };

        if (!order)
                return -ENOMEM;

        return take_order(message, userdata, &call, error);
}

/* -- properties -- */

static int read_log_level(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        const char *level;
        int r;

        r = sd_bus_message_read(message, "v", "s", &level);
        if (r < 0)
                return r;
        if (log_level_from_string(level) < 0)
                return bus_error_set(error, -EINVAL, "'%s' is not a log level, such as info or debug", level);

        (void) copy_string(order->text, sizeof(order->text), level);
        return 0;
}

static int read_packet_size(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        uint32_t size;
        int r;

        r = sd_bus_message_read(message, "v", "u", &size);
        if (r < 0)
                return r;
        if (size != 0 && (size < PACKET_SIZE_MIN || size > PACKET_SIZE_MAX))
                return bus_error_set(error, -EINVAL,
                                     "%" PRIu32
                                     " is no packet size: it is %u to %u bytes, or 0 for what the network below "
                                     "allows",
                                     size, PACKET_SIZE_MIN, PACKET_SIZE_MAX);

        order->mtu = size == 0 ? LAYER_PACKET_MAX_AUTO : size;
        return 0;
}

static int read_change(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        if (streq(key, "LogLevel"))
                return read_log_level(message, target, error);
        if (streq(key, "MaxPacketSize"))
                return read_packet_size(message, target, error);

        return bus_error_set(error, -EINVAL,
                             "'%s' cannot be changed while the layer runs, only 'LogLevel' and 'MaxPacketSize': all "
                             "else is in the layer's file and needs a restart of the layer",
                             key);
}

int method_layer_set_properties(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));
        ControlCall call = { .action = POLKIT_MANAGE_LAYER, .kind = OPERATION_SET_PROPERTIES, .order = order };
        int r;

        if (!order)
                return -ENOMEM;

        r = bus_read_options(message, read_change, order, error);
        if (r >= 0)
                r = bus_read_flags(message, BUS_FLAG_NO_WAIT | BUS_FLAG_DRY_RUN, &call.flags, error);
        if (r < 0)
                return r;
        if (order->mtu == 0 && order->text[0] == '\0')
                return bus_error_set(error, -EINVAL, "Nothing is to be changed");

        return take_order(message, userdata, &call, error);
}

/* -- packets -- */

static int read_capture_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        LayerMessage *order = target;
        uint32_t snap;
        int r;

        if (!streq(key, "SnapLength"))
                return bus_error_set(error, -EINVAL, "Capturing knows no option '%s', only 'SnapLength'", key);

        r = sd_bus_message_read(message, "v", "u", &snap);
        if (r < 0)
                return r;

        order->mtu = snap;
        return 0;
}

static void close_pipe(int (*ends)[2]) {
        (*ends)[0] = safe_close((*ends)[0]);
        (*ends)[1] = safe_close((*ends)[1]);
}

/* We make the pipe, and have neither end of it once both have theirs. */
int method_layer_capture(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));
        ControlCall call = { .action = POLKIT_CAPTURE, .kind = OPERATION_CAPTURE, .order = order };
        _cleanup_(close_pipe) int ends[2] = { -1, -1 };
        int r;

        if (!order)
                return -ENOMEM;

        r = bus_read_options(message, read_capture_option, order, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &call.flags, error);
        if (r >= 0)
                r = may_order(message, userdata, &call, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return bus_error_set(error, -errno, "Cannot make a pipe: %s", strerror(errno));

        r = give_order(message, userdata, &call, ends[1], ends[0], error);
        if (r >= 0)
                TAKE_FD(ends[0]);
        return r;
}
