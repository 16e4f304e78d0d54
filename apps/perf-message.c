/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of o7s-perf, written and read byte by byte. */

#include "apps/common.h"
#include "apps/perf-message.h"

#define PERF_MAGIC 0x6f377066U          /* "o7pf" */
#define PERF_VERSION 2U

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
        return type == PERF_DATA || type == PERF_PROBE || type == PERF_ECHO ? size : PERF_HEADER_BYTES + body_bytes(type);
}

size_t perf_message_write(const PerfMessage *message, void *buffer) {
        uint8_t *p = buffer;

        p = store(p, PERF_MAGIC, 4);
        p = store(p, PERF_VERSION, 1);
        p = store(p, message->type, 1);
        p = store(p, 0, 2);
        p = store(p, message->test, 8);
        p = store(p, message->sequence, 8);
        p = store(p, message->sent_nsec, 8);

        if (message->type == PERF_REQUEST) {
                p = store(p, message->request.mode, 4);
                p = store(p, message->request.size, 4);
                p = store(p, message->request.duration_usec, 8);
                p = store(p, message->request.rate_bps, 8);
                p = store(p, message->request.n_bytes, 8);
        } else if (message->type == PERF_END) {
                p = store(p, message->end.n_messages, 8);
                p = store(p, message->end.n_retransmitted, 8);
                p = store(p, message->end.rtt_nsec, 8);
        } else if (message->type == PERF_REPORT) {
                p = store(p, message->report.n_messages, 8);
                p = store(p, message->report.n_bytes, 8);
                p = store(p, message->report.n_out_of_order, 8);
                p = store(p, message->report.duration_usec, 8);
                p = store(p, message->report.cpu_usec, 8);
                p = store(p, message->report.cpu_permille, 8);
                p = store(p, message->report.n_duplicates, 8);
                p = store(p, message->report.n_marked, 8);
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
        const uint8_t *p = data;
        uint64_t magic, version, type;

        if (size < PERF_HEADER_BYTES)
                return -EBADMSG;

        magic = load(&p, 4);
        version = load(&p, 1);
        type = load(&p, 1);
        if (magic != PERF_MAGIC || version != PERF_VERSION || type < PERF_REQUEST || type > PERF_REPORT)
                return -EBADMSG;

        *ret = (PerfType) type;
        return 0;
}

int perf_message_parse(const void *data, size_t size, PerfMessage *ret) {
        PerfMessage message = {};
        const uint8_t *p = (const uint8_t *) data + 8;
        int r;

        r = perf_message_peek(data, size, &message.type);
        if (r < 0)
                return r;

        message.test = load(&p, 8);
        message.sequence = load(&p, 8);
        message.sent_nsec = load(&p, 8);
        if (size - PERF_HEADER_BYTES < body_bytes(message.type))
                return -EBADMSG;

        if (message.type == PERF_REQUEST) {
                message.request.mode = (uint32_t) load(&p, 4);
                message.request.size = (uint32_t) load(&p, 4);
                message.request.duration_usec = load(&p, 8);
                message.request.rate_bps = load(&p, 8);
                message.request.n_bytes = load(&p, 8);
                if (request_check(&message.request) < 0)
                        return -EPROTO;
        } else if (message.type == PERF_END) {
                message.end.n_messages = load(&p, 8);
                message.end.n_retransmitted = load(&p, 8);
                message.end.rtt_nsec = load(&p, 8);
        } else if (message.type == PERF_REPORT) {
                message.report.n_messages = load(&p, 8);
                message.report.n_bytes = load(&p, 8);
                message.report.n_out_of_order = load(&p, 8);
                message.report.duration_usec = load(&p, 8);
                message.report.cpu_usec = load(&p, 8);
                message.report.cpu_permille = load(&p, 8);
                message.report.n_duplicates = load(&p, 8);
                message.report.n_marked = load(&p, 8);
        }

        *ret = message;
        return 0;
}
