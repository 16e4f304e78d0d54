/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of the messages between IPCPs and the IRM. One table says which fields each type has; packing writes just
 * these, parsing (layer-message-parse.c) reads just these and checks each once, the same way for all types. A field
 * that is absent reads as zero, and is refused where zero makes no sense (identifiers, hashes). Both sides check:
 * neither daemon trusts the other.
 */

#include "libo7s/doorbell.h"
#include "services/common/hash.h"
#include "services/common/layer-message-internal.h"
#include "layer.pb-c.h"

static const char *const layer_type_table[_LAYER_TYPE_MAX] = {
        [LAYER_UNICAST] = "unicast",
        [LAYER_BROADCAST] = "broadcast",
        [LAYER_ETH_LLC] = "eth-llc",
        [LAYER_ETH_DIX] = "eth-dix",
        [LAYER_UDP4] = "udp4",
        [LAYER_UDP6] = "udp6",
};

DEFINE_ENUM_NAMES(layer_type, LayerType);

static const char *const layer_order_table[_LAYER_ORDER_MAX] = {
        [LAYER_ORDER_BOOTSTRAP] = "bootstrap",
        [LAYER_ORDER_ENROLL] = "enroll",
        [LAYER_ORDER_CONNECT] = "connect",
        [LAYER_ORDER_DISCONNECT] = "disconnect",
        [LAYER_ORDER_RESET_STATISTICS] = "reset-statistics",
        [LAYER_ORDER_SET_PROPERTIES] = "set-properties",
        [LAYER_ORDER_CAPTURE] = "capture",
};

DEFINE_ENUM_NAMES(layer_order, LayerOrder);

static const char *const layer_neighbour_state_table[_LAYER_NEIGHBOUR_STATE_MAX] = {
        [LAYER_NEIGHBOUR_DOWN] = "down",
        [LAYER_NEIGHBOUR_TRYING] = "trying",
        [LAYER_NEIGHBOUR_UP] = "up",
};

DEFINE_ENUM_NAMES(layer_neighbour_state, LayerNeighbourState);

static const uint32_t fields_of[_LAYER_MESSAGE_TYPE_MAX] = {
        [LAYER_HELLO] = VERSION | LAYER | LAYER_TYPE | HASH_ALGORITHM | MTU | OAP_MAX,
        [LAYER_STATE] = STATE | TEXT | MTU | ADDRESS | LAYER_ID,
        [LAYER_QUERY_DONE] = QUERY | RESULT | TEXT,
        [LAYER_REPLY] = FLOW | ATTEMPT | RESULT | TEXT | QOS | OAP | BINDING,
        [LAYER_INCOMING] = REFERENCE | HASH | QOS | OAP | PEER | BINDING,
        [LAYER_INCOMING_GONE] = REFERENCE,
        [LAYER_DOWN] = FLOW | REASON,
        [LAYER_RESUME] = FLOW | UID,
        [LAYER_WELCOME] = VERSION,
        [LAYER_REGISTER] = HASH | NAME,
        [LAYER_UNREGISTER] = HASH | NAME,
        [LAYER_QUERY] = QUERY | HASH | NAME,
        [LAYER_REQUEST] = FLOW | ATTEMPT | HASH | NAME | QOS | LANE | OAP,
        [LAYER_ABORT] = FLOW | ATTEMPT | TOKENS,
        [LAYER_ACCEPT] = REFERENCE | FLOW | OAP | TOKENS | LANE | CONTROL,
        [LAYER_REFUSE] = REFERENCE | RESULT | OAP,
        [LAYER_ESTABLISHED] = FLOW | ATTEMPT | TOKENS | QOS | PEER | UID | OF_LAYER | CONTROL | RESET,
        [LAYER_CLOSE] = FLOW | REASON,
        [LAYER_LOWER] = LAYER | LAYER_TYPE | STATE | TEXT,
        [LAYER_ORDER] = QUERY | ORDER | NAME | LOWER | MTU | TEXT,
        [LAYER_ORDER_DONE] = QUERY | RESULT | TEXT,
        [LAYER_PREPARE] = FLOW | REFERENCE | ATTEMPT | HASH | QOS,
        [LAYER_PREPARED] = FLOW | REFERENCE | ATTEMPT | RESULT | BINDING | RESET,
        [LAYER_REATTACH] = FLOW | UID,
        [LAYER_NEIGHBOUR] = NEIGHBOUR | NAME | LOWER | TEXT,
};

