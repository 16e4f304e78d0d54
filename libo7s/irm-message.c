/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an application and the IRM say to each other, in bytes; irm-socket.c has them on a socket. Both sides distrust
 * what they read: the IRM because anybody may connect, the library because its own bugs should not become the
 * application's. */

#include <stdio.h>

#include "basic/wiped.h"
#include "irm.pb-c.h"
#include "libo7s/doorbell.h"
#include "libo7s/irm-message.h"

#define ERRNO_MAX 4095

/* What protobuf-c takes for a message is wiped before it goes: there may be keys in it, also in one that turns out to
 * be bad. */
static const ProtobufCAllocator wiped_allocator = { .alloc = wiped_alloc, .free = wiped_free };

/* Refers to text that ends in a NUL within size bytes. Returns: 0; -EINVAL: it does not end. */
static int refer_text(const char *text, size_t size, protobuf_c_boolean *ret_has, ProtobufCBinaryData *ret) {
        size_t n = strnlen(text, size);

        if (n == size)
                return -EINVAL;

        *ret_has = n > 0;
        *ret = (ProtobufCBinaryData) { .len = n, .data = (uint8_t *) text };
        return 0;
}

/* Copies text that was read. Returns: 0; -EBADMSG: too long, or a NUL inside. */
static int take_text(char *to, size_t size, protobuf_c_boolean has, const ProtobufCBinaryData *from) {
        if (!has)
                return 0;
        if (from->len >= size || (from->len > 0 && memchr(from->data, 0, from->len)))
                return -EBADMSG;

        if (from->len > 0)
                memcpy(to, from->data, from->len);
        to[from->len] = '\0';
        return 0;
}

static void pack_qos(const o7s_qos *qos, IrmQosRecord *record) {
        irm_qos_record__init(record);

#define SET(member)                                                                                               \
        ({                                                                                                        \
                record->has_##member = true;                                                                      \
                record->member = qos->member;                                                                     \
        })
        SET(delay_ms);
        SET(bandwidth_bps);
        SET(availability_nines);
        SET(loss);
        SET(ber);
        SET(in_order);
        SET(max_gap_ms);
        SET(timeout_ms);
#undef SET
}

static int parse_qos(const IrmQosRecord *record, o7s_qos *qos) {
        if (record->availability_nines > UINT8_MAX || record->in_order > 1)
                return -EBADMSG;

        qos->delay_ms = record->delay_ms;
        qos->bandwidth_bps = record->bandwidth_bps;
        qos->availability_nines = (uint8_t) record->availability_nines;
        qos->loss = record->loss;
        qos->ber = record->ber;
        qos->in_order = (uint8_t) record->in_order;
        qos->max_gap_ms = record->max_gap_ms;
        qos->timeout_ms = record->timeout_ms;
        return 0;
}

static int parse_info(const IrmInfoRecord *record, IrmFlowInfo *info) {
        int r;

        r = take_text(info->name, sizeof(info->name), record->has_name, &record->name);
        if (r < 0)
                return r;

        r = take_text(info->layer, sizeof(info->layer), record->has_layer, &record->layer);
        if (r < 0)
                return r;
        if (!isempty(info->layer) && !layer_name_is_valid(info->layer))
                return -EBADMSG;

        r = take_text(info->peer, sizeof(info->peer), record->has_peer, &record->peer);
        if (r < 0)
                return r;
        if (!utf8_is_valid(info->peer, strlen(info->peer)))
                return -EBADMSG;

        r = take_text(info->protection, sizeof(info->protection), record->has_protection, &record->protection);
        if (r < 0)
                return r;

        r = take_text(info->key_exchange, sizeof(info->key_exchange), record->has_key_exchange, &record->key_exchange);
        if (r < 0)
                return r;
        if (!utf8_is_valid(info->protection, strlen(info->protection)) ||
            !utf8_is_valid(info->key_exchange, strlen(info->key_exchange)))
                return -EBADMSG;

        info->verified = record->verified;
        info->mtu = record->mtu;
        info->local = record->local;
        info->transfer = record->transfer;
        info->mpl_ms = record->mpl_ms;

        return record->qos ? parse_qos(record->qos, &info->qos) : 0;
}

/* They come with a flow. */
static bool type_has_keys(IrmMessageType type) {
        return type == IRM_OUTCOME || type == IRM_ESTABLISHED;
}

static ProtobufCBinaryData refer_bytes(const uint8_t *bytes, size_t size) {
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) bytes };
}

static void pack_keys(const SealKeys *keys, IrmKeysRecord *record) {
        irm_keys_record__init(record);

        record->suite = keys->suite;
        record->cipher = keys->cipher;
        record->mac_only = keys->mac_only;
        record->client = keys->client;
        record->label = refer_bytes(keys->label, sizeof(keys->label));
        record->send = refer_bytes(keys->send, sizeof(keys->send));
        record->receive = refer_bytes(keys->receive, sizeof(keys->receive));
        record->agreement = refer_bytes(keys->agreement, sizeof(keys->agreement));
}

static int parse_keys(const IrmKeysRecord *record, SealKeys *keys) {
        if (record->suite == SEAL_NONE || record->suite >= _SEAL_SUITE_MAX || record->cipher > UINT16_MAX ||
            record->label.len != sizeof(keys->label) || record->send.len != sizeof(keys->send) ||
            record->receive.len != sizeof(keys->receive) || record->agreement.len != sizeof(keys->agreement))
                return -EBADMSG;

        keys->suite = (SealSuite) record->suite;
        keys->cipher = (SealCipher) record->cipher;
        keys->mac_only = record->mac_only;
        keys->client = record->client;
        memcpy(keys->label, record->label.data, sizeof(keys->label));
        memcpy(keys->send, record->send.data, sizeof(keys->send));
        memcpy(keys->receive, record->receive.data, sizeof(keys->receive));
        memcpy(keys->agreement, record->agreement.data, sizeof(keys->agreement));
        return 0;
}

