/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IEEE 802.2 unnumbered information: the layer is the interface.
 *
 *       0                   6                  12      14     15     16     17
 *      +-------------------+-------------------+-------+------+------+------+---------
 *      | destination       | source            | length| DSAP | SSAP | 0x03 | payload
 *      +-------------------+-------------------+-------+------+------+------+---------
 *
 * length is big-endian and counts from the DSAP on. A SAP number travels with its eight bits mirrored, which keeps the
 * two low bits of the field (group, command or response) clear for the numbers 1 to 63. Number 1 at both ends is
 * management; flows have 2 to 63.
 */

#include "services/ipcp-eth/frame.h"
#include "services/ipcp-eth/management.h"

#define LLC_HEADER_BYTES 17U
#define LLC_LENGTH_MAX 0x05FFU          /* larger values are EtherTypes */
#define LLC_SAP_BYTES 3U                /* DSAP, SSAP and control: counted by length */
#define LLC_CONTROL_UI 0x03U
#define LLC_SAP_MANAGEMENT 1U
#define LLC_SAP_MAX 63U

/* Works both ways. */
static uint8_t sap_mirror(uint8_t sap) {
        sap = (uint8_t) ((sap & 0xF0U) >> 4 | (sap & 0x0FU) << 4);
        sap = (uint8_t) ((sap & 0xCCU) >> 2 | (sap & 0x33U) << 2);
        sap = (uint8_t) ((sap & 0xAAU) >> 1 | (sap & 0x55U) << 1);
        return sap;
}

static int llc_parse(uint16_t ether_type, const uint8_t *data, size_t size, Frame *ret) {
        Cursor c = cursor_from(data, size), body;
        const uint8_t *bytes;
        uint8_t dsap, ssap, control;
        uint16_t length;
        Frame frame = { .payload_offset = LLC_HEADER_BYTES };

        cursor_copy(&c, frame.destination.bytes, FRAME_ADDRESS_BYTES);
        cursor_copy(&c, frame.source.bytes, FRAME_ADDRESS_BYTES);
        length = cursor_be16(&c);
        if (c.bad)
                return -EBADMSG;
        if (length > LLC_LENGTH_MAX)
                return -EPROTO;

        bytes = cursor_bytes(&c, length);
        if (!bytes)
                return -EBADMSG;

        body = cursor_from(bytes, length);
        dsap = sap_mirror(cursor_u8(&body));
        ssap = sap_mirror(cursor_u8(&body));
        control = cursor_u8(&body);
        if (body.bad)
                return -EBADMSG;

        /* Other users of 802.2 share the link: spanning tree, for one. */
        if (control != LLC_CONTROL_UI || dsap > LLC_SAP_MAX || ssap > LLC_SAP_MAX)
                return -EPROTO;
        if (dsap == 0 || ssap == 0 || (dsap == LLC_SAP_MANAGEMENT) != (ssap == LLC_SAP_MANAGEMENT))
                return -EPROTO;

        frame.management = dsap == LLC_SAP_MANAGEMENT;
        frame.receiver = frame.management ? 0 : dsap;
        frame.sender = frame.management ? 0 : ssap;
        frame.payload_size = length - LLC_SAP_BYTES;

        *ret = frame;
        return 0;
}

static int llc_push(uint16_t ether_type, const Frame *frame, Packet *packet) {
        size_t length = packet_size(packet) + LLC_SAP_BYTES;
        uint8_t *header;
        Writer w;

        if (length > LLC_LENGTH_MAX)
                return -EMSGSIZE;

        header = packet_push(packet, LLC_HEADER_BYTES);
        if (!header)
                return -ENOBUFS;

        w = writer_to(header, LLC_HEADER_BYTES);
        writer_bytes(&w, frame->destination.bytes, FRAME_ADDRESS_BYTES);
        writer_bytes(&w, frame->source.bytes, FRAME_ADDRESS_BYTES);
        writer_be16(&w, (uint16_t) length);
        writer_u8(&w, sap_mirror(frame->management ? LLC_SAP_MANAGEMENT : (uint8_t) frame->receiver));
        writer_u8(&w, sap_mirror(frame->management ? LLC_SAP_MANAGEMENT : (uint8_t) frame->sender));
        writer_u8(&w, LLC_CONTROL_UI);
        assert(!w.bad && w.left == 0);
        return 0;
}

const FrameOps frame_ops_llc = {
        .layer_type = LAYER_ETH_LLC,
        .header_bytes = LLC_HEADER_BYTES,
        .management_bytes = MANAGEMENT_LLC_BYTES,
        .endpoint_min = 2,
        .endpoint_max = LLC_SAP_MAX,
        .peer_endpoint_min = 2,
        .peer_endpoint_max = LLC_SAP_MAX,
        .carries_sender = true,
        .mtu_max = 1500,
        .parse = llc_parse,
        .push = llc_push,
        .read_management = management_read_llc,
        .write_management = management_write_llc,
};
