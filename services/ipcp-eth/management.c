/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Codec of management messages.
 *
 *   DIX, 39 bytes                                       LLC, 37 bytes
 *        0  2  sender's endpoint id                          0  1  sender's SAP number, not mirrored
 *        2  2  receiver's endpoint id                        1  1  receiver's SAP number
 *        4  4  loss                                          2  1  code
 *        8  8  bandwidth                                     3  1  availability
 *       16  4  bit error rate                                4  4  loss
 *       20  4  largest gap                                   8  8  bandwidth
 *       24  4  delay                                        16  4  bit error rate
 *       28  4  timeout                                      20  4  largest gap
 *       32  4  response, signed                             24  4  delay
 *       36  1  in order                                     28  4  timeout
 *       37  1  code                                         32  4  response, signed
 *       38  1  availability                                 36  1  in order
 */

#include "services/ipcp-eth/management.h"

/* The middle is the same in both framings: bytes 4 to 36. */
static void read_common(Cursor *c, ManagementMessage *ret) {
        ret->qos.loss = cursor_be32(c);
        ret->qos.bandwidth_bps = cursor_be64(c);
        ret->qos.ber = cursor_be32(c);
        ret->qos.max_gap_ms = cursor_be32(c);
        ret->qos.delay_ms = cursor_be32(c);
        ret->qos.timeout_ms = cursor_be32(c);
        ret->response = (int32_t) cursor_be32(c);
        ret->qos.in_order = cursor_u8(c);
}

static void write_common(Writer *w, const ManagementMessage *message) {
        writer_be32(w, message->qos.loss);
        writer_be64(w, message->qos.bandwidth_bps);
        writer_be32(w, message->qos.ber);
        writer_be32(w, message->qos.max_gap_ms);
        writer_be32(w, message->qos.delay_ms);
        writer_be32(w, message->qos.timeout_ms);
        writer_be32(w, (uint32_t) message->response);
        writer_u8(w, message->qos.in_order);
}

void management_read_dix(Cursor *c, ManagementMessage *ret) {
        ret->sender = cursor_be16(c);
        ret->receiver = cursor_be16(c);
        read_common(c, ret);
        ret->code = cursor_u8(c);
        ret->qos.availability_nines = cursor_u8(c);
}

void management_write_dix(Writer *w, const ManagementMessage *message) {
        writer_be16(w, message->sender);
        writer_be16(w, message->receiver);
        write_common(w, message);
        writer_u8(w, message->code);
        writer_u8(w, message->qos.availability_nines);
}

void management_read_llc(Cursor *c, ManagementMessage *ret) {
        ret->sender = cursor_u8(c);
        ret->receiver = cursor_u8(c);
        ret->code = cursor_u8(c);
        ret->qos.availability_nines = cursor_u8(c);
        read_common(c, ret);
}

void management_write_llc(Writer *w, const ManagementMessage *message) {
        writer_u8(w, (uint8_t) message->sender);
        writer_u8(w, (uint8_t) message->receiver);
        writer_u8(w, message->code);
        writer_u8(w, message->qos.availability_nines);
        write_common(w, message);
}

static bool peer_endpoint_is_valid(const FrameOps *ops, uint16_t endpoint) {
        return endpoint >= ops->peer_endpoint_min && endpoint <= ops->peer_endpoint_max;
}

static bool own_endpoint_is_valid(const FrameOps *ops, uint16_t endpoint) {
        return endpoint >= ops->endpoint_min && endpoint <= ops->endpoint_max;
}

/* A refusal has no endpoint behind it, so its sender field says nothing. */
static bool endpoints_are_valid(const FrameOps *ops, const ManagementMessage *m) {
        switch (m->code) {

        case MANAGEMENT_FLOW_REQUEST:
                return peer_endpoint_is_valid(ops, m->sender);

        case MANAGEMENT_FLOW_REPLY:
                return own_endpoint_is_valid(ops, m->receiver) &&
                       (m->response != 0 || peer_endpoint_is_valid(ops, m->sender));

        case MANAGEMENT_CLOSE:
                return own_endpoint_is_valid(ops, m->receiver) && peer_endpoint_is_valid(ops, m->sender);

        default:
                return true;
        }
}

int management_parse(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size, ManagementMessage *ret) {
        Cursor c = cursor_from(data, size);
        ManagementMessage message = {};

        if (size > MANAGEMENT_BYTES_MAX)
                return -EBADMSG;

        ops->read_management(&c, &message);
        if (c.bad)
                return -EBADMSG;

        switch (message.code) {

        case MANAGEMENT_FLOW_REQUEST:
                message.hash = cursor_bytes(&c, hash_size);
                message.oap_size = c.left;
                message.oap = cursor_bytes(&c, c.left);
                break;

        case MANAGEMENT_FLOW_REPLY:
                message.oap_size = c.left;
                message.oap = cursor_bytes(&c, c.left);
                break;

        case MANAGEMENT_NAME_QUERY:
        case MANAGEMENT_NAME_REPLY:
                message.hash = cursor_bytes(&c, hash_size);
                break;

        case MANAGEMENT_CLOSE:
                message.token = cursor_bytes(&c, CLOSE_TOKEN_BYTES);
                break;

        default:        /* a byte from outside, not our enum */
                return -EPROTO;
        }

        if (c.bad || message.oap_size > LAYER_OAP_BYTES_MAX)
                return -EBADMSG;
        if (!endpoints_are_valid(ops, &message))
                return -EPROTO;

        *ret = message;
        return 0;
}

int management_push(const FrameOps *ops, size_t hash_size, const ManagementMessage *message, Packet *packet) {
        Writer w = writer_to(packet->tail, MIN(packet_room(packet), (size_t) MANAGEMENT_BYTES_MAX));

        ops->write_management(&w, message);
        if (message->hash)
                writer_bytes(&w, message->hash, hash_size);
        if (message->oap)
                writer_bytes(&w, message->oap, message->oap_size);
        if (message->token)
                writer_bytes(&w, message->token, CLOSE_TOKEN_BYTES);
        if (w.bad)
                return -EMSGSIZE;

        packet->tail += w.written;
        return 0;
}

uint32_t management_oap_max(const FrameOps *ops, size_t hash_size, uint32_t payload_max) {
        size_t fixed = ops->management_bytes + hash_size;

        payload_max = MIN(payload_max, MANAGEMENT_BYTES_MAX);
        return payload_max > fixed ? (uint32_t) MIN(payload_max - fixed, (size_t) LAYER_OAP_BYTES_MAX) : 0;
}
