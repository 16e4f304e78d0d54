/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the two framings have in common. */

#include <stdio.h>

#include "services/ipcp-eth/frame.h"

const FrameOps *frame_ops(Framing framing) {
        switch (framing) {

        case FRAMING_DIX:
                return &frame_ops_dix;

        case FRAMING_LLC:
                return &frame_ops_llc;

        case _FRAMING_MAX:
        case _FRAMING_INVALID:
                break;
        }

        return NULL;
}

uint32_t frame_payload_max(const FrameOps *ops, uint32_t mtu) {
        /* The MAC header is not part of an MTU, what we put behind it is. */
        uint32_t own_header = (uint32_t) ops->header_bytes - FRAME_MAC_BYTES;

        mtu = MIN(mtu, ops->mtu_max);
        return mtu > own_header ? mtu - own_header : 0;
}

const char *frame_address_format(const FrameAddress *address, char buffer[FRAME_ADDRESS_TEXT_MAX]) {
        const uint8_t *b = address->bytes;

        (void) snprintf(buffer, FRAME_ADDRESS_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                        b[5]);
        return buffer;
}
