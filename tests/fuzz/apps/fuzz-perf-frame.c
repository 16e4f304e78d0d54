/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a stranger may send to o7s-perf as a stream of bytes. The first byte says in which pieces it arrives, the
 * second how large data messages are: the same messages come out whatever the pieces, and each of them survives a
 * round trip.
 */

#include <stdlib.h>
#include <string.h>

#include "apps/common.h"
#include "apps/perf-frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const PerfMessage *message) {
        uint8_t wire[PERF_CONTROL_BYTES_MAX];
        PerfMessage again;
        size_t n;

        n = perf_message_write(message, wire);
        if (perf_message_parse(wire, n, &again) < 0 || memcmp(&again, message, sizeof(again)) != 0)
                abort();
}

/* Returns how many messages there were; *ret_error is how it ended. */
static size_t feed(const uint8_t *data, size_t size, size_t piece, size_t data_bytes, int *ret_error) {
        size_t n_messages = 0, fed = 0;
        PerfFrame frame;
        int r = 0;

        if (perf_frame_init(&frame, data_bytes) < 0)
                abort();

        while (fed < size && r >= 0) {
                size_t room, n = size - fed < piece ? size - fed : piece, message_size;
                void *to = perf_frame_room(&frame, &room);
                PerfMessage message;
                uint8_t *raw;

                if (room == 0)
                        abort();
                n = n < room ? n : room;
                (void) memcpy(to, data + fed, n);
                perf_frame_add(&frame, n);
                fed += n;

                while ((r = perf_frame_next(&frame, &message, &raw, &message_size)) > 0) {
                        if (message_size < PERF_HEADER_BYTES)
                                abort();
                        round_trip(&message);
                        n_messages++;
                }
        }

        perf_frame_done(&frame);
        *ret_error = r;
        return n_messages;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        int error_whole, error_pieces;
        size_t piece, data_bytes, n_whole, n_pieces;

        if (size < 2)
                return 0;

        piece = 1U + data[0];
        data_bytes = PERF_HEADER_BYTES + 8U * data[1];
        n_whole = feed(data + 2, size - 2, size, data_bytes, &error_whole);
        n_pieces = feed(data + 2, size - 2, piece, data_bytes, &error_pieces);
        if (n_whole != n_pieces || error_whole != error_pieces)
                abort();

        return 0;
}
