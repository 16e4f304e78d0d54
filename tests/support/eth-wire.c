/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/eth-wire.h"

#define ETHER_TYPE 0xA000U

FrameAddress station_address(unsigned number) {
        return (FrameAddress) { .bytes = { 0x02, 0, 0, 0, 0, (uint8_t) (number + 1) } };
}

const uint8_t *wire_hash(uint8_t name) {
        static uint8_t hashes[256][32];

        memset(hashes[name], name, sizeof(hashes[name]));
        return hashes[name];
}

/* -- the wire -- */

static void enqueue(Wire *wire, const WireFrame *frame, usec_t extra) {
        WireFrame *copy = malloc(sizeof(*copy)), *other;
        ListNode *where = &wire->frames;

        assert(copy);
        *copy = *frame;
        copy->due = wire->now + WIRE_DELAY_USEC + extra;

        list_for_each(other, &wire->frames, by_wire) {
                if (other->due > copy->due)
                        break;
                where = &other->by_wire;
        }

        list_insert_after(where, &copy->by_wire);
}

static void note(Wire *wire, const uint8_t *bytes, size_t size) {
        const FrameOps *ops = frame_ops(wire->framing);
        ManagementMessage message;
        Frame frame;

        wire->n_sent++;
        if (ops->parse(ETHER_TYPE, bytes, size, &frame) < 0)
                return;

        if (!frame.management)
                wire->n_keepalives += frame.payload_size == 0;
        else if (management_parse(ops, 32, bytes + frame.payload_offset, frame.payload_size, &message) >= 0)
                wire->n_codes[message.code]++;
}

void wire_inject(Wire *wire, const Station *from, const void *bytes, size_t size) {
        WireFrame frame = { .from = from, .size = size };
        unsigned n_copies = 1;
        usec_t extra = 0;

        assert(size <= sizeof(frame.bytes));
        memcpy(frame.bytes, bytes, size);
        note(wire, bytes, size);

        if (wire->fate)
                n_copies = wire->fate(wire, &frame, &extra);
        for (unsigned i = 0; i < n_copies; i++)
                enqueue(wire, &frame, extra * (i + 1));
}

static void arrive(Station *station, const WireFrame *frame) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        int r;

        r = packet_new(frame->size, &packet);
        assert(r >= 0);
        memcpy(packet_append(packet, frame->size), frame->bytes, frame->size);
        eth_receive(&station->ethernet, &packet, 1, station->wire->now);
}

static usec_t next_event(Wire *wire) {
        const WireFrame *frame = list_first(&wire->frames, WireFrame, by_wire);
        usec_t next = frame ? frame->due : USEC_INFINITY;

        for (unsigned i = 0; i < wire->n_stations; i++)
                next = MIN(next, ethernet_next(&wire->stations[i].ethernet));

        return next;
}

void wire_run(Wire *wire, usec_t duration) {
        usec_t end = wire->now + duration, next;

        while ((next = next_event(wire)) <= end) {
                WireFrame *frame;

                wire->now = MAX(wire->now, next);

                while ((frame = list_first(&wire->frames, WireFrame, by_wire)) && frame->due <= wire->now) {
                        list_unlink(&frame->by_wire);
                        for (unsigned i = 0; i < wire->n_stations; i++)
                                if (&wire->stations[i] != frame->from)
                                        arrive(&wire->stations[i], frame);
                        free(frame);
                }

                for (unsigned i = 0; i < wire->n_stations; i++)
                        ethernet_expire(&wire->stations[i].ethernet, wire->now);
        }

        wire->now = end;
}

/* -- what a core reports -- */

static unsigned event_send(void *userdata, Cube cube, Packet *const *frames, unsigned n) {
        Station *s = userdata;

        if (s->full)
                return 0;

        for (unsigned i = 0; i < n; i++)
                wire_inject(s->wire, s, frames[i]->head, packet_size(frames[i]));
        return n;
}

