/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a stranger may send to o7s-cbr, as a sequence of messages of 72 bytes: each survives a round trip, and the
 * meter's figures hang together. */

#include <stdlib.h>
#include <string.h>

#include "apps/cbr-meter.h"
#include "apps/common.h"

#define PIECE_BYTES 72U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CbrMeter meter = {};
        uint64_t now = 0;

        for (size_t at = 0; at < size; at += PIECE_BYTES) {
                size_t left = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
                uint8_t wire[CBR_CONTROL_BYTES_MAX];
                CbrMessage message, again;
                CbrCount total;

                if (cbr_message_parse(data + at, left, &message) < 0)
                        continue;
                if (cbr_message_parse(wire, cbr_message_write(&message, wire), &again) < 0 ||
                    memcmp(&again, &message, sizeof(again)) != 0)
                        abort();

                if (message.type == CBR_DATA)
                        cbr_meter_add(&meter, &message, left, now += 1000);
                else if (message.type == CBR_END)
                        meter.n_sent = message.n_sent;

                total = cbr_meter_total(&meter);
                if (total.n_lost > 0 && total.n_lost + total.n_messages < meter.newest)
                        abort();
                if (!(meter.jitter_nsec >= 0))
                        abort();
                (void) cbr_meter_interval(&meter);
        }

        return 0;
}
