/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Methods of a layer's object about its members: becoming one, and having neighbours. Unpack, look, authorise, act; the
 * answer is an operation, for the member needs time.
 */

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"
#include "services/irm/neighbour.h"

typedef struct OrderCall {
        const char *action;             /* of polkit */
        OperationKind kind;
        LayerMessage *order;
        uint64_t flags;
} OrderCall;

/* A member takes orders about neighbours, one that is none yet those to become one. */
static int check_state(const Layer *l, OperationKind kind, sd_bus_error *error) {
        bool joining = kind == OPERATION_BOOTSTRAP || kind == OPERATION_ENROLL;
        bool member = layer_is_usable(l);

        if (l->link && l->type != LAYER_UNICAST)
                return bus_error_set(error, -EOPNOTSUPP,
                                     "Layer '%s' is of type %s, which has no members that could be joined", l->name,
                                     layer_kind_name(l));
        if (!l->link || member == joining)
                return bus_error_set_named(error, "WrongState", "Layer '%s' is %s: %s", l->name,
                                           layer_state_to_string(l->state), l->reason);

        return 0;
}

static int take_order(sd_bus_message *message, Layer *l, const OrderCall *call, sd_bus_error *error) {
        _cleanup_free_ char *path = NULL;
        const char *name = call->order->name;
        Operation *o;
        int r;

        r = bus_authorize(l->manager, message, call->action, name[0] != '\0' ? name : NULL, l->name,
                          operation_kind_to_string(call->kind), error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = check_state(l, call->kind, error);
        if (r < 0)
                return r;
        if (call->flags & BUS_FLAG_DRY_RUN)
                return sd_bus_reply_method_return(message, "o", BUS_PATH_IRM);

        r = operation_new_order(l, call->kind, call->order, -1, call->flags & BUS_FLAG_NO_WAIT, &o);
        if (r < 0)
                return bus_error_set(error, r, "Cannot order layer '%s': %s", l->name, strerror(-r));

        r = operation_path(o, &path);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", path);
}

static int read_name(sd_bus_message *message, LayerMessage *order, const char *what, bool may_be_empty,
                     sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        if (!(may_be_empty && name[0] == '\0') && !flow_name_is_valid_on_wire(name))
                return bus_error_set(error, -EINVAL, "'%s' cannot be the name of a %s", name, what);

        (void) copy_string(order->name, sizeof(order->name), name);
        return 0;
}

/* "mgmt", "dt"; none: both. */
static int read_components(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        const char *component;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "s");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(message, "s", &component)) > 0) {
                if (streq(component, "mgmt"))
                        order->components |= LAYER_COMPONENT_MANAGEMENT;
                else if (streq(component, "dt"))
                        order->components |= LAYER_COMPONENT_DATA;
                else
                        return bus_error_set(error, -EINVAL,
                                             "There is no component '%s': a neighbour has 'mgmt' and 'dt'", component);
        }
        if (r < 0)
                return r;

        if (order->components == 0)
                order->components = LAYER_COMPONENTS_ALL;
        return sd_bus_message_exit_container(message);
}

/* -- the methods -- */

typedef int (*read_arguments_t)(sd_bus_message *message, LayerMessage *order, sd_bus_error *error);

/* What the member is told is in the arguments before the flags. */
static int method_order(sd_bus_message *message, Layer *l, const char *action, OperationKind kind,
                        read_arguments_t read_arguments, sd_bus_error *error) {
        _cleanup_free_ LayerMessage *order = calloc(1, sizeof(*order));
        OrderCall call = { .action = action, .kind = kind, .order = order };
        int r;

        if (!order)
                return -ENOMEM;

        r = read_arguments(message, order, error);
        if (r >= 0)
                r = bus_read_flags(message, BUS_FLAG_NO_WAIT | BUS_FLAG_DRY_RUN, &call.flags, error);

        return r < 0 ? r : take_order(message, l, &call, error);
}

/* What the layer is to be is in its file, where all can see it. */
static int read_bootstrap(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        return bus_read_no_options(message, error);
}

static int read_enroll(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        int r;

        r = read_name(message, order, "member", true, error);
        return r < 0 ? r : bus_read_no_options(message, error);
}

static int read_connect_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        LayerMessage *order = target;
        const char *lower;
        int r;

        if (!streq(key, "Over"))
                return bus_error_set(error, -EINVAL, "Connecting knows no option '%s', only 'Over'", key);

        r = sd_bus_message_read(message, "v", "s", &lower);
        if (r < 0)
                return r;
        if (!layer_name_is_valid(lower))
                return bus_error_set(error, -EINVAL, "'%s' cannot be the name of a layer", lower);

        (void) copy_string(order->lower, sizeof(order->lower), lower);
        return 0;
}

static int read_disconnect(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        int r;

        r = read_name(message, order, "neighbour", false, error);
        return r < 0 ? r : read_components(message, order, error);
}

static int read_connect(sd_bus_message *message, LayerMessage *order, sd_bus_error *error) {
        int r;

        r = read_disconnect(message, order, error);
        return r < 0 ? r : bus_read_options(message, read_connect_option, order, error);
}

int method_layer_bootstrap(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return method_order(message, userdata, POLKIT_BOOTSTRAP, OPERATION_BOOTSTRAP, read_bootstrap, error);
}

int method_layer_enroll(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return method_order(message, userdata, POLKIT_ENROLL, OPERATION_ENROLL, read_enroll, error);
}

int method_layer_connect(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return method_order(message, userdata, POLKIT_MANAGE_LAYER, OPERATION_CONNECT, read_connect, error);
}

int method_layer_disconnect(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return method_order(message, userdata, POLKIT_MANAGE_LAYER, OPERATION_DISCONNECT, read_disconnect, error);
}

static int append_text(sd_bus_message *reply, const char *key, const char *value) {
        return isempty(value) ? 0 : sd_bus_message_append(reply, "{sv}", key, "s", value);
}

/* Columns: name, state, components, address, round trip (-1: not known), since, tx, rx, and what not every row has. */
static int append_neighbour(sd_bus_message *reply, const NeighbourRow *row) {
        const LayerNeighbour *is = &row->is;
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssstxxtta{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "ssstxxtt", row->name, layer_neighbour_state_to_string(is->state),
                                          neighbour_components_to_string(is->components), is->address,
                                          is->rtt_usec > 0 ? (int64_t) is->rtt_usec : INT64_C(-1),
                                          (int64_t) is->since_usec, is->tx_bytes, is->rx_bytes);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = append_text(reply, "Over", row->lower);
        if (r >= 0)
                r = append_text(reply, "Reason", row->reason);
        if (r >= 0 && is->cost > 0)
                r = sd_bus_message_append(reply, "{sv}", "Cost", "u", is->cost);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_layer_list_neighbours(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Layer *l = userdata;
        const NeighbourRow *row;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssstxxtta{sv})");
        list_for_each(row, &l->neighbours, by_layer)
                if (r >= 0)
                        r = append_neighbour(reply, row);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
