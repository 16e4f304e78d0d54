/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of o7s-cbr, written and read byte by byte. */

#include <errno.h>

#include "apps/cbr-message.h"
#include "apps/message.h"

#define CBR_MAGIC 0x6f376362U           /* "o7cb" */
#define CBR_VERSION 1U

static const MessageKind kind = { .magic = CBR_MAGIC, .version = CBR_VERSION, .n_types = CBR_REPORT };

size_t cbr_message_write(const CbrMessage *message, void *buffer) {
        MessageHeader header = {
                .type = (uint8_t) message->type,
                .run = message->run,
                .sequence = message->sequence,
                .sent_nsec = message->sent_nsec,
        };
        uint8_t *p = message_header_write(&kind, &header, buffer);

        if (message->type == CBR_END)
                p = message_store(p, message->n_sent, 8);
        else if (message->type == CBR_REPORT) {
                p = message_store(p, message->report.n_messages, 8);
                p = message_store(p, message->report.n_bytes, 8);
                p = message_store(p, message->report.n_lost, 8);
                p = message_store(p, message->report.n_out_of_order, 8);
                p = message_store(p, message->report.jitter_nsec, 8);
        }

        return (size_t) (p - (uint8_t *) buffer);
}

int cbr_message_parse(const void *data, size_t size, CbrMessage *ret) {
        static const size_t body_bytes[] = { [CBR_DATA] = 0, [CBR_END] = 8, [CBR_REPORT] = 40 };
        CbrMessage message = {};
        MessageHeader header;
        const uint8_t *p;
        int r;

        r = message_header_parse(&kind, data, size, &header, &p);
        if (r < 0)
                return r;
        if (size - CBR_HEADER_BYTES < body_bytes[header.type])
                return -EBADMSG;

        message.type = (CbrType) header.type;
        message.run = header.run;
        message.sequence = header.sequence;
        message.sent_nsec = header.sent_nsec;

        if (message.type == CBR_END)
                message.n_sent = message_load(&p, 8);
        else if (message.type == CBR_REPORT) {
                message.report.n_messages = message_load(&p, 8);
                message.report.n_bytes = message_load(&p, 8);
                message.report.n_lost = message_load(&p, 8);
                message.report.n_out_of_order = message_load(&p, 8);
                message.report.jitter_nsec = message_load(&p, 8);
        }

        *ret = message;
        return 0;
}
