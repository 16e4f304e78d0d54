/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ethernet II frames: the layer is (interface, EtherType).
 *
 *       0                   6                  12      14      16      18
 *      +-------------------+-------------------+-------+-------+-------+---------
 *      | destination       | source            | type  | eid   | length| payload
 *      +-------------------+-------------------+-------+-------+-------+---------
 *
 * All big-endian. eid is the receiver's endpoint id, 0 for management. length counts the payload, because short
 * frames arrive padded.
 */

#include "services/ipcp-eth/frame.h"
#include "services/ipcp-eth/management.h"

#define DIX_HEADER_BYTES 18U

static int dix_parse(uint16_t ether_type, const uint8_t *data, size_t size, Frame *ret) {
        Cursor c = cursor_from(data, size);
        uint16_t type, length;
        Frame frame = { .payload_offset = DIX_HEADER_BYTES };

        cursor_copy(&c, frame.destination.bytes, FRAME_ADDRESS_BYTES);
        cursor_copy(&c, frame.source.bytes, FRAME_ADDRESS_BYTES);
        type = cursor_be16(&c);
        frame.receiver = cursor_be16(&c);
        length = cursor_be16(&c);
        (void) cursor_bytes(&c, length);

        if (c.bad)
                return -EBADMSG;
        if (type != ether_type)
                return -EPROTO;

        frame.management = frame.receiver == 0;
        frame.payload_size = length;

        *ret = frame;
        return 0;
}

static int dix_push(uint16_t ether_type, const Frame *frame, Packet *packet) {
        size_t length = packet_size(packet);
        uint8_t *header;
        Writer w;

        if (length > UINT16_MAX)
                return -EMSGSIZE;

        header = packet_push(packet, DIX_HEADER_BYTES);
        if (!header)
                return -ENOBUFS;

        w = writer_to(header, DIX_HEADER_BYTES);
        writer_bytes(&w, frame->destination.bytes, FRAME_ADDRESS_BYTES);
        writer_bytes(&w, frame->source.bytes, FRAME_ADDRESS_BYTES);
        writer_be16(&w, ether_type);
        writer_be16(&w, frame->management ? 0 : frame->receiver);
        writer_be16(&w, (uint16_t) length);
        assert(!w.bad && w.left == 0);
        return 0;
}

const FrameOps frame_ops_dix = {
        .layer_type = LAYER_ETH_DIX,
        .header_bytes = DIX_HEADER_BYTES,
        .management_bytes = MANAGEMENT_DIX_BYTES,
        .endpoint_min = 64,
        .endpoint_max = 65534,
        .peer_endpoint_min = 1,
        .peer_endpoint_max = 65534,
        .mtu_max = 65535,
        .parse = dix_parse,
        .push = dix_push,
        .read_management = management_read_dix,
        .write_management = management_write_dix,
};
