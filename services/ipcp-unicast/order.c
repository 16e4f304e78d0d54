/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Orders of an operator, see order.h. */

#include <stdarg.h>
#include <stdio.h>

#include "services/ipcp-unicast/order.h"

typedef struct Order {
        ListNode by_orders;
        uint64_t id;
        LayerOrder kind;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        int lower;                      /* -1: any */
        uint32_t components;
        usec_t deadline;
} Order;

static void order_free(Orders *orders, Order *order) {
        list_unlink(&order->by_orders);
        orders->n_pending--;
        free(order);
}

void orders_init(Orders *orders, Unicast *u,
                 void (*done)(void *userdata, uint64_t id, int32_t result, const char *text), void *userdata) {
        *orders = (Orders) {
                .unicast = u,
                .file_via = u->config.via,
                .n_file_via = u->config.n_via,
                .done = done,
                .userdata = userdata,
        };
        list_init(&orders->pending);
}

void orders_forget(Orders *orders) {
        while (!list_is_empty(&orders->pending))
                order_free(orders, list_first(&orders->pending, Order, by_orders));
}

void orders_done(Orders *orders) {
        orders_forget(orders);
        free(orders->via_names);
        orders->via_names = NULL;
}

/* -- the end -- */

static void say(Orders *orders, uint64_t id, int32_t result, const char *format, ...) _printf_(4, 5);
static void say(Orders *orders, uint64_t id, int32_t result, const char *format, ...) {
        char text[LAYER_TEXT_BYTES_MAX];
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text, sizeof(text), format, list);
        va_end(list);

        orders->done(orders->userdata, id, result, text);
}

static JoinTarget *find_target(const Unicast *u, const Order *order) {
        JoinTarget *target;

        list_for_each(target, &u->join.targets, by_join)
                if (!target->implicit && target->lower == order->lower && streq(target->name, order->name))
                        return target;

        return NULL;
}

static bool has_components(const Neighbour *n, const Order *order) {
        bool management = order->components & LAYER_COMPONENT_MANAGEMENT,
             data = order->components & LAYER_COMPONENT_DATA;

        return (!management || neighbour_has(n, LOWER_MANAGEMENT, order->lower)) &&
               (!data || neighbour_has(n, LOWER_DATA, order->lower));
}

/* Returns: whether it is over, and said so. */
static bool check_connect(Orders *orders, const Order *order, bool late) {
        const JoinTarget *target = find_target(orders->unicast, order);
        const Neighbour *n = NULL;

        if (!target) {
                say(orders, order->id, -ECANCELED, "%s is not to be a neighbour any more", order->name);
                return true;
        }

        if (target->address != ADDRESS_NONE)
                n = neighbour_find(orders->unicast, target->address);
        if (n && has_components(n, order)) {
                say(orders, order->id, 0, "%s is a neighbour, with address %" PRIu64, order->name, n->address);
                return true;
        }

        if (late)
                say(orders, order->id, -ETIMEDOUT, "%s is not a neighbour yet, and tried again and again: %s",
                    order->name, target->problem[0] != '\0' ? target->problem : "no answer yet");
        return late;
}

static bool check_member(Orders *orders, const Order *order, bool late) {
        const Unicast *u = orders->unicast;

        if (u->is_member)
                say(orders, order->id, 0, "Member of layer %s with address %" PRIu64, u->layer.layer, u->address);
        else if (late)
                say(orders, order->id, -ETIMEDOUT, "Not a member yet, and still trying: %s", u->state_text);

        return u->is_member || late;
}

static bool order_check(Orders *orders, const Order *order, usec_t now) {
        bool late = order->deadline <= now;

        switch (order->kind) {
        case LAYER_ORDER_BOOTSTRAP:
        case LAYER_ORDER_ENROLL:
                return check_member(orders, order, late);
        case LAYER_ORDER_CONNECT:
                return check_connect(orders, order, late);
        case LAYER_ORDER_DISCONNECT:
        case LAYER_ORDER_RESET_STATISTICS:      /* layers of any type take these, before us */
        case LAYER_ORDER_SET_PROPERTIES:
        case LAYER_ORDER_CAPTURE:
        case _LAYER_ORDER_MAX:
        case _LAYER_ORDER_INVALID:
                break;
        }

        return true;
}

void orders_check(Orders *orders, usec_t now) {
        Order *order, *following;

        list_for_each_safe(order, following, &orders->pending, by_orders)
                if (order_check(orders, order, now))
                        order_free(orders, order);
}

usec_t orders_next(const Orders *orders) {
        const Order *order;
        usec_t next = USEC_INFINITY;

        list_for_each(order, &orders->pending, by_orders)
                next = MIN(next, order->deadline);

        return next;
}

/* -- the beginning -- */

