/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of the record with which a flow between two members begins. See cep.h; the fields are in cep.proto. */

#include "services/common/cep.h"
#include "cep.pb-c.h"

static void record_freep(O7s__Cep__Record **record) {
        if (*record)
                o7s__cep__record__free_unpacked(*record, NULL);
}

static ProtobufCBinaryData text_of(const char *text, size_t size_max) {
        return (ProtobufCBinaryData) {
                .len = strnlen(text, size_max),
                .data = (uint8_t *) (uintptr_t) text,   /* packing only reads */
        };
}

ssize_t cep_message_pack(const CepRecord *record, void *buffer, size_t size) {
        O7s__Cep__Record message = O7S__CEP__RECORD__INIT;

        message.component = text_of(record->component, CEP_TEXT_BYTES_MAX);
        message.protocol = text_of(record->protocol, CEP_TEXT_BYTES_MAX);
        message.version = record->version;
        message.syntax = record->syntax;
        message.address = record->address;
        message.has_member = record->member[0] != '\0';
        message.member = text_of(record->member, CEP_MEMBER_BYTES_MAX);

        if (o7s__cep__record__get_packed_size(&message) > MIN(size, (size_t) CEP_MESSAGE_BYTES_MAX))
                return -ENOBUFS;

        return (ssize_t) o7s__cep__record__pack(&message, buffer);
}

static bool text_from(const ProtobufCBinaryData *data, char *to, size_t to_size) {
        if (data->len >= to_size || (data->len > 0 && memchr(data->data, '\0', data->len)))
                return false;
        if (data->len > 0)
                memcpy(to, data->data, data->len);

        to[data->len] = '\0';
        return true;
}

int cep_message_parse(const void *data, size_t size, CepRecord *ret) {
        _cleanup_(record_freep) O7s__Cep__Record *message = NULL;
        CepRecord record = {};

        if (size == 0 || size > CEP_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        message = o7s__cep__record__unpack(NULL, size, data);
        if (!message)
                return -EBADMSG;

        if (!text_from(&message->component, record.component, sizeof(record.component)) ||
            !text_from(&message->protocol, record.protocol, sizeof(record.protocol)))
                return -EBADMSG;
        if (message->has_member && (!text_from(&message->member, record.member, sizeof(record.member)) ||
                                    !utf8_is_valid(record.member, message->member.len)))
                return -EBADMSG;

        record.version = message->version;
        record.syntax = message->syntax;
        record.address = message->address;

        *ret = record;
        return 0;
}
