/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a layer tells the IRM. Without a connection all of it is dropped: hello, state and flows are told at the next
 * one. */

#include <inttypes.h>

#include "basic/log.h"
#include "services/common/layer-internal.h"

void layer_send(Layer *layer, const LayerMessage *message) {
        layer_irm_send(&layer->irm, message, -1);
}

void layer_send_state(Layer *layer) {
        LayerMessage message = {
                .type = LAYER_STATE,
                .state = layer->state,
                .mtu = layer->mtu,
                .address = layer->address,
                .have_layer_id = layer->have_id,
        };

        memcpy(message.layer_id, layer->id, sizeof(message.layer_id));
        (void) copy_string(message.text, sizeof(message.text), strempty(layer->reason));
        layer_send(layer, &message);
}

void layer_send_hello(Layer *layer) {
        LayerMessage message = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION };

        (void) copy_string(message.layer, sizeof(message.layer), layer->name);
        layer->ops->describe(layer->userdata, &message);
        layer_send(layer, &message);
}

void layer_send_down(Layer *layer, uint64_t flow_id, CloseReason reason) {
        const LayerMessage message = { .type = LAYER_DOWN, .flow_id = flow_id, .close_reason = reason };

        layer_send(layer, &message);
}

void layer_failed(Layer *layer, uint64_t flow_id, uint32_t attempt, int32_t result) {
        const LayerMessage message = {
                .type = LAYER_REPLY,
                .flow_id = flow_id,
                .attempt = attempt,
                .result = result,
        };

        assert(result < 0);
        layer_send(layer, &message);
}

static void set_binding(LayerMessage *message, const FlowBinding *binding) {
        if (!binding)
                return;

        message->binding_size = binding->size;
        memcpy(message->binding, binding->bytes, binding->size);
}

void layer_prepared(Layer *layer, const LayerPrepared *prepared) {
        LayerMessage message = {
                .type = LAYER_PREPARED,
                .flow_id = prepared->flow_id,
                .attempt = prepared->attempt,
                .reference = prepared->reference,
                .result = prepared->result,
                .have_reset = prepared->lock != NULL,
        };

        assert(prepared->result <= 0);

        set_binding(&message, prepared->binding);
        if (prepared->lock)
                memcpy(message.reset, prepared->lock, sizeof(message.reset));
        layer_send(layer, &message);
}

int layer_reply(Layer *layer, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                const FlowBinding *binding) {
        _cleanup_close_ int fd = -1;
        LayerMessage message = {
                .type = LAYER_REPLY,
                .flow_id = flow->key.flow_id,
                .attempt = (uint32_t) flow->key.attempt,
                .result = result,
                .qos = flow->granted,
        };
        int r;

        if (oap_size > sizeof(message.oap))
                return -EMSGSIZE;
        if (oap_size > 0)
                memcpy(message.oap, oap, oap_size);
        message.oap_size = oap_size;
        set_binding(&message, binding);

        if (result < 0) {
                layer_send(layer, &message);
                return 0;
        }

        assert(!flow->lane);
        flow->packet_max = layer->mtu;
        r = lane_new(flow->lane_class, &flow->lane, &fd);
        if (r < 0) {
                log_warning_errno(r, "Failed to make a lane for flow %" PRIu64 ": %m", flow->key.flow_id);
                message.result = r;     /* with the peer's answer: the IRM finds in it how to close that end */
                layer_send(layer, &message);
                return r;
        }

        layer_irm_send(&layer->irm, &message, fd);
        return 0;
}

void layer_incoming(Layer *layer, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                    const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer) {
        LayerMessage message = {
                .type = LAYER_INCOMING,
                .reference = reference,
                .qos = *qos,
                .hash_size = hash_size,
                .oap_size = oap_size,
        };

        assert(hash_size <= sizeof(message.hash) && oap_size <= sizeof(message.oap));

        memcpy(message.hash, hash, hash_size);
        memcpy(message.oap, oap, oap_size);
        set_binding(&message, binding);
        (void) copy_string(message.peer, sizeof(message.peer), peer);
        layer_send(layer, &message);
}

void layer_incoming_gone(Layer *layer, uint64_t reference) {
        const LayerMessage message = { .type = LAYER_INCOMING_GONE, .reference = reference };

        layer_send(layer, &message);
}

void layer_query_done(Layer *layer, uint64_t query_id, int32_t result) {
        const LayerMessage message = { .type = LAYER_QUERY_DONE, .query_id = query_id, .result = result };

        layer_send(layer, &message);
}

void layer_order_done(Layer *layer, uint64_t query_id, int32_t result, const char *text) {
        LayerMessage message = { .type = LAYER_ORDER_DONE, .query_id = query_id, .result = result };

        (void) copy_string(message.text, sizeof(message.text), text);
        layer_send(layer, &message);
}

void layer_neighbour(Layer *layer, const LayerNeighbour *neighbour, const char *name, const char *lower,
                     const char *text) {
        LayerMessage message = { .type = LAYER_NEIGHBOUR, .neighbour = *neighbour };

        (void) copy_string(message.name, sizeof(message.name), name);
        (void) copy_string(message.lower, sizeof(message.lower), lower);
        (void) copy_string(message.text, sizeof(message.text), text);
        layer_send(layer, &message);
}

void layer_down(Layer *layer, LayerFlow *flow, CloseReason reason) {
        upper_flow_close(flow, reason);
        layer_send_down(layer, flow->key.flow_id, reason);
}

void layer_send_flow(Layer *layer, LayerFlow *flow) {
        LayerMessage message = { .type = LAYER_RESUME, .flow_id = flow->key.flow_id, .uid = flow->uid };
        _cleanup_close_ int fd = -1;
        int r;

        if (flow->upper)
                return layer_send(layer, &message);

        /* Not told, it is over for the IRM, and its CLOSE ends it here. */
        flow->lane = lane_free(flow->lane);
        flow->packet_max = layer->mtu;
        r = lane_new(flow->lane_class, &flow->lane, &fd);
        if (r < 0) {
                log_warning_errno(r, "Failed to make a lane for flow %" PRIu64 ": %m", flow->key.flow_id);
                return;
        }

        message.type = LAYER_REATTACH;
        layer_irm_send(&layer->irm, &message, fd);
}