/* What does not depend on how it was written: checked before packing and after parsing. */
static bool ranges_are_valid(uint32_t type, int32_t result, uint32_t lane_class, uint32_t close_reason) {
        return type < _IRM_MESSAGE_TYPE_MAX && result <= 0 && result >= -ERRNO_MAX && lane_class < _LANE_CLASS_MAX &&
               close_reason < _CLOSE_REASON_MAX;
}

static void pack_numbers(const IrmMessage *message, IrmRecord *record) {
        record->type = message->type;
        record->has_flow_id = true;
        record->flow_id = message->flow_id;
        record->has_result = true;
        record->result = message->result;
        record->has_lane_class = true;
        record->lane_class = message->lane_class;
        record->has_flags = true;
        record->flags = message->flags;
        record->has_timeout_usec = true;
        record->timeout_usec = message->timeout_usec;
        record->has_close_reason = true;
        record->close_reason = message->close_reason;
        record->has_version = true;
        record->version = message->version;
}

/* Returns: 0; -EINVAL: a text does not end. */
static int pack_info(const IrmFlowInfo *from, IrmInfoRecord *info) {
        info->has_mtu = true;
        info->mtu = from->mtu;
        info->has_local = true;
        info->local = from->local;
        info->has_transfer = true;
        info->transfer = from->transfer;
        info->has_mpl_ms = true;
        info->mpl_ms = from->mpl_ms;
        info->has_verified = true;
        info->verified = from->verified;

        if (refer_text(from->name, sizeof(from->name), &info->has_name, &info->name) < 0 ||
            refer_text(from->layer, sizeof(from->layer), &info->has_layer, &info->layer) < 0 ||
            refer_text(from->peer, sizeof(from->peer), &info->has_peer, &info->peer) < 0 ||
            refer_text(from->protection, sizeof(from->protection), &info->has_protection, &info->protection) < 0 ||
            refer_text(from->key_exchange, sizeof(from->key_exchange), &info->has_key_exchange,
                       &info->key_exchange) < 0)
                return -EINVAL;

        return 0;
}

ssize_t irm_message_pack(const IrmMessage *message, void *buffer, size_t size) {
        IrmRecord record = IRM_RECORD__INIT;
        IrmInfoRecord info = IRM_INFO_RECORD__INIT;
        char text[IRM_TEXT_BYTES_MAX];
        IrmKeysRecord keys;
        IrmQosRecord qos;

        assert(message);
        assert(buffer);

        if (!ranges_are_valid(message->type, message->result, message->lane_class, message->close_reason))
                return -EINVAL;

        pack_numbers(message, &record);
        pack_qos(&message->info.qos, &qos);
        record.info = &info;
        info.qos = &qos;
        if (pack_info(&message->info, &info) < 0)
                return -EINVAL;

        if (message->keys.suite != SEAL_NONE) {
                if (!type_has_keys(message->type))
                        return -EINVAL;

                pack_keys(&message->keys, &keys);
                record.keys = &keys;
        }

        /* A sentence may quote a name, whose bytes may be anything, and may have been cut to fit. */
        if (!memchr(message->text, '\0', sizeof(message->text)) || !copy_string(text, sizeof(text), message->text))
                return -EINVAL;
        utf8_mend(text);

        if (refer_text(message->program, sizeof(message->program), &record.has_program, &record.program) < 0 ||
            refer_text(text, sizeof(text), &record.has_text, &record.text) < 0)
                return -EINVAL;

        if (irm_record__get_packed_size(&record) > size)
                return -ENOBUFS;

        return (ssize_t) irm_record__pack(&record, buffer);
}

static IrmRecord *record_free(IrmRecord *record) {
        if (record)
                irm_record__free_unpacked(record, (ProtobufCAllocator *) &wiped_allocator);
        return NULL;
}
DEFINE_CLEANUP(IrmRecord, record_free);

int irm_message_parse(const void *data, size_t size, IrmMessage *ret) {
        _cleanup_(record_freep) IrmRecord *record = NULL;
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int r;

        assert(data);
        assert(ret);

        if (size > IRM_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        record = irm_record__unpack((ProtobufCAllocator *) &wiped_allocator, size, data);
        if (!record)
                return -EBADMSG;
        if (record->type >= _IRM_MESSAGE_TYPE_MAX)
                return -EPROTO;
        if (!ranges_are_valid(record->type, record->result, record->lane_class, record->close_reason))
                return -EBADMSG;

        message.type = (IrmMessageType) record->type;
        message.flow_id = record->flow_id;
        message.result = record->result;
        message.lane_class = (LaneClass) record->lane_class;
        message.flags = record->flags;
        message.timeout_usec = record->timeout_usec;
        message.close_reason = record->close_reason;
        message.version = record->version;

        r = take_text(message.program, sizeof(message.program), record->has_program, &record->program);
        if (r < 0)
                return r;

        r = take_text(message.text, sizeof(message.text), record->has_text, &record->text);
        if (r < 0)
                return r;
        if (!utf8_is_valid(message.program, strlen(message.program)) ||
            !utf8_is_valid(message.text, strlen(message.text)))
                return -EBADMSG;

        if (record->info) {
                r = parse_info(record->info, &message.info);
                if (r < 0)
                        return r;
        }

        if (record->keys) {
                if (!type_has_keys(message.type))
                        return -EBADMSG;

                r = parse_keys(record->keys, &message.keys);
                if (r < 0)
                        return r;
        }

        *ret = message;
        return 0;
}