uint32_t layer_message_fields(LayerMessageType type) {
        return (int) type >= 0 && type < _LAYER_MESSAGE_TYPE_MAX ? fields_of[type] : 0;
}

static bool neighbour_is_sane(const LayerNeighbour *n) {
        return n->key != 0 && layer_neighbour_state_to_string(n->state) && !(n->components & ~LAYER_COMPONENTS_ALL);
}

bool layer_message_is_sane(const LayerMessage *m) {
        uint32_t fields = layer_message_fields(m->type);

        return !(fields & FLOW && m->flow_id == 0) &&
               !(fields & LAYER_TYPE && !layer_type_to_string(m->layer_type)) &&
               !(fields & STATE && !layer_state_to_string(m->state)) &&
               !(fields & HASH_ALGORITHM && m->hash_algorithm >= _HASH_ALGORITHM_MAX) &&
               !(fields & REASON && m->close_reason >= _CLOSE_REASON_MAX) &&
               !(fields & LANE && ((int) m->lane_class < 0 || m->lane_class >= _LANE_CLASS_MAX)) &&
               !(fields & RESULT && m->result > 0) &&
               !(fields & LAYER && !layer_name_is_valid(m->layer)) &&
               !(fields & NAME && m->name[0] != '\0' && !flow_name_is_valid_on_wire(m->name)) &&
               !(fields & HASH && (m->hash_size == 0 || m->hash_size > LAYER_HASH_BYTES_MAX)) &&
               !(fields & OAP && m->oap_size > LAYER_OAP_BYTES_MAX) &&
               !(fields & BINDING && m->binding_size > LAYER_BINDING_BYTES_MAX) &&
               !(fields & ORDER && (!layer_order_to_string(m->order) || m->components & ~LAYER_COMPONENTS_ALL)) &&
               !(fields & LOWER && m->lower[0] != '\0' && !layer_name_is_valid(m->lower)) &&
               !(fields & NEIGHBOUR && !neighbour_is_sane(&m->neighbour));
}

/* -- packing -- */

static ProtobufCBinaryData bytes_of(const void *data, size_t size) {
        /* packing only reads */
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) (uintptr_t) data };
}

static ProtobufCBinaryData text_of(const char *text, size_t size_max) {
        return bytes_of(text, strnlen(text, size_max));
}

static O7s__Layer__Qos qos_to_record(const o7s_qos *qos) {
        O7s__Layer__Qos record = O7S__LAYER__QOS__INIT;

        record.delay_ms = qos->delay_ms;
        record.bandwidth_bps = qos->bandwidth_bps;
        record.availability_nines = qos->availability_nines;
        record.loss = qos->loss;
        record.ber = qos->ber;
        record.in_order = qos->in_order;
        record.max_gap_ms = qos->max_gap_ms;
        record.timeout_ms = qos->timeout_ms;

        return record;
}

static O7s__Layer__Neighbour neighbour_to_record(const LayerNeighbour *neighbour) {
        O7s__Layer__Neighbour record = O7S__LAYER__NEIGHBOUR__INIT;

        record.key = neighbour->key;
        record.state = (uint32_t) neighbour->state;
        record.components = neighbour->components;
        record.address = neighbour->address;
        record.rtt_usec = neighbour->rtt_usec;
        record.since_usec = neighbour->since_usec;
        record.tx_bytes = neighbour->tx_bytes;
        record.rx_bytes = neighbour->rx_bytes;
        record.cost = neighbour->cost;

        return record;
}