/* What it was doing to become a member is over; it begins anew, with what is now in its configuration. */
static void join_again(Unicast *u, usec_t now) {
        while (!list_is_empty(&u->lower_flows))
                lower_flow_close(list_first(&u->lower_flows, LowerFlow, by_unicast), now);

        join_done(&u->join);
        join_start(&u->join, u, now);
        unicast_update_state(u, now);
}

static int bootstrap(Orders *orders, usec_t now) {
        Unicast *u = orders->unicast;

        if (u->is_member)
                return -EBUSY;

        u->config.bootstrap = true;
        join_again(u, now);
        return 0;
}

/* Whom the operator named is asked first, then whom the file names, or anybody. */
static int enroll(Orders *orders, const char *via, usec_t now) {
        Unicast *u = orders->unicast;
        const char **names;
        unsigned n = 0;

        if (u->is_member || u->config.bootstrap)
                return -EBUSY;

        if (via[0] != '\0') {
                names = calloc((size_t) orders->n_file_via + 2, sizeof(*names));
                if (!names)
                        return -ENOMEM;

                (void) copy_string(orders->via, sizeof(orders->via), via);
                names[n++] = orders->via;
                for (unsigned i = 0; i < orders->n_file_via; i++)
                        names[n++] = orders->file_via[i];
                if (n == 1)
                        names[n++] = u->config.layer;

                u->config.via = names;
                u->config.n_via = n;
                free(orders->via_names);
                orders->via_names = names;
        }

        join_again(u, now);
        return 0;
}

static int find_lower(const Unicast *u, const char *name, int *ret) {
        if (name[0] == '\0') {
                *ret = -1;
                return 0;
        }

        for (unsigned i = 0; i < u->config.n_lower; i++)
                if (streq(u->config.lower[i], name)) {
                        *ret = (int) i;
                        return 0;
                }

        return -ENOENT;
}

static int begin(Orders *orders, Order *order, usec_t now) {
        bool management = order->components & LAYER_COMPONENT_MANAGEMENT,
             data = order->components & LAYER_COMPONENT_DATA;
        Unicast *u = orders->unicast;
        int r;

        switch (order->kind) {
        case LAYER_ORDER_BOOTSTRAP:
                return bootstrap(orders, now);
        case LAYER_ORDER_ENROLL:
                return enroll(orders, order->name, now);
        case LAYER_ORDER_CONNECT:
                if (!u->is_member)
                        return -EBUSY;
                r = join_connect(&u->join, order->name, order->lower, management, data, now);
                return r == -EEXIST ? 0 : r;
        case LAYER_ORDER_DISCONNECT:
                return u->is_member ? join_disconnect(&u->join, order->name, management, data, now) : -EBUSY;
        case LAYER_ORDER_RESET_STATISTICS:      /* layers of any type take these, before us */
        case LAYER_ORDER_SET_PROPERTIES:
        case LAYER_ORDER_CAPTURE:
        case _LAYER_ORDER_MAX:
        case _LAYER_ORDER_INVALID:
                break;
        }

        return -EINVAL;
}

static void refuse(Orders *orders, const Order *order, int error) {
        const Unicast *u = orders->unicast;

        if (error == -EBUSY)
                say(orders, order->id, error, "It is %s: %s", layer_state_to_string(u->state), u->state_text);
        else if (error == -ENOENT)
                say(orders, order->id, error, "No neighbour '%s' was asked for", order->name);
        else if (error == -ENOSPC)
                say(orders, order->id, error, "It tries to reach %u neighbours already", JOIN_TARGETS_MAX);
        else
                say(orders, order->id, error, "Cannot %s: %s", layer_order_to_string(order->kind), strerror(-error));
}

void orders_take(Orders *orders, const LayerMessage *message, usec_t now) {
        Order *order;
        int lower, r;

        if (orders->n_pending >= ORDERS_MAX)
                return say(orders, message->query_id, -EBUSY, "%u orders are being carried out already", ORDERS_MAX);
        if (find_lower(orders->unicast, message->lower, &lower) < 0)
                return say(orders, message->query_id, -ENOENT, "Layer %s is not one of those below", message->lower);

        order = calloc(1, sizeof(*order));
        if (!order)
                return say(orders, message->query_id, -ENOMEM, "No memory");

        order->id = message->query_id;
        order->kind = message->order;
        order->lower = lower;
        order->components = message->components ? message->components : LAYER_COMPONENTS_ALL;
        order->deadline = usec_add(now, ORDER_TIMEOUT_USEC);
        (void) copy_string(order->name, sizeof(order->name), message->name);
        list_init(&order->by_orders);
        list_append(&orders->pending, &order->by_orders);
        orders->n_pending++;

        r = begin(orders, order, now);
        if (r < 0)
                refuse(orders, order, r);
        else if (order->kind == LAYER_ORDER_DISCONNECT)
                say(orders, order->id, 0, "%s is not a neighbour of ours any more", order->name);
        else if (!order_check(orders, order, now))
                return;

        order_free(orders, order);
}
