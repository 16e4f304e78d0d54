/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages between IPCPs and the IRM, read from bytes that the other side may have chosen; see layer-message.c. */

#include "services/common/layer-message-internal.h"
#include "layer.pb-c.h"

static void wipe(ProtobufCBinaryData *data) {
        if (data->len > 0)
                explicit_bzero(data->data, data->len);
}

static void record_freep(O7s__Layer__Record **record) {
        if (!*record)
                return;

        wipe(&(*record)->control_send);
        wipe(&(*record)->control_receive);
        o7s__layer__record__free_unpacked(*record, NULL);
}

static void message_freep(LayerMessage **message) {
        if (*message)
                explicit_bzero(&(*message)->control, sizeof((*message)->control));
        free(*message);
}

/* Names that are asked for at other hosts are any bytes but NUL. */
static int name_from(const ProtobufCBinaryData *data, char *to, size_t to_size) {
        if (data->len >= to_size || (data->len > 0 && memchr(data->data, '\0', data->len)))
                return -EBADMSG;
        if (data->len > 0)
                memcpy(to, data->data, data->len);

        to[data->len] = '\0';
        return 0;
}

static int text_from(const ProtobufCBinaryData *data, char *to, size_t to_size) {
        if (data->len > 0 && !utf8_is_valid((const char *) data->data, data->len))
                return -EBADMSG;

        return name_from(data, to, to_size);
}

static int bytes_from(const ProtobufCBinaryData *data, uint8_t *to, size_t to_size, size_t *ret_size) {
        if (data->len > to_size)
                return -EBADMSG;
        if (data->len > 0)
                memcpy(to, data->data, data->len);

        *ret_size = data->len;
        return 0;
}

/* All of them, or none. */
static int exactly_from(const ProtobufCBinaryData *data, uint8_t *to, size_t size, bool *ret_have) {
        if (data->len != 0 && data->len != size)
                return -EBADMSG;
        if (data->len > 0)
                memcpy(to, data->data, data->len);

        *ret_have = data->len > 0;
        return 0;
}

static int qos_from_record(const O7s__Layer__Qos *record, o7s_qos *ret) {
        if (!record || record->availability_nines > UINT8_MAX || record->in_order > UINT8_MAX)
                return -EBADMSG;

        *ret = (o7s_qos) {
                .delay_ms = record->delay_ms,
                .bandwidth_bps = record->bandwidth_bps,
                .availability_nines = (uint8_t) record->availability_nines,
                .loss = record->loss,
                .ber = record->ber,
                .in_order = (uint8_t) record->in_order,
                .max_gap_ms = record->max_gap_ms,
                .timeout_ms = record->timeout_ms,
        };
        return 0;
}

/* Numbers that do not fit the enum become a value that layer_message_is_sane() refuses. */
static uint32_t enum_from_record(uint32_t value) {
        return MIN(value, (uint32_t) INT32_MAX);
}

static int neighbour_from_record(const O7s__Layer__Neighbour *record, LayerNeighbour *ret) {
        if (!record)
                return -EBADMSG;

        *ret = (LayerNeighbour) {
                .key = record->key,
                .state = (LayerNeighbourState) enum_from_record(record->state),
                .components = record->components,
                .address = record->address,
                .rtt_usec = record->rtt_usec,
                .since_usec = record->since_usec,
                .tx_bytes = record->tx_bytes,
                .rx_bytes = record->rx_bytes,
                .cost = record->cost,
        };
        return 0;
}

static void numbers_from_record(const O7s__Layer__Record *record, uint32_t fields, LayerMessage *m) {
        if (fields & FLOW)
                m->flow_id = record->flow_id;
        if (fields & REFERENCE)
                m->reference = record->reference;
        if (fields & QUERY)
                m->query_id = record->query_id;
        if (fields & ATTEMPT)
                m->attempt = record->attempt;
        if (fields & RESULT)
                m->result = record->result;
        if (fields & VERSION)
                m->version = record->version;
        if (fields & LAYER_TYPE)
                m->layer_type = (LayerType) enum_from_record(record->layer_type);
        if (fields & STATE)
                m->state = (LayerState) enum_from_record(record->state);
        if (fields & HASH_ALGORITHM)
                m->hash_algorithm = record->hash_algorithm;
        if (fields & MTU)
                m->mtu = record->mtu;
        if (fields & OAP_MAX)
                m->oap_max = record->oap_max;
        if (fields & REASON)
                m->close_reason = record->close_reason;
        if (fields & LANE)
                m->lane_class = (LaneClass) enum_from_record(record->lane_class);
        if (fields & UID)
                m->uid = record->uid;
        if (fields & OF_LAYER)
                m->of_layer = record->of_layer;
        if (fields & ADDRESS)
                m->address = record->address;
        if (fields & ORDER) {
                m->order = (LayerOrder) enum_from_record(record->order);
                m->components = record->components;
        }
}

