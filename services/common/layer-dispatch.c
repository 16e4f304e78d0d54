/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the IRM orders: sorted, and handed to the implementation (LayerOps). */

#include <inttypes.h>

#include "basic/log.h"
#include "services/common/layer-internal.h"
#include "services/common/layer-order.h"

/* Joins both lanes and the doorbell to the upper side of the flow. */
static int establish(Layer *layer, LayerFlow *flow, int lane_fd, int *doorbell_fd) {
        _cleanup_(lane_freep) Lane *peer = NULL;
        Endpoint *endpoint;
        int r;

        r = lane_open(flow->lane_class, lane_fd, &peer);
        if (r < 0)
                return r;

        r = endpoint_new(flow->lane_class, TAKE_PTR(flow->lane), TAKE_PTR(peer), TAKE_FD(*doorbell_fd), &endpoint);
        if (r < 0)
                return r;

        return upper_flow_new(&layer->upper, flow, endpoint);
}

/* Whoever asked for the flow has the peer's answer now; the other side has had its keys since it accepted. */
static void learn_keys(LayerFlow *flow, const LayerMessage *message) {
        if (message->control.present && !flow->control.present)
                flow_control_init(&flow->control, &message->control, true);
        if (message->have_reset)
                layer_flow_set_lock(flow, message->reset);
}

static void established(Layer *layer, const LayerMessage *message, int fds[LAYER_FDS_MAX], usec_t now) {
        LayerFlow *flow = layer_flows_get(layer->flows, message->flow_id, message->attempt);
        int r;

        /* One whose application attaches again is known by its number alone. */
        if (!flow || flow->state != LAYER_FLOW_ANSWERED)
                flow = layer_flows_get_established(layer->flows, message->flow_id);

        /* The peer may have closed it in the meantime: the IRM has our word on that already. */
        if (!flow || flow->upper || !flow->lane)
                return log_debug("Flow %" PRIu64 " is not waiting to be established.", message->flow_id);

        flow->of_layer = message->of_layer;
        r = establish(layer, flow, fds[0], &fds[1]);
        if (r < 0) {
                CloseReason reason = r == -EBADMSG ? CLOSE_VIOLATION : CLOSE_LAYER_DOWN;

                log_warning_errno(r, "Failed to establish flow %" PRIu64 ": %m", message->flow_id);
                if (reason == CLOSE_VIOLATION)          /* its lane is none */
                        counters_drop(&layer->upper.past, DROP_HOSTILE);
                doorbell_close(fds[1], reason);
                layer->ops->close(layer->userdata, flow, now);
                return layer_send_down(layer, message->flow_id, reason);
        }

        if (flow->state == LAYER_FLOW_ESTABLISHED)
                return log_debug("Flow %" PRIu64 " is attached again.", message->flow_id);

        flow->uid = message->uid;
        learn_keys(flow, message);
        layer->ops->established(layer->userdata, flow, &message->tokens, now);
        layer_keep_flow(layer, flow);
}

/* A layer that binds nothing is ready at once. */
static void prepare(Layer *layer, const LayerMessage *message, usec_t now) {
        const LayerPrepared nothing = {
                .flow_id = message->flow_id,
                .attempt = message->attempt,
                .reference = message->reference,
        };

        if (layer->ops->prepare)
                return layer->ops->prepare(layer->userdata, message, now);

        layer_prepared(layer, &nothing);
}

static void accepted(Layer *layer, const LayerMessage *message, usec_t now) {
        int r;

        r = layer->ops->accept(layer->userdata, message, now);
        if (r < 0)
                layer_failed(layer, message->flow_id, 0, r);
}

/* By the operator, or because its owner died or closed it: all attempts of the flow. Word of a close may overtake
 * what the owner wrote before, which goes out all the same. */
static void closed(Layer *layer, const LayerMessage *message, usec_t now) {
        for (uint32_t attempt = 0; attempt < LAYER_ATTEMPTS_MAX; attempt++) {
                LayerFlow *flow = layer_flows_get(layer->flows, message->flow_id, attempt);

                if (!flow)
                        continue;

                if (message->close_reason == CLOSE_NORMAL && flow->upper) {
                        upper_flow_finish(flow, CLOSE_NORMAL);
                        continue;
                }

                upper_flow_close(flow, (CloseReason) message->close_reason);
                layer->ops->close(layer->userdata, flow, now);
        }
}

static void aborted(Layer *layer, const LayerMessage *message, usec_t now) {
        LayerFlow *flow = layer_flows_get(layer->flows, message->flow_id, message->attempt);

        if (flow)
                layer->ops->abort(layer->userdata, flow, &message->tokens, now);
}

static void ordered(Layer *layer, const LayerMessage *message, int *fd, usec_t now) {
        char text[LAYER_TEXT_BYTES_MAX];
        int r;

        if (layer_order_is_common(message->order)) {
                r = layer_order_carry_out(layer->ops, layer->userdata, &layer->upper, layer->capture, message, fd,
                                          text);
                return layer_order_done(layer, message->query_id, r, text);
        }
        if (layer->ops->order)
                return layer->ops->order(layer->userdata, message, now);

        layer_order_done(layer, message->query_id, -EOPNOTSUPP,
                         "A layer of this type has no members that could be joined");
}

void layer_dispatch(Layer *layer, const LayerMessage *message, int fds[LAYER_FDS_MAX], usec_t now) {
        const LayerOps *ops = layer->ops;

        switch (message->type) {

        case LAYER_WELCOME:
                return ops->welcome(layer->userdata);

        case LAYER_REGISTER:
                if (ops->register_name(layer->userdata, message->hash, message->hash_size) < 0)
                        log_warning("Failed to register a name in layer %s.", layer->name);
                return;

        case LAYER_UNREGISTER:
                return ops->unregister_name(layer->userdata, message->hash, message->hash_size);

        case LAYER_QUERY:
                return ops->query(layer->userdata, message, now);

        case LAYER_PREPARE:
                return prepare(layer, message, now);

        case LAYER_REQUEST:
                return ops->request(layer->userdata, message, now);

        case LAYER_ABORT:
                return aborted(layer, message, now);

        case LAYER_ACCEPT:
                return accepted(layer, message, now);

        case LAYER_REFUSE:
                return ops->refuse(layer->userdata, message, now);

        case LAYER_ESTABLISHED:
                return established(layer, message, fds, now);

        case LAYER_CLOSE:
                return closed(layer, message, now);

        case LAYER_LOWER:
                if (ops->lower_changed)
                        ops->lower_changed(layer->userdata, message->layer, message->layer_type, message->state,
                                           message->text, now);
                return;

        case LAYER_ORDER:
                return ordered(layer, message, &fds[0], now);

        case LAYER_PREPARED:
        case LAYER_ORDER_DONE:
        case LAYER_NEIGHBOUR:
        case LAYER_REATTACH:
        case LAYER_HELLO:
        case LAYER_STATE:
        case LAYER_QUERY_DONE:
        case LAYER_REPLY:
        case LAYER_INCOMING:
        case LAYER_INCOMING_GONE:
        case LAYER_DOWN:
        case LAYER_RESUME:
                return log_warning("The IRM sent a message that only layers send.");

        case _LAYER_MESSAGE_TYPE_MAX:
        case _LAYER_MESSAGE_TYPE_INVALID:
                return;
        }
}
