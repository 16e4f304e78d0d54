/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A whole station under fire: it serves a name, has a flow to a peer, one with control keys, and a request under way,
 * and hears whatever the input says, as a sequence of { framing is the first byte } { from, wait, length, frame }
 * records. Frames of the right kind get the station's address and EtherType, so that most of them reach the code
 * behind the first checks.
 */

#include "tests/support/eth-wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hostile station chooses everything but who it is asked to be; the rest is made plausible. */
static void fire(Wire *wire, uint8_t from, const uint8_t *bytes, size_t size) {
        FrameAddress address = station_address(from % 3);
        uint8_t frame[600] = {};

        size = MIN(size, sizeof(frame) - 14);
        memcpy(frame, station_address(0).bytes, 6);
        if (from & 0x80)
                memset(frame, 0xff, 6);
        memcpy(frame + 6, address.bytes, 6);
        if (wire->framing == FRAMING_DIX) {
                frame[12] = 0xA0;
                frame[13] = 0x00;
        } else {
                frame[12] = (uint8_t) (size >> 8);
                frame[13] = (uint8_t) size;
        }
        memcpy(frame + 14, bytes, size);
        wire_inject(wire, NULL, frame, 14 + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        Wire *wire = malloc(sizeof(*wire));

        if (!wire)
                return 0;

        wire_init(wire, cursor_u8(&c) & 1 ? FRAMING_LLC : FRAMING_DIX, 2);
        wire_connect(wire, &wire->stations[0], &wire->stations[1], 1, 4000, true);
        wire_connect_with_keys(wire, &wire->stations[0], &wire->stations[1], 3, 4000, 36);
        (void) ethernet_register(&wire->stations[0].ethernet, wire_hash('s'), 32);
        station_request(&wire->stations[0], 2, 0, 'n', "0123456789abcdef", 16, 4000);
        ethernet_query(&wire->stations[0].ethernet, 1, wire_hash('q'), 32, wire->now);

        while (c.left > 0) {
                uint8_t from = cursor_u8(&c), wait = cursor_u8(&c), length = cursor_u8(&c);
                const uint8_t *bytes = cursor_bytes(&c, MIN((size_t) length, c.left));

                if (!bytes)
                        break;
                fire(wire, from, bytes, (size_t) (c.p - bytes));
                wire_run(wire, (usec_t) wait * 10 * USEC_PER_MSEC);
        }

        /* Whatever it heard: in the end it holds nothing that it should not. */
        wire_run(wire, 600 * USEC_PER_SEC);
        if (wire->stations[0].ethernet.n_early != 0 || !list_is_empty(&wire->stations[0].ethernet.incoming) ||
            wire->stations[0].ethernet.reassembly.n_messages != 0)
                abort();

        wire_done(wire);
        free(wire);
        return 0;
}
