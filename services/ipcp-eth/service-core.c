/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the core wants done: EthernetEvents. */

#include "basic/random.h"
#include "services/ipcp-eth/flow.h"
#include "services/ipcp-eth/service.h"

static unsigned core_send(void *userdata, Cube cube, Packet *const *frames, unsigned n) {
        Service *s = userdata;
        unsigned n_failed, n_done;

        if (!s->socket) {
                s->ethernet.counters.drops[DROP_LINK_DOWN] += n;
                return n;
        }

        n_done = frame_socket_send(s->socket, cube, frames, n, &n_failed);
        if (s->capture)
                capture_packets(s->capture, 0, true, frames, n_done);
        s->ethernet.counters.drops[DROP_SEND_FAILED] += n_failed;
        return n_done;
}

static void core_deliver(void *userdata, EthernetFlow *flow, Packet *const *packets, unsigned n) {
        Service *s = userdata;

        upper_deliver(layer_upper(s->layer), &flow->layer, packets, n, false);      /* Ethernet marks nothing */
}

static void core_prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                          const FlowBinding *binding, const uint8_t *lock) {
        Service *s = userdata;
        const LayerPrepared prepared = {
                .flow_id = flow_id,
                .attempt = attempt,
                .reference = reference,
                .result = result,
                .binding = binding,
                .lock = lock,
        };

        layer_prepared(s->layer, &prepared);
}

static int core_reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                      const FlowBinding *binding) {
        Service *s = userdata;

        return layer_reply(s->layer, flow, result, oap, oap_size, binding);
}

static void core_failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        Service *s = userdata;

        layer_failed(s->layer, flow_id, attempt, result);
}

static void core_incoming(void *userdata, uint64_t reference, const uint8_t *hash, const ManagementMessage *message,
                          const FlowBinding *binding, const FrameAddress *peer) {
        Service *s = userdata;
        char text[FRAME_ADDRESS_TEXT_MAX];

        layer_incoming(s->layer, reference, hash, s->ethernet.hash_size, &message->qos, message->oap, message->oap_size,
                       binding, frame_address_format(peer, text));
}

static void core_incoming_gone(void *userdata, uint64_t reference) {
        Service *s = userdata;

        layer_incoming_gone(s->layer, reference);
}

static void core_query_done(void *userdata, uint64_t query_id, int32_t result) {
        Service *s = userdata;

        layer_query_done(s->layer, query_id, result);
}

static void core_down(void *userdata, LayerFlow *flow, CloseReason reason) {
        Service *s = userdata;

        layer_down(s->layer, flow, reason);
}

static void core_changed(void *userdata, LayerFlow *flow) {
        Service *s = userdata;

        layer_keep_flow(s->layer, flow);
}

static uint64_t core_random(void *userdata) {
        uint64_t random;

        /* Endpoint ids need not be secret to be unique: the table finds a free one from any start. */
        if (random_bytes(&random, sizeof(random)) < 0)
                random = time_now();
        return random;
}

const EthernetEvents service_core_events = {
        .send = core_send,
        .deliver = core_deliver,
        .prepared = core_prepared,
        .reply = core_reply,
        .failed = core_failed,
        .incoming = core_incoming,
        .incoming_gone = core_incoming_gone,
        .query_done = core_query_done,
        .down = core_down,
        .changed = core_changed,
        .random = core_random,
};
