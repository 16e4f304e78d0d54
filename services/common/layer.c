/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "services/common/layer-irm.h"
#include "services/common/layer-order.h"
#include "services/common/layer.h"

struct Layer {
        Daemon *daemon;                 /* not owned */
        char *name;
        const LayerOps *ops;
        void *userdata;
        LayerFlows *flows;              /* not owned */
        LayerIrm irm;
        Upper upper;
        LayerState state;
        char *reason;
        uint32_t mtu;
        uint64_t address;               /* of the member; 0: none */
        bool have_id;
        uint8_t id[LAYER_ID_BYTES];     /* see LayerConfig; 0 where there is none */
        StateStore *store;              /* for the next process; NULL: nothing is kept */
        Capture *capture;               /* NULL: a layer whose packets cannot be shown */
};

/* -- to the IRM -- */

static void send_plain(Layer *layer, const LayerMessage *message) {
        layer_irm_send(&layer->irm, message, -1);
}

static void send_state(Layer *layer) {
        LayerMessage message = {
                .type = LAYER_STATE,
                .state = layer->state,
                .mtu = layer->mtu,
                .address = layer->address,
                .have_layer_id = layer->have_id,
        };

        memcpy(message.layer_id, layer->id, sizeof(message.layer_id));
        (void) copy_string(message.text, sizeof(message.text), strempty(layer->reason));
        send_plain(layer, &message);
}

static void send_hello(Layer *layer) {
        LayerMessage message = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION };

        (void) copy_string(message.layer, sizeof(message.layer), layer->name);
        layer->ops->describe(layer->userdata, &message);
        send_plain(layer, &message);
}

static void send_down(Layer *layer, uint64_t flow_id, CloseReason reason) {
        const LayerMessage message = { .type = LAYER_DOWN, .flow_id = flow_id, .close_reason = reason };

        send_plain(layer, &message);
}

void layer_failed(Layer *layer, uint64_t flow_id, uint32_t attempt, int32_t result) {
        const LayerMessage message = {
                .type = LAYER_REPLY,
                .flow_id = flow_id,
                .attempt = attempt,
                .result = result,
        };

        assert(result < 0);
        send_plain(layer, &message);
}

int layer_reply(Layer *layer, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size) {
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

        if (result < 0) {
                send_plain(layer, &message);
                return 0;
        }

        assert(!flow->lane);
        r = lane_new(flow->lane_class, &flow->lane, &fd);
        if (r < 0) {
                log_warning_errno(r, "Failed to make a lane for flow %" PRIu64 ": %m", flow->key.flow_id);
                message.result = r;     /* with the peer's answer: the IRM finds in it how to close that end */
                send_plain(layer, &message);
                return r;
        }

        layer_irm_send(&layer->irm, &message, fd);
        return 0;
}

void layer_incoming(Layer *layer, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                    const uint8_t *oap, size_t oap_size, const char *peer) {
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
        (void) copy_string(message.peer, sizeof(message.peer), peer);
        send_plain(layer, &message);
}

void layer_incoming_gone(Layer *layer, uint64_t reference) {
        const LayerMessage message = { .type = LAYER_INCOMING_GONE, .reference = reference };

        send_plain(layer, &message);
}

void layer_query_done(Layer *layer, uint64_t query_id, int32_t result) {
        const LayerMessage message = { .type = LAYER_QUERY_DONE, .query_id = query_id, .result = result };

        send_plain(layer, &message);
}

void layer_order_done(Layer *layer, uint64_t query_id, int32_t result, const char *text) {
        LayerMessage message = { .type = LAYER_ORDER_DONE, .query_id = query_id, .result = result };

        (void) copy_string(message.text, sizeof(message.text), text);
        send_plain(layer, &message);
}

