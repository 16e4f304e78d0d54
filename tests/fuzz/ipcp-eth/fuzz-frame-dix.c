/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes from the wire as a frame; one that parses must build again to the same bytes. */

#include "services/ipcp-eth/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        Frame frame;
        int r;

        if (frame_ops_dix.parse(LAYER_ETHERTYPE_DEFAULT, data, size, &frame) < 0)
                return 0;
        if (frame.payload_offset + frame.payload_size > size)
                abort();

        r = packet_new(frame.payload_size, &packet);
        if (r < 0)
                return 0;
        if (frame.payload_size > 0)
                memcpy(packet_append(packet, frame.payload_size), data + frame.payload_offset, frame.payload_size);

        if (frame_ops_dix.push(LAYER_ETHERTYPE_DEFAULT, &frame, packet) < 0)
                abort();
        if (packet_size(packet) > size || memcmp(packet->head, data, packet_size(packet)) != 0)
                abort();

        return 0;
}
