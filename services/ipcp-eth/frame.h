/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A frame of an Ethernet layer. There are two framings, chosen when the layer starts and never changed; what
 * differs between them is in one FrameOps each (frame-dix.c, frame-llc.c), all else is common.
 *
 * A frame is either a management message (management.h) or data of one flow. Data carries the endpoint id of the
 * flow's receiver; LLC carries the sender's as well. Parsing checks every length against the bytes that really
 * arrived and ignores padding behind them; it does not know which stations or endpoints exist.
 */

#include "basic/cursor.h"
#include "libo7s/packet.h"
#include "services/common/layer-file.h"
#include "services/common/layer-message.h"

#define FRAME_ADDRESS_BYTES 6U
#define FRAME_MAC_BYTES 14U             /* addresses and type (or length): in front of what an MTU counts */
#define FRAME_ENDPOINT_UNSET 0xFFFFU    /* a peer that does not know our endpoint yet says this: ignored */

/* Devices that call themselves loopback report 65 536; the reference implementation uses 9 000 there. */
#define FRAME_LOOPBACK_MTU 9000U

typedef struct FrameAddress {
        uint8_t bytes[FRAME_ADDRESS_BYTES];
} FrameAddress;

#define FRAME_BROADCAST                                                                                           \
        (FrameAddress) {                                                                                          \
                .bytes = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },                                                  \
        }

static inline bool frame_address_equal(const FrameAddress *a, const FrameAddress *b) {
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A station's own address: neither a group's nor zero. */
static inline bool frame_address_is_station(const FrameAddress *a) {
        static const FrameAddress zero;

        return !(a->bytes[0] & 1) && !frame_address_equal(a, &zero);
}

#define FRAME_ADDRESS_TEXT_MAX 18U

/* "52:54:00:12:34:56"; returns buffer. */
const char *frame_address_format(const FrameAddress *address, char buffer[FRAME_ADDRESS_TEXT_MAX]);

typedef struct Frame {
        FrameAddress destination;
        FrameAddress source;
        bool management;
        uint16_t receiver;              /* endpoint id at the receiver; 0 in management frames */
        uint16_t sender;                /* endpoint id at the sender; 0 where the framing does not carry it */
        size_t payload_offset;          /* in the frame */
        size_t payload_size;            /* 0 in a data frame: keepalive */
} Frame;

typedef struct ManagementMessage ManagementMessage;

typedef struct FrameOps {
        LayerType layer_type;
        size_t header_bytes;
        size_t management_bytes;        /* the fixed part of a management message */
        uint16_t endpoint_min;          /* endpoint ids that we give out */
        uint16_t endpoint_max;
        uint16_t peer_endpoint_min;     /* endpoint ids that a peer may have */
        uint16_t peer_endpoint_max;
        bool carries_sender;            /* data frames say who sent them */
        uint32_t mtu_max;               /* links with a larger one are used up to this */

        /* Returns: 0; -EBADMSG: shorter than it says; -EPROTO: complete, but not a frame of this layer. */
        int (*parse)(uint16_t ether_type, const uint8_t *data, size_t size, Frame *ret);

        /* Puts the header in front of the payload; of the frame, payload_* are ignored.
         * Returns: 0; -ENOBUFS: no head-room; -EMSGSIZE: a length that the header cannot say. */
        int (*push)(uint16_t ether_type, const Frame *frame, Packet *packet);

        /* The fixed part of a management message, see management.h. */
        void (*read_management)(Cursor *cursor, ManagementMessage *ret);
        void (*write_management)(Writer *writer, const ManagementMessage *message);
} FrameOps;

extern const FrameOps frame_ops_dix;
extern const FrameOps frame_ops_llc;

const FrameOps *frame_ops(Framing framing);

/* Bytes of payload that a frame of this framing carries over a link of this MTU; 0 where none fits. */
uint32_t frame_payload_max(const FrameOps *ops, uint32_t mtu);
