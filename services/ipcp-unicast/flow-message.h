/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages of the flow allocator, component EID 0 (docs/WIRE.md): a packed header of 61 bytes, all big-endian,
 * then hash and OAP request, or OAP response, or nothing. Between o7s members: a close with its token, notices
 * (flow-upkeep.h) with their proof (flow-control.h), resets, pieces of messages that are too large for one
 * (fragment.h), and updates with a proof.
 */

#include "basic/cursor.h"
#include "libo7s/o7s.h"
#include "services/common/hash.h"
#include "services/common/flow-upkeep.h"
#include "services/common/fragment.h"
#include "services/common/layer-message.h"

#define FLOW_MESSAGE_HEADER_BYTES 61U
#define FLOW_MESSAGE_BYTES_MAX 2048U    /* a reference peer takes no more */

typedef enum FlowMessageCode {
        FLOW_MESSAGE_REQUEST = 0,
        FLOW_MESSAGE_REPLY = 1,
        FLOW_MESSAGE_UPDATE = 2,
        FLOW_MESSAGE_CLOSE =
                0x40, /* this and the next three: never sent to a peer that has not shown the capability */
        FLOW_MESSAGE_ROTATE = 0x41,
        FLOW_MESSAGE_MOVE = 0x42,
        FLOW_MESSAGE_RESET = 0x43,
        FLOW_MESSAGE_PIECE = 0x44, /* of a message that no member could take as a whole */
} FlowMessageCode;

typedef struct FlowMessage FlowMessage;

struct FlowMessage {
        FlowMessageCode code;
        const uint8_t *fixed;           /* the header as it came; NULL in one to be sent */
        uint64_t sender;                /* request, rotate, move, piece: address */
        uint64_t receiver_eid;
        uint64_t sender_eid;
        int32_t response;
        uint16_t level;                 /* update: congestion */
        o7s_qos qos;                    /* request */
        const uint8_t *hash;            /* request; hash_size bytes, in the parsed buffer */
        size_t hash_size;
        const uint8_t *oap;             /* request and reply, in the parsed buffer */
        size_t oap_size;
        uint8_t token[CLOSE_TOKEN_BYTES];
        uint8_t reset[FLOW_RESET_BYTES];
        FlowNoticeText notice;          /* rotate and move */
        bool has_proof;                 /* rotate and move: always; update and close: perhaps */
        FlowControlProof proof;
        const uint8_t *piece;           /* what fragment.h reads, in the parsed buffer */
        size_t piece_size;
};

/* Fields that the code does not use go out as zero. Returns: bytes; -ENOBUFS; -EMSGSIZE: beyond
 * FLOW_MESSAGE_BYTES_MAX. */
ssize_t flow_message_pack(const FlowMessage *message, void *buffer, size_t size);

/* The same without that limit, for one that goes out in pieces. */
ssize_t flow_message_pack_whole(const FlowMessage *message, void *buffer, size_t size);

/* The header alone. */
void flow_message_pack_header(const FlowMessage *message, uint8_t ret[FLOW_MESSAGE_HEADER_BYTES]);

/* What a proof of this message is over; content is the caller's memory for it. */
void flow_message_text(const FlowMessage *message, uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX],
                       FlowControlText *ret);

/* hash_size: of the layer. Whether the receiver's endpoint id is one of ours is for the table of ids to say, in
 * constant time. Returns: 0; -EBADMSG: shorter than its code needs, or longer than any; -EPROTO: a code that we do
 * not know, a sender that no member can be, or a response that is neither yes nor no. */
int flow_message_parse(const void *data, size_t size, size_t hash_size, FlowMessage *ret);

/* The same for a request or reply that came in pieces, and may be larger. */
int flow_message_parse_whole(const void *data, size_t size, size_t hash_size, FlowMessage *ret);
