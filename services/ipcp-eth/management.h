/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What two Ethernet IPCPs say to each other: a fixed part, laid out differently in the two framings, and a trailer
 * that depends on the code.
 *
 *   code                 trailer                            fields, the rest zero
 *   00 flow request      hash of the name, OAP request      sender, QoS
 *   01 flow reply        OAP response                       sender, receiver, response
 *   02 name query        hash of the name                   (to everybody)
 *   03 name reply        hash of the name
 *   40 close             token, 8 bytes [, proof]           sender, receiver
 *   41 rotate            notice, proof                      sender, receiver
 *   42 move              notice, proof                      sender, receiver
 *   43 reset             token, 16 bytes                    sender, receiver
 *   44 piece             see fragment.h
 *
 * Those from 40 on are understood by o7s hosts only and never sent to others, but for pieces: a host that understands
 * none of them could not have taken the message as a whole either. Notices and proofs are those of flow-upkeep.h and
 * flow-control.h.
 */

#include "basic/cursor.h"
#include "services/common/flow-upkeep.h"
#include "services/common/fragment.h"
#include "services/common/layer-message.h"
#include "services/ipcp-eth/frame.h"

#define MANAGEMENT_DIX_BYTES 39U
#define MANAGEMENT_LLC_BYTES 37U
#define MANAGEMENT_FIXED_BYTES_MAX MANAGEMENT_DIX_BYTES
#define MANAGEMENT_BYTES_MAX 9000U      /* of a whole message; what the reference implementation takes */

typedef enum ManagementCode {
        MANAGEMENT_FLOW_REQUEST = 0x00,
        MANAGEMENT_FLOW_REPLY = 0x01,
        MANAGEMENT_NAME_QUERY = 0x02,
        MANAGEMENT_NAME_REPLY = 0x03,
        MANAGEMENT_CLOSE = 0x40,
        MANAGEMENT_ROTATE = 0x41,
        MANAGEMENT_MOVE = 0x42,
        MANAGEMENT_RESET = 0x43,
        MANAGEMENT_PIECE = 0x44,
} ManagementCode;

struct ManagementMessage {
        uint8_t code;                   /* ManagementCode once parsed successfully */
        uint16_t sender;                /* endpoint id of whoever sent this message */
        uint16_t receiver;              /* endpoint id of whoever gets it */
        int32_t response;               /* flow reply: 0 or a negative error of the wire */
        o7s_qos qos;
        const uint8_t *fixed;           /* the fixed part as it came; NULL in one to be sent */
        /* The trailer; in the parsed buffer, not owned. */
        const uint8_t *hash;            /* request, query and name reply */
        const uint8_t *oap;             /* request and reply */
        size_t oap_size;
        const uint8_t *token;           /* close: CLOSE_TOKEN_BYTES; reset: FLOW_RESET_BYTES */
        FlowNoticeText notice;          /* rotate and move */
        bool has_proof;                 /* rotate and move: always */
        FlowControlProof proof;
        const uint8_t *piece;           /* what fragment.h reads */
        size_t piece_size;
};

/* hash_size is that of the layer's directory hash.
 * Returns: 0; -EBADMSG: shorter than its code needs, or longer than any; -EPROTO: an unknown code, or an endpoint id
 * that no peer can have. */
int management_parse(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size, ManagementMessage *ret);

/* The same for one that came in pieces, which may be larger, and is no piece itself. */
int management_parse_whole(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size,
                           ManagementMessage *ret);

/* Returns: bytes; -EMSGSIZE: there is no room. */
ssize_t management_pack(const FrameOps *ops, size_t hash_size, const ManagementMessage *message,
                        void *buffer, size_t size);

/* The fixed part alone. Returns: bytes. */
size_t management_pack_fixed(const FrameOps *ops, const ManagementMessage *message,
                             uint8_t ret[MANAGEMENT_FIXED_BYTES_MAX]);

/* What a proof of this message is over; content is the caller's memory for it. */
void management_text(const ManagementMessage *message, uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX],
                     FlowControlText *ret);

/* Fills an empty packet. Returns: 0; -EMSGSIZE: larger than the packet or the limit. */
int management_push(const FrameOps *ops, size_t hash_size, const ManagementMessage *message, Packet *packet);

/* Largest OAP message in a request, given the payload that a frame carries; 0 where not even the header fits. */
uint32_t management_oap_max(const FrameOps *ops, size_t hash_size, uint32_t payload_max);

/* The fixed parts, for FrameOps. */
void management_read_dix(Cursor *c, ManagementMessage *ret);
void management_write_dix(Writer *w, const ManagementMessage *message);
void management_read_llc(Cursor *c, ManagementMessage *ret);
void management_write_llc(Writer *w, const ManagementMessage *message);