void layer_neighbour(Layer *layer, const LayerNeighbour *neighbour, const char *name, const char *lower,
                     const char *text) {
        LayerMessage message = { .type = LAYER_NEIGHBOUR, .neighbour = *neighbour };

        (void) copy_string(message.name, sizeof(message.name), name);
        (void) copy_string(message.lower, sizeof(message.lower), lower);
        (void) copy_string(message.text, sizeof(message.text), text);
        send_plain(layer, &message);
}

void layer_down(Layer *layer, LayerFlow *flow, CloseReason reason) {
        upper_flow_close(flow, reason);
        send_down(layer, flow->key.flow_id, reason);
}

/* -- from the IRM -- */

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

/* Where this fails the flow ends with our process, as it always did. */
static void keep_flow(Layer *layer, LayerFlow *flow) {
        uint8_t bytes[LAYER_FLOW_BYTES_MAX];
        ssize_t size;
        int r = 0;

        if (!layer->store || !layer->ops->save_flow)
                return;

        size = layer->ops->save_flow(layer->userdata, flow, bytes);
        if (size >= 0)
                r = layer_store_flow(layer->store, flow, bytes, (size_t) size);
        if (size < 0 || r < 0)
                log_debug_errno(size < 0 ? (int) size : r, "Flow %" PRIu64 " will end with this process: %m", flow->key.flow_id);
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

        r = establish(layer, flow, fds[0], &fds[1]);
        if (r < 0) {
                CloseReason reason = r == -EBADMSG ? CLOSE_VIOLATION : CLOSE_LAYER_DOWN;

                log_warning_errno(r, "Failed to establish flow %" PRIu64 ": %m", message->flow_id);
                if (reason == CLOSE_VIOLATION)          /* its lane is none */
                        counters_drop(&layer->upper.past, DROP_HOSTILE);
                doorbell_close(fds[1], reason);
                layer->ops->close(layer->userdata, flow, now);
                return send_down(layer, message->flow_id, reason);
        }

        if (flow->state == LAYER_FLOW_ESTABLISHED)
                return log_debug("Flow %" PRIu64 " is attached again.", message->flow_id);

        flow->uid = message->uid;
        layer->ops->established(layer->userdata, flow, &message->tokens, now);
        if (flow->state == LAYER_FLOW_ESTABLISHED)
                keep_flow(layer, flow);
}

static void prepared(Layer *layer, const LayerMessage *message, usec_t now) {
        LayerMessage answer = {
                .type = LAYER_PREPARED,
                .flow_id = message->flow_id,
                .reference = message->reference,
                .attempt = message->attempt,
        };

        if (layer->ops->prepare)
                answer.result = layer->ops->prepare(layer->userdata, message, &answer, now);
        layer_irm_send(&layer->irm, &answer, -1);
}

static void accepted(Layer *layer, const LayerMessage *message, usec_t now) {
        int r;

        r = layer->ops->accept(layer->userdata, message, now);
        if (r < 0)
                layer_failed(layer, message->flow_id, 0, r);
}

/* By the operator, or because its owner died or closed it: all attempts of the flow. Word of a close may overtake what the owner
 * wrote before, which goes out all the same. */
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
                r = layer_order_carry_out(layer->ops, layer->userdata, &layer->upper, layer->capture, message, fd, text);
                return layer_order_done(layer, message->query_id, r, text);
        }
        if (layer->ops->order)
                return layer->ops->order(layer->userdata, message, now);

        layer_order_done(layer, message->query_id, -EOPNOTSUPP, "A layer of this type has no members that could be joined");
}

