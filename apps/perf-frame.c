/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages out of a stream of bytes. */

#include <stdlib.h>
#include <string.h>

#include "apps/common.h"
#include "apps/perf-frame.h"

#define READ_BYTES 262144U

int perf_frame_init(PerfFrame *f, size_t data_bytes) {
        uint8_t *memory;

        memory = malloc(data_bytes + PERF_CONTROL_BYTES_MAX + READ_BYTES);
        if (!memory)
                return -ENOMEM;

        *f = (PerfFrame) {
                .memory = memory,
                .capacity = data_bytes + PERF_CONTROL_BYTES_MAX + READ_BYTES,
                .data_bytes = data_bytes,
        };
        return 0;
}

void perf_frame_done(PerfFrame *f) {
        free(f->memory);
        *f = (PerfFrame) {};
}

void *perf_frame_room(PerfFrame *f, size_t *ret_size) {
        /* Less than one message is left over, mostly: moving that is cheaper than a ring that cuts messages in two. */
        if (f->start == f->end || f->capacity - f->end < READ_BYTES / 2) {
                (void) memmove(f->memory, f->memory + f->start, f->end - f->start);
                f->end -= f->start;
                f->start = 0;
        }

        *ret_size = f->capacity - f->end;
        return f->memory + f->end;
}

void perf_frame_add(PerfFrame *f, size_t size) {
        f->end += size;
}

int perf_frame_next(PerfFrame *f, PerfMessage *ret, uint8_t **ret_raw, size_t *ret_size) {
        uint8_t *raw = f->memory + f->start;
        size_t left = f->end - f->start, size;
        PerfType type;
        int r;

        if (left < PERF_HEADER_BYTES)
                return 0;

        r = perf_message_peek(raw, left, &type);
        if (r < 0)
                return r;

        size = perf_message_bytes(type, f->data_bytes);
        if (left < size)
                return 0;

        r = perf_message_parse(raw, size, ret);
        if (r < 0)
                return r;

        f->start += size;
        *ret_raw = raw;
        *ret_size = size;
        return 1;
}
