/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What messages of several tools have alike. */

#include <errno.h>

#include "apps/message.h"

uint8_t *message_store(uint8_t *to, uint64_t value, unsigned n_bytes) {
        for (unsigned i = n_bytes; i > 0; i--) {
                to[i - 1] = (uint8_t) value;
                value >>= 8;
        }

        return to + n_bytes;
}

uint64_t message_load(const uint8_t **from, unsigned n_bytes) {
        uint64_t value = 0;

        for (unsigned i = 0; i < n_bytes; i++)
                value = value << 8 | *(*from)++;

        return value;
}

uint8_t *message_header_write(const MessageKind *kind, const MessageHeader *header, void *buffer) {
        uint8_t *p = buffer;

        p = message_store(p, kind->magic, 4);
        p = message_store(p, kind->version, 1);
        p = message_store(p, header->type, 1);
        p = message_store(p, 0, 2);
        p = message_store(p, header->run, 8);
        p = message_store(p, header->sequence, 8);
        return message_store(p, header->sent_nsec, 8);
}

int message_header_parse(const MessageKind *kind, const void *data, size_t size, MessageHeader *ret,
                         const uint8_t **ret_body) {
        const uint8_t *p = data;
        uint64_t magic, version, type;

        if (size < MESSAGE_HEADER_BYTES)
                return -EBADMSG;

        magic = message_load(&p, 4);
        version = message_load(&p, 1);
        type = message_load(&p, 1);
        (void) message_load(&p, 2);
        if (magic != kind->magic || version != kind->version || type == 0 || type > kind->n_types)
                return -EBADMSG;

        ret->type = (uint8_t) type;
        ret->run = message_load(&p, 8);
        ret->sequence = message_load(&p, 8);
        ret->sent_nsec = message_load(&p, 8);
        *ret_body = p;
        return 0;
}
