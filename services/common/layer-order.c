/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Orders that every layer takes, see layer-order.h. The IRM asked polkit, and logs who gave them. */

#include <stdio.h>

#include "basic/log.h"
#include "services/common/layer-order.h"

static int say(char text[LAYER_TEXT_BYTES_MAX], int result, const char *sentence) {
        (void) snprintf(text, LAYER_TEXT_BYTES_MAX, "%s", sentence);
        return result;
}

static int reset_statistics(const LayerOps *ops, void *userdata, Upper *upper, char ret_text[LAYER_TEXT_BYTES_MAX]) {
        if (!ops->reset_statistics)
                return say(ret_text, -EOPNOTSUPP, "A layer of this type keeps no counters that could be reset");

        ops->reset_statistics(userdata);
        upper_reset_counters(upper);
        log_notice("All counters are 0 again, by order.");
        return say(ret_text, 0, "All counters are 0 again");
}

/* All of them or none: what cannot be is found before anything changes. */
static int set_properties(const LayerOps *ops, void *userdata, const LayerMessage *order,
                          char ret_text[LAYER_TEXT_BYTES_MAX]) {
        int level = -1;

        if (order->text[0] != '\0') {
                level = log_level_from_string(order->text);
                if (level < 0)
                        return say(ret_text, -EINVAL, "There is no such log level");
        }
        if (order->mtu > 0 && !ops->want_packet_max)
                return say(ret_text, -EOPNOTSUPP, "A layer of this type has a fixed packet size");

        if (order->mtu > 0) {
                ops->want_packet_max(userdata, order->mtu == LAYER_PACKET_MAX_AUTO ? 0 : order->mtu);
                log_notice("The largest packet is set anew, by order.");
        }
        if (level >= 0) {
                log_set_max_level(level);
                log_notice("Log level is now %s.", log_level_to_string(level));
        }

        return say(ret_text, 0, "The properties are set");
}

static int show_packets(Capture *capture, const LayerMessage *order, int *fd, char ret_text[LAYER_TEXT_BYTES_MAX]) {
        int r;

        if (!capture)
                return say(ret_text, -EOPNOTSUPP, "A layer of this type shows no packets");

        r = capture_add(capture, TAKE_FD(*fd), order->mtu);
        if (r == -EBUSY)
                return say(ret_text, r, "As many look at the packets of this layer as may do so at a time");
        if (r < 0)
                return say(ret_text, r, strerror(-r));

        log_notice("The packets of this layer are being captured, by order.");
        return say(ret_text, 0, "Packets are being captured");
}

bool layer_order_is_common(LayerOrder order) {
        return order == LAYER_ORDER_RESET_STATISTICS || order == LAYER_ORDER_SET_PROPERTIES ||
               order == LAYER_ORDER_CAPTURE;
}

int layer_order_carry_out(const LayerOps *ops, void *userdata, Upper *upper, Capture *capture,
                          const LayerMessage *order, int *fd, char ret_text[LAYER_TEXT_BYTES_MAX]) {
        assert(layer_order_is_common(order->order));

        if (order->order == LAYER_ORDER_RESET_STATISTICS)
                return reset_statistics(ops, userdata, upper, ret_text);
        if (order->order == LAYER_ORDER_CAPTURE)
                return show_packets(capture, order, fd, ret_text);

        return set_properties(ops, userdata, order, ret_text);
}
