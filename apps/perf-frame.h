/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds the messages of o7s-perf in a stream of bytes, whose reads begin and end anywhere. */

#include "apps/perf-message.h"

typedef struct PerfFrame {
        uint8_t *memory;        /* owned */
        size_t capacity;
        size_t data_bytes;      /* of DATA, PROBE and ECHO, as the request says */
        size_t start;           /* what has not been taken out yet lies from here ... */
        size_t end;             /* ... to here */
} PerfFrame;

int perf_frame_init(PerfFrame *frame, size_t data_bytes);
void perf_frame_done(PerfFrame *frame);

/* Where to read to. There always is room for something. */
void *perf_frame_room(PerfFrame *frame, size_t *ret_size);

/* So much was read to there. */
void perf_frame_add(PerfFrame *frame, size_t size);

/* Takes out the next message. *ret_raw points to its bytes until perf_frame_room(). Returns: > 0: there is one; 0: not
 * yet; -EBADMSG, -EPROTO: the stream is of no more use. */
int perf_frame_next(PerfFrame *frame, PerfMessage *ret, uint8_t **ret_raw, size_t *ret_size);
