/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages of the flow allocator, component EID 0 (docs/WIRE.md): a packed header of 61 bytes, all big-endian, then hash
 * and OAP request, or OAP response, or nothing; a close (between o7s members) has its token.
 */

#include "basic/cursor.h"
#include "libo7s/o7s.h"
#include "services/common/hash.h"
#include "services/common/layer-message.h"

#define FLOW_MESSAGE_HEADER_BYTES 61U
#define FLOW_MESSAGE_BYTES_MAX 2048U    /* a reference peer takes no more */

typedef enum FlowMessageCode {
        FLOW_MESSAGE_REQUEST = 0,
        FLOW_MESSAGE_REPLY = 1,
        FLOW_MESSAGE_UPDATE = 2,
        FLOW_MESSAGE_CLOSE = 0x40,      /* never sent to a peer that has not shown the capability */
} FlowMessageCode;

typedef struct FlowMessage FlowMessage;

struct FlowMessage {
        FlowMessageCode code;
        uint64_t sender;                /* request: address */
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
};

/* Fields that the code does not use go out as zero. Returns: bytes; -ENOBUFS; -EMSGSIZE: beyond FLOW_MESSAGE_BYTES_MAX. */
ssize_t flow_message_pack(const FlowMessage *message, void *buffer, size_t size);

/* hash_size: of the layer. Whether the receiver's endpoint id is one of ours is for the table of ids to say, in constant
 * time. Returns: 0; -EBADMSG: shorter than its code needs, or longer than any; -EPROTO: a code that we do not know, a
 * sender that no member can be, or a response that is neither yes nor no. */
int flow_message_parse(const void *data, size_t size, size_t hash_size, FlowMessage *ret);