static void dispatch(Layer *layer, const LayerMessage *message, int fds[LAYER_FDS_MAX], usec_t now) {
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
                return prepared(layer, message, now);

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

static void irm_received(void *userdata, const LayerMessage *message, int fds[LAYER_FDS_MAX]) {
        dispatch(userdata, message, fds, time_now());

        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                fds[i] = safe_close(fds[i]);
}

/* What the IRM is to know of an established flow: that it goes on, or that it waits for its application. */
static void send_flow(Layer *layer, LayerFlow *flow) {
        LayerMessage message = { .type = LAYER_RESUME, .flow_id = flow->key.flow_id, .uid = flow->uid };
        _cleanup_close_ int fd = -1;
        int r;

        if (flow->upper)
                return send_plain(layer, &message);

        /* Not told, it is over for the IRM, and its CLOSE ends it here. */
        flow->lane = lane_free(flow->lane);
        r = lane_new(flow->lane_class, &flow->lane, &fd);
        if (r < 0) {
                log_warning_errno(r, "Failed to make a lane for flow %" PRIu64 ": %m", flow->key.flow_id);
                return;
        }

        message.type = LAYER_REATTACH;
        layer_irm_send(&layer->irm, &message, fd);
}

static void irm_connected(void *userdata) {
        Layer *layer = userdata;
        LayerFlow *flow;

        send_hello(layer);

        list_for_each(flow, &layer->flows->all, by_table)
                if (flow->state == LAYER_FLOW_ESTABLISHED)
                        send_flow(layer, flow);

        send_state(layer);
        if (layer->ops->tell_neighbours)
                layer->ops->tell_neighbours(layer->userdata, time_now());
        log_debug("Layer %s is connected to the IRM.", layer->name);
}

static void irm_lost(void *userdata) {
        Layer *layer = userdata;

        log_debug("Layer %s lost the IRM.", layer->name);
        layer->ops->irm_lost(layer->userdata, time_now());
}

/* -- from above -- */

static unsigned budget(void *userdata, LayerFlow *flow, unsigned max, usec_t now) {
        Layer *layer = userdata;

        return layer->ops->budget(layer->userdata, flow, max, now);
}

static unsigned transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Layer *layer = userdata;

        return layer->ops->transmit(layer->userdata, flow, packets, n, now);
}

static void ended(void *userdata, LayerFlow *flow, CloseReason reason, usec_t now) {
        Layer *layer = userdata;
        uint64_t flow_id = flow->key.flow_id;

        layer->ops->close(layer->userdata, flow, now);
        send_down(layer, flow_id, reason);
}

/* -- the object -- */

Layer *layer_free(Layer *layer) {
        if (!layer)
                return NULL;

        layer_irm_done(&layer->irm);
        upper_done(&layer->upper);
        state_store_free(layer->store);
        capture_free(layer->capture);
        free(layer->reason);
        free(layer->name);
        return mfree(layer);
}

int layer_new(Daemon *daemon, const char *name, const LayerOps *ops, void *userdata, LayerFlows *flows, Layer **ret) {
        _cleanup_(layer_freep) Layer *layer = NULL;
        int r;

        layer = calloc(1, sizeof(*layer));
        if (!layer)
                return -ENOMEM;

        layer->daemon = daemon;
        layer->ops = ops;
        layer->userdata = userdata;
        layer->flows = flows;
        layer->state = LAYER_STARTING;
        layer->irm.fd = -1;

        layer->name = strdup(name);
        if (!layer->name)
                return -ENOMEM;

        r = upper_init(&layer->upper, daemon->event, transmit, ended, layer);
        if (r < 0)
                return r;
        if (ops->budget)
                upper_set_budget(&layer->upper, budget);

        if (ops->n_interfaces > 0) {
                r = capture_new(daemon->event, name, ops->interfaces, ops->n_interfaces, ops->watch, userdata, &layer->capture);
                if (r < 0)
                        return r;
        }

        r = layer_irm_init(&layer->irm, daemon->event, NULL);
        if (r < 0)
                return r;

        layer->irm.connected = irm_connected;
        layer->irm.received = irm_received;
        layer->irm.lost = irm_lost;
        layer->irm.userdata = layer;

        *ret = TAKE_PTR(layer);
        return 0;
}