static void event_deliver(void *userdata, EthernetFlow *flow, Packet *const *packets, unsigned n) {
        Station *s = userdata;

        assert(flow->layer.state == LAYER_FLOW_ESTABLISHED);

        for (unsigned i = 0; i < n; i++) {
                StationData *data = &s->data[s->n_data++ % WIRE_LOG_MAX];

                *data = (StationData) { .flow_id = flow->layer.key.flow_id, .size = packet_size(packets[i]) };
                memcpy(data->bytes, packets[i]->head, MIN(data->size, sizeof(data->bytes)));
        }
}

static void event_prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                           const FlowBinding *binding, const uint8_t *lock) {
        Station *s = userdata;

        prepared_keep(&s->prepared, flow_id, attempt, reference, result, binding, lock);
        s->n_prepared++;
}

static void event_changed(void *userdata, LayerFlow *flow) {
        Station *s = userdata;

        assert(flow->state == LAYER_FLOW_ESTABLISHED);
        s->n_changed++;
}

static int event_reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                       const FlowBinding *binding) {
        Station *s = userdata;
        StationReply *reply = &s->replies[s->n_replies++ % WIRE_LOG_MAX];

        *reply = (StationReply) {
                .flow_id = flow->key.flow_id,
                .attempt = (uint32_t) flow->key.attempt,
                .result = result,
                .abandoned = flow->state == LAYER_FLOW_ABANDONED,
                .oap_size = oap_size,
        };
        if (oap_size > 0)
                memcpy(reply->oap, oap, MIN(oap_size, sizeof(reply->oap)));
        if (binding)
                s->reply_binding = *binding;
        return result == 0 ? s->reply_error : 0;
}

static void event_failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        Station *s = userdata;

        s->replies[s->n_replies++ % WIRE_LOG_MAX] = (StationReply) {
                .flow_id = flow_id,
                .attempt = attempt,
                .result = result,
        };
}

static void event_incoming(void *userdata, uint64_t reference, const uint8_t *hash, const ManagementMessage *message,
                           const FlowBinding *binding, const FrameAddress *peer) {
        Station *s = userdata;

        s->incoming_binding = *binding;
        s->incoming[s->n_incoming++ % WIRE_LOG_MAX] = reference;
        s->last_incoming = (LayerMessage) { .reference = reference, .qos = message->qos,
                                            .oap_size = message->oap_size };
        memcpy(s->last_incoming.hash, hash, s->ethernet.hash_size);
        memcpy(s->last_incoming.oap, message->oap, message->oap_size);
}

static void event_incoming_gone(void *userdata, uint64_t reference) {
        Station *s = userdata;

        s->n_gone++;
}

static void event_query_done(void *userdata, uint64_t query_id, int32_t result) {
        Station *s = userdata;

        s->queries[s->n_queries++ % WIRE_LOG_MAX] = (StationQuery) {
                .query_id = query_id,
                .result = result,
                .when = s->wire->now,
        };
}

static void event_down(void *userdata, LayerFlow *flow, CloseReason reason) {
        Station *s = userdata;

        s->downs[s->n_downs++ % WIRE_LOG_MAX] = (StationDown) { .flow_id = flow->key.flow_id, .reason = reason };
}

/* A linear congruence: the same in every run. */
static uint64_t event_random(void *userdata) {
        Station *s = userdata;

        s->random = s->random * 6364136223846793005U + 1442695040888963407U;
        return s->random >> 16;
}

static const EthernetEvents events = {
        .send = event_send,
        .deliver = event_deliver,
        .prepared = event_prepared,
        .reply = event_reply,
        .failed = event_failed,
        .incoming = event_incoming,
        .incoming_gone = event_incoming_gone,
        .query_done = event_query_done,
        .down = event_down,
        .changed = event_changed,
        .random = event_random,
};

/* -- stations -- */

void station_set_link(Station *station, bool up, const FrameAddress *address, uint32_t mtu) {
        const EthernetLink link = { .present = true, .up = up, .address = *address, .mtu = mtu };

        ethernet_link_changed(&station->ethernet, &link, station->wire->now);
}

