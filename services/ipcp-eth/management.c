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
        case MANAGEMENT_ROTATE:
        case MANAGEMENT_MOVE:
        case MANAGEMENT_RESET:
                return own_endpoint_is_valid(ops, m->receiver) && peer_endpoint_is_valid(ops, m->sender);

        default:
                return true;
        }
}

/* A close has a proof or none. */
static void read_proof(Cursor *c, ManagementMessage *ret) {
        flow_control_proof_read(c, &ret->proof);
        ret->has_proof = !c->bad;
}

/* Returns: 0; -EPROTO: an unknown code. Whether all was there says the cursor. */
static int read_trailer(Cursor *c, size_t hash_size, ManagementMessage *ret) {
        switch (ret->code) {

        case MANAGEMENT_FLOW_REQUEST:
                ret->hash = cursor_bytes(c, hash_size);
                _fallthrough_;

        case MANAGEMENT_FLOW_REPLY:
                ret->oap_size = c->left;
                ret->oap = cursor_bytes(c, c->left);
                return 0;

        case MANAGEMENT_NAME_QUERY:
        case MANAGEMENT_NAME_REPLY:
                ret->hash = cursor_bytes(c, hash_size);
                return 0;

        case MANAGEMENT_CLOSE:
                ret->token = cursor_bytes(c, CLOSE_TOKEN_BYTES);
                if (c->left >= FLOW_CONTROL_PROOF_BYTES)
                        read_proof(c, ret);
                return 0;

        case MANAGEMENT_ROTATE:
        case MANAGEMENT_MOVE:
                if (flow_notice_read(c, &ret->notice) == -EPROTO)
                        return -EPROTO;
                read_proof(c, ret);
                return 0;

        case MANAGEMENT_RESET:
                ret->token = cursor_bytes(c, FLOW_RESET_BYTES);
                return 0;

        case MANAGEMENT_PIECE:
                ret->piece_size = c->left;
                ret->piece = cursor_bytes(c, c->left);
                return 0;

        default:        /* a byte from outside, not our enum */
                return -EPROTO;
        }
}

static int parse(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size, ManagementMessage *ret) {
        Cursor c = cursor_from(data, size);
        ManagementMessage message = { .fixed = data };
        int r;

        ops->read_management(&c, &message);
        if (c.bad)
                return -EBADMSG;

        r = read_trailer(&c, hash_size, &message);
        if (r < 0)
                return r;
        if (c.bad || message.oap_size > LAYER_OAP_BYTES_MAX)
                return -EBADMSG;
        if (!endpoints_are_valid(ops, &message))
                return -EPROTO;

        *ret = message;
        return 0;
}

int management_parse(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size, ManagementMessage *ret) {
        return size > MANAGEMENT_BYTES_MAX ? -EBADMSG : parse(ops, hash_size, data, size, ret);
}

int management_parse_whole(const FrameOps *ops, size_t hash_size, const uint8_t *data, size_t size,
                           ManagementMessage *ret) {
        ManagementMessage message;
        int r;

        r = parse(ops, hash_size, data, size, &message);
        if (r < 0)
                return r;
        if (message.code != MANAGEMENT_FLOW_REQUEST && message.code != MANAGEMENT_FLOW_REPLY)
                return -EPROTO;

        *ret = message;
        return 0;
}

/* All of it but the proof. */
static void write_trailer(Writer *w, size_t hash_size, const ManagementMessage *m) {
        if (m->hash)
                writer_bytes(w, m->hash, hash_size);
        if (m->oap)
                writer_bytes(w, m->oap, m->oap_size);
        if (m->token)
                writer_bytes(w, m->token, m->code == MANAGEMENT_RESET ? FLOW_RESET_BYTES : CLOSE_TOKEN_BYTES);
        if (m->code == MANAGEMENT_ROTATE || m->code == MANAGEMENT_MOVE)
                flow_notice_write(w, &m->notice);
        if (m->piece)
                writer_bytes(w, m->piece, m->piece_size);
}

void management_text(const ManagementMessage *message, uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX],
                     FlowControlText *ret) {
        Writer w = writer_to(content, FLOW_CONTROL_CONTENT_BYTES_MAX);

        assert(!message->hash && !message->oap);        /* these prove themselves */

        write_trailer(&w, 0, message);
        *ret = (FlowControlText) {
                .code = message->code,
                .sender = message->sender,
                .receiver = message->receiver,
                .content = content,
                .content_size = w.written,
        };
}

ssize_t management_pack(const FrameOps *ops, size_t hash_size, const ManagementMessage *message,
                        void *buffer, size_t size) {
        Writer w = writer_to(buffer, size);

        ops->write_management(&w, message);
        write_trailer(&w, hash_size, message);
        if (message->has_proof)
                flow_control_proof_write(&w, &message->proof);

        return w.bad ? -EMSGSIZE : (ssize_t) w.written;
}

size_t management_pack_fixed(const FrameOps *ops, const ManagementMessage *message,
                             uint8_t ret[MANAGEMENT_FIXED_BYTES_MAX]) {
        Writer w = writer_to(ret, MANAGEMENT_FIXED_BYTES_MAX);

        ops->write_management(&w, message);
        return w.written;
}

int management_push(const FrameOps *ops, size_t hash_size, const ManagementMessage *message, Packet *packet) {
        ssize_t n;

        n = management_pack(ops, hash_size, message, packet->tail,
                            MIN(packet_room(packet), (size_t) MANAGEMENT_BYTES_MAX));
        if (n < 0)
                return (int) n;

        packet->tail += n;
        return 0;
}

uint32_t management_oap_max(const FrameOps *ops, size_t hash_size, uint32_t payload_max) {
        size_t fixed = ops->management_bytes + hash_size;

        payload_max = MIN(payload_max, MANAGEMENT_BYTES_MAX);
        return payload_max > fixed ? (uint32_t) MIN(payload_max - fixed, (size_t) LAYER_OAP_BYTES_MAX) : 0;
}