static void numbers_to_record(const LayerMessage *m, uint32_t fields, O7s__Layer__Record *record) {
        if (fields & FLOW)
                record->flow_id = m->flow_id;
        if (fields & REFERENCE)
                record->reference = m->reference;
        if (fields & QUERY)
                record->query_id = m->query_id;
        if (fields & ATTEMPT)
                record->attempt = m->attempt;
        if (fields & RESULT)
                record->result = m->result;
        if (fields & VERSION)
                record->version = m->version;
        if (fields & LAYER_TYPE)
                record->layer_type = (uint32_t) m->layer_type;
        if (fields & STATE)
                record->state = (uint32_t) m->state;
        if (fields & HASH_ALGORITHM)
                record->hash_algorithm = m->hash_algorithm;
        if (fields & MTU)
                record->mtu = m->mtu;
        if (fields & OAP_MAX)
                record->oap_max = m->oap_max;
        if (fields & REASON)
                record->close_reason = m->close_reason;
        if (fields & LANE)
                record->lane_class = (uint32_t) m->lane_class;
        if (fields & UID)
                record->uid = m->uid;
        if (fields & OF_LAYER)
                record->of_layer = m->of_layer;
        if (fields & ADDRESS)
                record->address = m->address;
        if (fields & ORDER) {
                record->order = (uint32_t) m->order;
                record->components = m->components;
        }
}

static void bytes_to_record(const LayerMessage *m, uint32_t fields, O7s__Layer__Record *record) {
        if (fields & TOKENS && m->tokens.have_own)
                record->own_token = bytes_of(m->tokens.own, sizeof(m->tokens.own));
        if (fields & TOKENS && m->tokens.have_peer)
                record->peer_token = bytes_of(m->tokens.peer, sizeof(m->tokens.peer));
        if (fields & LAYER_ID && m->have_layer_id)
                record->layer_id = bytes_of(m->layer_id, sizeof(m->layer_id));
        if (fields & BINDING)
                record->binding = bytes_of(m->binding, m->binding_size);
        if (fields & RESET && m->have_reset)
                record->reset = bytes_of(m->reset, sizeof(m->reset));
        if (fields & CONTROL && m->control.present) {
                record->control_send = bytes_of(m->control.send, sizeof(m->control.send));
                record->control_receive = bytes_of(m->control.receive, sizeof(m->control.receive));
        }
        if (fields & LAYER)
                record->layer = text_of(m->layer, sizeof(m->layer));
        if (fields & LOWER)
                record->lower = text_of(m->lower, sizeof(m->lower));
        if (fields & NAME)
                record->name = text_of(m->name, sizeof(m->name));
        if (fields & PEER)
                record->peer = text_of(m->peer, sizeof(m->peer));
        if (fields & TEXT)
                record->text = text_of(m->text, sizeof(m->text));
        if (fields & HASH)
                record->hash = bytes_of(m->hash, m->hash_size);
        if (fields & OAP)
                record->oap = bytes_of(m->oap, m->oap_size);
}

ssize_t layer_message_pack(const LayerMessage *message, void *buffer, size_t size) {
        O7s__Layer__Record record = O7S__LAYER__RECORD__INIT;
        O7s__Layer__Neighbour neighbour;
        O7s__Layer__Qos qos;
        uint32_t fields;

        if ((int) message->type < 0 || message->type >= _LAYER_MESSAGE_TYPE_MAX || !layer_message_is_sane(message))
                return -EINVAL;

        fields = layer_message_fields(message->type);
        record.type = (uint32_t) message->type + 1;
        numbers_to_record(message, fields, &record);
        bytes_to_record(message, fields, &record);
        if (fields & QOS) {
                qos = qos_to_record(&message->qos);
                record.qos = &qos;
        }
        if (fields & NEIGHBOUR) {
                neighbour = neighbour_to_record(&message->neighbour);
                record.neighbour = &neighbour;
        }

        if (o7s__layer__record__get_packed_size(&record) > size)
                return -ENOBUFS;

        return (ssize_t) o7s__layer__record__pack(&record, buffer);
}