void wire_init(Wire *wire, Framing framing, unsigned n_stations) {
        const EthernetConfig config = {
                .framing = framing,
                .ether_type = ETHER_TYPE,
                .hash = HASH_SHA3_256,
                .key = "0123456789abcde",
        };

        memset(wire, 0, sizeof(*wire));
        wire->now = 1000 * USEC_PER_SEC;
        wire->framing = framing;
        wire->n_stations = n_stations;
        list_init(&wire->frames);

        for (unsigned i = 0; i < n_stations; i++) {
                Station *s = &wire->stations[i];
                const FrameAddress address = station_address(i);
                int r;

                s->wire = wire;
                s->number = i;
                s->random = i;
                r = ethernet_init(&s->ethernet, &config, &events, s, wire->now);
                assert(r >= 0);
                memset(s->ethernet.reset_key, (int) i + 1, sizeof(s->ethernet.reset_key));
                station_set_link(s, true, &address, 1500);
        }
}

void wire_done(Wire *wire) {
        WireFrame *frame;

        while ((frame = list_first(&wire->frames, WireFrame, by_wire))) {
                list_unlink(&frame->by_wire);
                free(frame);
        }

        for (unsigned i = 0; i < wire->n_stations; i++)
                ethernet_done(&wire->stations[i].ethernet);
}

/* -- the IRM -- */

static CloseTokens tokens(uint8_t own, uint8_t peer) {
        CloseTokens t = { .have_own = own != 0, .have_peer = peer != 0 };

        t.own[0] = own;
        t.peer[0] = peer;
        return t;
}

EthernetFlow *station_flow(const Station *station, uint64_t flow_id, uint32_t attempt) {
        LayerFlow *flow = layer_flows_get(&station->ethernet.flows, flow_id, attempt);

        return flow ? ethernet_flow(flow) : NULL;
}

void station_request(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t name, const void *oap,
                     size_t oap_size, uint32_t timeout_ms) {
        LayerMessage order = {
                .type = LAYER_REQUEST,
                .flow_id = flow_id,
                .attempt = attempt,
                .qos = { .loss = 1, .ber = 1, .delay_ms = UINT32_MAX, .max_gap_ms = UINT32_MAX,
                         .timeout_ms = timeout_ms },
                .hash_size = 32,
                .oap_size = oap_size,
        };

        memcpy(order.hash, wire_hash(name), 32);
        memcpy(order.oap, oap, oap_size);
        ethernet_request(&station->ethernet, &order, station->wire->now);
}

int station_accept(Station *station, uint64_t reference, uint64_t flow_id, uint8_t own, uint8_t peer) {
        const LayerMessage order = {
                .type = LAYER_ACCEPT,
                .reference = reference,
                .flow_id = flow_id,
                .tokens = tokens(own, peer),
                .oap_size = 8,
                .oap = "response",
        };

        return ethernet_accept(&station->ethernet, &order, station->wire->now);
}

void station_establish(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer) {
        const CloseTokens t = tokens(own, peer);
        LayerFlow *flow = layer_flows_get(&station->ethernet.flows, flow_id, attempt);

        assert(flow);
        ethernet_established(&station->ethernet, flow, &t, station->wire->now);
}

void station_abort(Station *station, uint64_t flow_id, uint32_t attempt, uint8_t own, uint8_t peer) {
        const CloseTokens t = tokens(own, peer);
        LayerFlow *flow = layer_flows_get(&station->ethernet.flows, flow_id, attempt);

        assert(flow);
        ethernet_abort(&station->ethernet, flow, &t, station->wire->now);
}

unsigned station_write(Station *station, uint64_t flow_id, const char *text, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        LayerFlow *flow = layer_flows_get_established(&station->ethernet.flows, flow_id);
        uint8_t *content;
        int r;

        assert(flow);
        r = packet_new(size, &packet);
        assert(r >= 0);
        content = packet_append(packet, size);
        memset(content, 0, size);
        memcpy(content, text, MIN(strlen(text), size));
        return eth_transmit(&station->ethernet, ethernet_flow(flow), &packet, 1, station->wire->now);
}