static int restore_flow(Layer *layer, const LayerFlowRecord *record, uint32_t slot, usec_t now) {
        LayerFlow *flow;
        int r;

        r = layer->ops->restore_flow(layer->userdata, record, now, &flow);
        if (r < 0)
                return r;

        layer_flow_restore(flow, record, layer->store, slot);
        return 0;
}

static void restore_block(Layer *layer) {
        uint8_t bytes[LAYER_BLOCK_BYTES_MAX];
        size_t size = layer_store_get_block(layer->store, bytes);

        if (size > 0 && layer->ops->restore_block)
                layer->ops->restore_block(layer->userdata, bytes, size, time_now());
}

int layer_restore(Layer *layer) {
        LayerFlowRecord record;
        uint32_t position = 0, slot;
        unsigned n = 0;
        int r;

        assert(!layer->store);

        r = layer_store_open(layer->daemon, &layer->store);
        if (r < 0)
                return r;

        restore_block(layer);

        while (layer_store_next_flow(layer->store, &position, &record, &slot) > 0) {
                r = layer->ops->restore_flow ? restore_flow(layer, &record, slot, time_now()) : -EOPNOTSUPP;
                if (r < 0) {
                        log_debug_errno(r, "Flow %" PRIu64 " of before is over: %m", record.key.flow_id);
                        state_store_remove(layer->store, LAYER_KEPT_FLOW, slot);
                        continue;
                }
                n++;
        }

        if (n == 0)
                return 0;

        log_info("Took over %u flows of before.", n);

        /* Until the network is known; applications may attach before it is. */
        return upper_set_packet_max(&layer->upper, LANE_SLOT_BYTES);
}

int layer_keep_block(Layer *layer, const void *bytes, size_t size) {
        return layer->store ? layer_store_set_block(layer->store, bytes, size) : 0;
}

int layer_start(Layer *layer) {
        return layer_irm_start(&layer->irm);
}

void layer_set_state(Layer *layer, LayerState state, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vasprintf(&reason, format, arguments);
        va_end(arguments);
        if (r < 0) {
                reason = NULL;          /* undefined after a failure */
                return;
        }

        if (state == layer->state && layer->reason && streq(reason, layer->reason))
                return;

        assert(layer_state_may_follow(layer->state, state));
        log_info("Layer %s is %s: %s", layer->name, layer_state_to_string(state), reason);

        layer->state = state;
        free(layer->reason);
        layer->reason = TAKE_PTR(reason);

        daemon_status(layer->daemon, "%s: %s", layer_state_to_string(state), layer->reason);
        send_state(layer);
}

int layer_set_packet_max(Layer *layer, uint32_t packet_max) {
        int r;

        if (packet_max == layer->mtu)
                return 0;

        /* Without a network below there is no size; flows still need buffers to take, and drop, what is written. */
        if (packet_max > 0) {
                r = upper_set_packet_max(&layer->upper, packet_max);
                if (r < 0)
                        return r;
        }

        layer->mtu = packet_max;
        send_state(layer);
        return 0;
}

void layer_set_member(Layer *layer, uint64_t address, const uint8_t id[LAYER_ID_BYTES]) {
        static const uint8_t none[LAYER_ID_BYTES] = {};
        const uint8_t *bytes = id ? id : none;

        if (address == layer->address && (id != NULL) == layer->have_id && memcmp(bytes, layer->id, LAYER_ID_BYTES) == 0)
                return;

        layer->address = address;
        layer->have_id = id != NULL;
        memcpy(layer->id, bytes, LAYER_ID_BYTES);
        send_state(layer);
}

LayerState layer_state(const Layer *layer) {
        return layer->state;
}

const char *layer_state_reason(const Layer *layer) {
        return strempty(layer->reason);
}

bool layer_is_connected(const Layer *layer) {
        return layer->irm.fd >= 0;
}

Upper *layer_upper(Layer *layer) {
        return &layer->upper;
}