/* Both keys, or none. */
static int control_from_record(const O7s__Layer__Record *record, LayerControl *ret) {
        bool receives;
        int r;

        r = exactly_from(&record->control_send, ret->send, sizeof(ret->send), &ret->present);
        if (r >= 0)
                r = exactly_from(&record->control_receive, ret->receive, sizeof(ret->receive), &receives);

        return r >= 0 && ret->present != receives ? -EBADMSG : r;
}

static int bytes_from_record(const O7s__Layer__Record *record, uint32_t fields, LayerMessage *m) {
        int r = 0;

        if (fields & TOKENS)
                r = exactly_from(&record->own_token, m->tokens.own, sizeof(m->tokens.own), &m->tokens.have_own);
        if (r >= 0 && fields & TOKENS)
                r = exactly_from(&record->peer_token, m->tokens.peer, sizeof(m->tokens.peer), &m->tokens.have_peer);
        if (r >= 0 && fields & LAYER_ID)
                r = exactly_from(&record->layer_id, m->layer_id, sizeof(m->layer_id), &m->have_layer_id);
        if (r >= 0 && fields & LAYER)
                r = text_from(&record->layer, m->layer, sizeof(m->layer));
        if (r >= 0 && fields & LOWER)
                r = text_from(&record->lower, m->lower, sizeof(m->lower));
        if (r >= 0 && fields & NAME)
                r = name_from(&record->name, m->name, sizeof(m->name));
        if (r >= 0 && fields & PEER)
                r = text_from(&record->peer, m->peer, sizeof(m->peer));
        if (r >= 0 && fields & TEXT)
                r = text_from(&record->text, m->text, sizeof(m->text));
        if (r >= 0 && fields & HASH)
                r = bytes_from(&record->hash, m->hash, sizeof(m->hash), &m->hash_size);
        if (r >= 0 && fields & OAP)
                r = bytes_from(&record->oap, m->oap, sizeof(m->oap), &m->oap_size);
        if (r >= 0 && fields & BINDING)
                r = bytes_from(&record->binding, m->binding, sizeof(m->binding), &m->binding_size);
        if (r >= 0 && fields & RESET)
                r = exactly_from(&record->reset, m->reset, sizeof(m->reset), &m->have_reset);
        if (r >= 0 && fields & CONTROL)
                r = control_from_record(record, &m->control);

        return r;
}

int layer_message_parse(const void *data, size_t size, LayerMessage *ret) {
        _cleanup_(record_freep) O7s__Layer__Record *record = NULL;
        _cleanup_(message_freep) LayerMessage *m = NULL;
        uint32_t fields;
        int r;

        if (size == 0 || size > LAYER_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        record = o7s__layer__record__unpack(NULL, size, data);
        if (!record || record->type == 0)
                return -EBADMSG;
        if (record->type > _LAYER_MESSAGE_TYPE_MAX)
                return -EPROTO;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;

        m->type = (LayerMessageType) (record->type - 1);
        fields = layer_message_fields(m->type);
        numbers_from_record(record, fields, m);

        r = bytes_from_record(record, fields, m);
        if (r < 0)
                return r;
        if (fields & QOS) {
                r = qos_from_record(record->qos, &m->qos);
                if (r < 0)
                        return r;
        }
        if (fields & NEIGHBOUR) {
                r = neighbour_from_record(record->neighbour, &m->neighbour);
                if (r < 0)
                        return r;
        }
        if (!layer_message_is_sane(m))
                return -EBADMSG;

        *ret = *m;
        return 0;
}
