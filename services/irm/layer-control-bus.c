/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Methods of a layer's object about the process that serves it, whatever its type: counters, and what of its file can be
 * changed without a restart. The layer does it; its answer is the caller's.
 */

#include "basic/log.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/layer-order.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"

/* Returns as a handler does. */
static int take_order(sd_bus_message *message, Layer *l, OperationKind kind, LayerMessage *order, uint64_t flags,
                      sd_bus_error *error) {
        bool no_wait = flags & BUS_FLAG_NO_WAIT;
        Operation *o;
        uid_t uid;
        int r;

        r = bus_authorize(l->manager, message, POLKIT_MANAGE_LAYER, NULL, l->name, operation_kind_to_string(kind), error);
        if (r <= 0)
                return r < 0 ? r : 1;

        if (!l->link)
                return bus_error_set_named(error, "WrongState", "Layer '%s' is %s: %s", l->name, layer_state_to_string(l->state),
                                           l->reason);
        if (flags & BUS_FLAG_DRY_RUN)
                return sd_bus_reply_method_return(message, NULL);

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        r = operation_new_order(l, kind, order, no_wait, &o);
        if (r < 0)
                return bus_error_set(error, r, "Cannot order layer '%s': %s", l->name, strerror(-r));

        log_notice("Layer %s is ordered by user %u: %s", l->name, (unsigned) uid, operation_kind_to_string(kind));
        if (no_wait)
                return sd_bus_reply_method_return(message, NULL);

        operation_answer_to(o, message);
        return 1;
}

int method_layer_reset_statistics(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));

        if (!order)
                return -ENOMEM;

        return take_order(message, userdata, OPERATION_RESET_STATISTICS, order, 0, error);
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
                return bus_error_set(error, -EINVAL, "%" PRIu32 " is no packet size: it is %u to %u bytes, or 0 for what the network below "
                                     "allows", size, PACKET_SIZE_MIN, PACKET_SIZE_MAX);

        order->mtu = size == 0 ? LAYER_PACKET_MAX_AUTO : size;
        return 0;
}

static int read_change(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        if (streq(key, "LogLevel"))
                return read_log_level(message, target, error);
        if (streq(key, "MaxPacketSize"))
                return read_packet_size(message, target, error);

        return bus_error_set(error, -EINVAL, "'%s' cannot be changed while the layer runs, only 'LogLevel' and 'MaxPacketSize': all "
                             "else is in the layer's file and needs a restart of the layer", key);
}

int method_layer_set_properties(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));
        uint64_t flags = 0;
        int r;

        if (!order)
                return -ENOMEM;

        r = bus_read_options(message, read_change, order, error);
        if (r >= 0)
                r = bus_read_flags(message, BUS_FLAG_NO_WAIT | BUS_FLAG_DRY_RUN, &flags, error);
        if (r < 0)
                return r;
        if (order->mtu == 0 && order->text[0] == '\0')
                return bus_error_set(error, -EINVAL, "Nothing is to be changed");

        return take_order(message, userdata, OPERATION_SET_PROPERTIES, order, flags, error);
}
