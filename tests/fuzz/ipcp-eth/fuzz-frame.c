/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes from the wire as a frame; one that parses must build again to the same bytes. */

#include "tests/fuzz/ipcp-eth/fuzz-frame.h"

int fuzz_frame(const FrameOps *ops, const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        Frame frame;
        int r;

        if (ops->parse(LAYER_ETHERTYPE_DEFAULT, data, size, &frame) < 0)
                return 0;
        if (frame.payload_offset + frame.payload_size > size)
                abort();

        r = packet_new(frame.payload_size, &packet);
        if (r < 0)
                return 0;
        if (frame.payload_size > 0)
                memcpy(packet_append(packet, frame.payload_size), data + frame.payload_offset, frame.payload_size);

        if (ops->push(LAYER_ETHERTYPE_DEFAULT, &frame, packet) < 0)
                abort();
        if (packet_size(packet) > size || memcmp(packet->head, data, packet_size(packet)) != 0)
                abort();

        return 0;
}
