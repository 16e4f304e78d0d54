/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of o7s-perf, written and read byte by byte. */

#include "apps/common.h"
#include "apps/message.h"
#include "apps/perf-message.h"

#define PERF_MAGIC 0x6f377066U          /* "o7pf" */
#define PERF_VERSION 2U

static const MessageKind kind = { .magic = PERF_MAGIC, .version = PERF_VERSION, .n_types = PERF_REPORT };

/* Bytes that follow the header at least. */
static size_t body_bytes(PerfType type) {
        switch (type) {
        case PERF_REQUEST:
                return 32;
        case PERF_END:
                return 24;
        case PERF_REPORT:
                return 64;
        case PERF_ACCEPT:
        case PERF_DATA:
        case PERF_PROBE:
        case PERF_ECHO:
                return 0;
        }

        return 0;
}

size_t perf_message_bytes(PerfType type, size_t size) {
        return type == PERF_DATA || type == PERF_PROBE || type == PERF_ECHO ? size
                                                                            : PERF_HEADER_BYTES + body_bytes(type);
}

size_t perf_message_write(const PerfMessage *message, void *buffer) {
        MessageHeader header = {
                .type = (uint8_t) message->type,
                .run = message->test,
                .sequence = message->sequence,
                .sent_nsec = message->sent_nsec,
        };
        uint8_t *p = message_header_write(&kind, &header, buffer);

        if (message->type == PERF_REQUEST) {
                p = message_store(p, message->request.mode, 4);
                p = message_store(p, message->request.size, 4);
                p = message_store(p, message->request.duration_usec, 8);
                p = message_store(p, message->request.rate_bps, 8);
                p = message_store(p, message->request.n_bytes, 8);
        } else if (message->type == PERF_END) {
                p = message_store(p, message->end.n_messages, 8);
                p = message_store(p, message->end.n_retransmitted, 8);
                p = message_store(p, message->end.rtt_nsec, 8);
        } else if (message->type == PERF_REPORT) {
                p = message_store(p, message->report.n_messages, 8);
                p = message_store(p, message->report.n_bytes, 8);
                p = message_store(p, message->report.n_out_of_order, 8);
                p = message_store(p, message->report.duration_usec, 8);
                p = message_store(p, message->report.cpu_usec, 8);
                p = message_store(p, message->report.cpu_permille, 8);
                p = message_store(p, message->report.n_duplicates, 8);
                p = message_store(p, message->report.n_marked, 8);
        }

        return (size_t) (p - (uint8_t *) buffer);
}

/* A stranger chooses these, and we would work for him. */
static int request_check(const PerfRequest *request) {
        uint32_t halves = request->mode & ~PERF_STREAM;

        if (halves == 0 || halves > PERF_LATENCY)
                return -EPROTO;
        if (request->size < PERF_HEADER_BYTES || request->size > PERF_MESSAGE_BYTES_MAX)
                return -EPROTO;
        if (request->duration_usec == 0 || request->duration_usec > PERF_DURATION_USEC_MAX)
                return -EPROTO;

        return 0;
}

int perf_message_peek(const void *data, size_t size, PerfType *ret) {
        MessageHeader header;
        const uint8_t *body;
        int r;

        r = message_header_parse(&kind, data, size, &header, &body);
        if (r < 0)
                return r;

        *ret = (PerfType) header.type;
        return 0;
}

int perf_message_parse(const void *data, size_t size, PerfMessage *ret) {
        PerfMessage message = {};
        MessageHeader header;
        const uint8_t *p;
        int r;

        r = message_header_parse(&kind, data, size, &header, &p);
        if (r < 0)
                return r;

        message.type = (PerfType) header.type;
        message.test = header.run;
        message.sequence = header.sequence;
        message.sent_nsec = header.sent_nsec;
        if (size - PERF_HEADER_BYTES < body_bytes(message.type))
                return -EBADMSG;

        if (message.type == PERF_REQUEST) {
                message.request.mode = (uint32_t) message_load(&p, 4);
                message.request.size = (uint32_t) message_load(&p, 4);
                message.request.duration_usec = message_load(&p, 8);
                message.request.rate_bps = message_load(&p, 8);
                message.request.n_bytes = message_load(&p, 8);
                if (request_check(&message.request) < 0)
                        return -EPROTO;
        } else if (message.type == PERF_END) {
                message.end.n_messages = message_load(&p, 8);
                message.end.n_retransmitted = message_load(&p, 8);
                message.end.rtt_nsec = message_load(&p, 8);
        } else if (message.type == PERF_REPORT) {
                message.report.n_messages = message_load(&p, 8);
                message.report.n_bytes = message_load(&p, 8);
                message.report.n_out_of_order = message_load(&p, 8);
                message.report.duration_usec = message_load(&p, 8);
                message.report.cpu_usec = message_load(&p, 8);
                message.report.cpu_permille = message_load(&p, 8);
                message.report.n_duplicates = message_load(&p, 8);
                message.report.n_marked = message_load(&p, 8);
        }

        *ret = message;
        return 0;
}
