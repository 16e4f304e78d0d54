/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of a management frame. The first byte chooses framing (bit 0) and hash size (bits 1 and 2). A message that
 * parses must build again to the same bytes, less what a longer one may have behind it.
 */

#include "services/ipcp-eth/management.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const size_t hash_sizes[] = { 32, 28, 48, 64 };
        _cleanup_(packet_freep) Packet *packet = NULL;
        const FrameOps *ops;
        ManagementMessage message;
        size_t hash_size;

        if (size == 0)
                return 0;

        ops = data[0] & 1 ? &frame_ops_llc : &frame_ops_dix;
        hash_size = hash_sizes[data[0] >> 1 & 3];
        data++;
        size--;

        if (management_parse(ops, hash_size, data, size, &message) < 0)
                return 0;

        if (packet_new(MANAGEMENT_BYTES_MAX, &packet) < 0)
                return 0;
        if (management_push(ops, hash_size, &message, packet) < 0)
                abort();
        if (packet_size(packet) > size || memcmp(packet->head, data, packet_size(packet)) != 0)
                abort();

        return 0;
}
