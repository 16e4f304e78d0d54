/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of o7s-cbr, written and read byte by byte. */

#include <errno.h>

#include "apps/cbr-message.h"

#define CBR_MAGIC 0x6f376362U           /* "o7cb" */
#define CBR_VERSION 1U

static uint8_t *store(uint8_t *p, uint64_t value, unsigned n_bytes) {
        for (unsigned i = n_bytes; i > 0; i--) {
                p[i - 1] = (uint8_t) value;
                value >>= 8;
        }

        return p + n_bytes;
}

static uint64_t load(const uint8_t **p, unsigned n_bytes) {
        uint64_t value = 0;

        for (unsigned i = 0; i < n_bytes; i++)
                value = value << 8 | *(*p)++;

        return value;
}

size_t cbr_message_write(const CbrMessage *message, void *buffer) {
        uint8_t *p = buffer;

        p = store(p, CBR_MAGIC, 4);
        p = store(p, CBR_VERSION, 1);
        p = store(p, message->type, 1);
        p = store(p, 0, 2);
        p = store(p, message->run, 8);
        p = store(p, message->sequence, 8);
        p = store(p, message->sent_nsec, 8);

        if (message->type == CBR_END)
                p = store(p, message->n_sent, 8);
        else if (message->type == CBR_REPORT) {
                p = store(p, message->report.n_messages, 8);
                p = store(p, message->report.n_bytes, 8);
                p = store(p, message->report.n_lost, 8);
                p = store(p, message->report.n_out_of_order, 8);
                p = store(p, message->report.jitter_nsec, 8);
        }

        return (size_t) (p - (uint8_t *) buffer);
}

int cbr_message_parse(const void *data, size_t size, CbrMessage *ret) {
        static const size_t body_bytes[] = { [CBR_DATA] = 0, [CBR_END] = 8, [CBR_REPORT] = 40 };
        CbrMessage message = {};
        const uint8_t *p = data;
        uint64_t magic, version, type;

        if (size < CBR_HEADER_BYTES)
                return -EBADMSG;

        magic = load(&p, 4);
        version = load(&p, 1);
        type = load(&p, 1);
        (void) load(&p, 2);
        if (magic != CBR_MAGIC || version != CBR_VERSION || type < CBR_DATA || type > CBR_REPORT)
                return -EBADMSG;
        if (size - CBR_HEADER_BYTES < body_bytes[type])
                return -EBADMSG;

        message.type = (CbrType) type;
        message.run = load(&p, 8);
        message.sequence = load(&p, 8);
        message.sent_nsec = load(&p, 8);

        if (message.type == CBR_END)
                message.n_sent = load(&p, 8);
        else if (message.type == CBR_REPORT) {
                message.report.n_messages = load(&p, 8);
                message.report.n_bytes = load(&p, 8);
                message.report.n_lost = load(&p, 8);
                message.report.n_out_of_order = load(&p, 8);
                message.report.jitter_nsec = load(&p, 8);
        }

        *ret = message;
        return 0;
}
