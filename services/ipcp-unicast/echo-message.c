/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of echo-message.h. */

#include "basic/cursor.h"
#include "services/ipcp-unicast/echo-message.h"

void echo_message_pack(const EchoMessage *message, uint8_t ret[ECHO_MESSAGE_BYTES]) {
        bool answer = message->code == ECHO_ANSWER;
        size_t n_name = answer ? strnlen(message->member, CEP_MEMBER_BYTES_MAX) : 0;
        Writer w = writer_to(ret, ECHO_MESSAGE_BYTES);

        writer_u8(&w, ECHO_VERSION);
        writer_u8(&w, (uint8_t) message->code);
        writer_u8(&w, answer && message->destination ? ECHO_FLAG_DESTINATION : 0);
        writer_u8(&w, (uint8_t) n_name);
        writer_be32(&w, message->sequence);
        writer_be64(&w, message->cookie);
        writer_be64(&w, message->address);
        writer_be32(&w, answer ? message->queue : 0);
        writer_be32(&w, 0);
        writer_bytes(&w, message->member, n_name);
        writer_zero(&w, ECHO_MESSAGE_BYTES - w.written);

        assert(!w.bad);
}

static bool is_zero(const uint8_t *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes[i] != 0)
                        return false;

        return true;
}

/* A name goes to terminals as it is. */
static bool name_is_sane(const uint8_t *name, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (name[i] < ' ' || name[i] == 0x7f)
                        return false;

        return size == 0 || utf8_is_valid((const char *) name, size);
}

int echo_message_parse(const void *data, size_t size, EchoMessage *ret) {
        Cursor c = cursor_from(data, size);
        EchoMessage message = {};
        uint8_t version, code, flags, n_name;
        const uint8_t *name, *rest;
        uint32_t zero;

        if (size != ECHO_MESSAGE_BYTES)
                return -EBADMSG;

        version = cursor_u8(&c);
        code = cursor_u8(&c);
        flags = cursor_u8(&c);
        n_name = cursor_u8(&c);
        message.sequence = cursor_be32(&c);
        message.cookie = cursor_be64(&c);
        message.address = cursor_be64(&c);
        message.queue = cursor_be32(&c);
        zero = cursor_be32(&c);
        name = cursor_bytes(&c, n_name);
        rest = cursor_bytes(&c, c.left);

        if (version != ECHO_VERSION || code >= _ECHO_CODE_MAX)
                return -EPROTO;
        if (c.bad || n_name > CEP_MEMBER_BYTES_MAX || !name_is_sane(name, n_name))
                return -EBADMSG;
        if (zero != 0 || message.address == 0 || flags & ~ECHO_FLAG_DESTINATION)
                return -EBADMSG;
        if (!is_zero(rest, ECHO_MESSAGE_BYTES - 32U - n_name))
                return -EBADMSG;

        message.code = (EchoCode) code;
        if (message.code == ECHO_PROBE && (flags != 0 || n_name > 0 || message.queue != 0))
                return -EBADMSG;

        message.destination = flags & ECHO_FLAG_DESTINATION;
        memcpy(message.member, name, n_name);

        *ret = message;
        return 0;
}