void wire_connect(Wire *wire, Station *a, Station *b, uint64_t flow_id, uint32_t timeout_ms, bool o7s) {
        char oap[36] = {};
        int r;

        memcpy(oap, &flow_id, sizeof(flow_id));
        r = ethernet_register(&b->ethernet, wire_hash('n'), 32);
        assert(r >= 0);

        station_request(a, flow_id, 0, 'n', oap, sizeof(oap), timeout_ms);
        wire_run(wire, 10 * USEC_PER_MSEC);
        assert(b->n_incoming > 0);

        r = station_accept(b, b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX], flow_id + 1000, o7s ? 0xB2 : 0,
                           o7s ? 0xA1 : 0);
        assert(r >= 0);
        station_establish(b, flow_id + 1000, 0, o7s ? 0xB2 : 0, o7s ? 0xA1 : 0);
        wire_run(wire, 10 * USEC_PER_MSEC);
        station_establish(a, flow_id, 0, o7s ? 0xA1 : 0, o7s ? 0xB2 : 0);
}

/* -- flows whose ends have control keys -- */

void station_prepare(Station *station, uint64_t flow_id, uint64_t reference, uint8_t name, uint32_t timeout_ms) {
        LayerMessage order = {
                .type = LAYER_PREPARE,
                .flow_id = flow_id,
                .reference = reference,
                .qos = { .loss = 1, .ber = 1, .delay_ms = UINT32_MAX, .max_gap_ms = UINT32_MAX,
                         .timeout_ms = timeout_ms },
                .hash_size = 32,
        };

        memcpy(order.hash, wire_hash(name), 32);
        ethernet_prepare(&station->ethernet, &order, station->wire->now);
}

LayerControl wire_keys(bool asked) {
        LayerControl keys = { .present = true };

        memset(keys.send, asked ? 0xC2 : 0x2C, sizeof(keys.send));
        memset(keys.receive, asked ? 0x2C : 0xC2, sizeof(keys.receive));
        return keys;
}

void station_learn(Station *station, uint64_t flow_id, const uint8_t lock[FLOW_RESET_BYTES]) {
        const LayerControl keys = wire_keys(true);
        LayerFlow *flow = layer_flows_get(&station->ethernet.flows, flow_id, 0);

        assert(flow);
        flow_control_init(&flow->control, &keys, true);
        flow->have_lock = true;
        memcpy(flow->lock, lock, sizeof(flow->lock));
}

void wire_connect_with_keys(Wire *wire, Station *a, Station *b, uint64_t flow_id, uint32_t timeout_ms,
                            size_t oap_size) {
        LayerMessage order = { .type = LAYER_ACCEPT, .flow_id = flow_id + 1000, .tokens = tokens(0xB2, 0xA1),
                               .control = wire_keys(false) };
        uint8_t oap[LAYER_OAP_BYTES_MAX] = {};
        uint8_t lock[FLOW_RESET_BYTES];
        int r;

        memcpy(oap, &flow_id, sizeof(flow_id));
        for (size_t i = sizeof(flow_id); i < oap_size; i++)
                oap[i] = (uint8_t) (i * 31 + i / 256);
        r = ethernet_register(&b->ethernet, wire_hash('n'), 32);
        assert(r >= 0);

        station_prepare(a, flow_id, 0, 'n', timeout_ms);
        wire_run(wire, 10 * USEC_PER_MSEC);
        assert(a->prepared.flow_id == flow_id && a->prepared.result == 0);
        station_request(a, flow_id, 0, 'n', oap, oap_size, timeout_ms);
        wire_run(wire, 2 * USEC_PER_SEC);
        assert(b->n_incoming > 0);

        order.reference = b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX];
        station_prepare(b, flow_id + 1000, order.reference, 'n', timeout_ms);
        assert(b->prepared.reference == order.reference && b->prepared.result == 0 && b->prepared.have_lock);
        memcpy(lock, b->prepared.lock, sizeof(lock));
        order.oap_size = oap_size;
        memcpy(order.oap, oap, oap_size);
        r = ethernet_accept(&b->ethernet, &order, wire->now);
        assert(r >= 0);
        station_establish(b, flow_id + 1000, 0, 0, 0);

        wire_run(wire, 2 * USEC_PER_SEC);
        station_learn(a, flow_id, lock);
        station_establish(a, flow_id, 0, 0xA1, 0xB2);
        wire_run(wire, 10 * USEC_PER_MSEC);
}
