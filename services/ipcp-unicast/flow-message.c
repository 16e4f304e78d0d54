/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Codec of the flow allocator's messages.
 *
 *    0  8  sender's address               request, rotate, move, piece
 *    8  8  receiver's endpoint id         reply, update, close, rotate, move, reset
 *   16  8  sender's endpoint id           request, reply, close, rotate, move, reset; an update with a proof
 *   24  8  bandwidth                      request, as all of the QoS
 *   32  4  response, signed               reply
 *   36  4  delay
 *   40  4  loss
 *   44  4  bit error rate
 *   48  4  largest gap
 *   52  4  timeout
 *   56  2  congestion level               update
 *   58  1  code
 *   59  1  availability
 *   60  1  in order
 *   61     request: hash of the name, OAP request      reply: OAP response      update: nothing, or a proof
 *          close: token, 8 bytes, and perhaps a proof      rotate, move: notice, proof      reset: token, 16 bytes
 *          piece: see fragment.h
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/pci.h"

static void read_header(Cursor *c, FlowMessage *ret, uint8_t *ret_code) {
        ret->sender = cursor_be64(c);
        ret->receiver_eid = cursor_be64(c);
        ret->sender_eid = cursor_be64(c);
        ret->qos.bandwidth_bps = cursor_be64(c);
        ret->response = (int32_t) cursor_be32(c);
        ret->qos.delay_ms = cursor_be32(c);
        ret->qos.loss = cursor_be32(c);
        ret->qos.ber = cursor_be32(c);
        ret->qos.max_gap_ms = cursor_be32(c);
        ret->qos.timeout_ms = cursor_be32(c);
        ret->level = cursor_be16(c);
        *ret_code = cursor_u8(c);
        ret->qos.availability_nines = cursor_u8(c);
        ret->qos.in_order = cursor_u8(c);
}

static void write_header(Writer *w, const FlowMessage *message) {
        writer_be64(w, message->sender);
        writer_be64(w, message->receiver_eid);
        writer_be64(w, message->sender_eid);
        writer_be64(w, message->qos.bandwidth_bps);
        writer_be32(w, (uint32_t) message->response);
        writer_be32(w, message->qos.delay_ms);
        writer_be32(w, message->qos.loss);
        writer_be32(w, message->qos.ber);
        writer_be32(w, message->qos.max_gap_ms);
        writer_be32(w, message->qos.timeout_ms);
        writer_be16(w, message->level);
        writer_u8(w, (uint8_t) message->code);
        writer_u8(w, message->qos.availability_nines);
        writer_u8(w, message->qos.in_order);
}

/* What a message of this code says; all else is zero. */
static FlowMessage only_own_fields(const FlowMessage *m) {
        FlowMessage only = { .code = m->code };

        switch (m->code) {

        case FLOW_MESSAGE_REQUEST:
                only.sender = m->sender;
                only.sender_eid = m->sender_eid;
                only.qos = m->qos;
                break;

        case FLOW_MESSAGE_REPLY:
                only.receiver_eid = m->receiver_eid;
                only.sender_eid = m->sender_eid;
                only.response = m->response;
                break;

        case FLOW_MESSAGE_UPDATE:
                only.receiver_eid = m->receiver_eid;
                only.sender_eid = m->has_proof ? m->sender_eid : 0;
                only.level = m->level;
                break;

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                only.sender = m->sender;
                _fallthrough_;

        case FLOW_MESSAGE_CLOSE:
        case FLOW_MESSAGE_RESET:
                only.receiver_eid = m->receiver_eid;
                only.sender_eid = m->sender_eid;
                break;

        case FLOW_MESSAGE_PIECE:
                only.sender = m->sender;
                break;
        }

        return only;
}

/* All that follows the header, but for the proof. */
static void write_trailer(Writer *w, const FlowMessage *m) {
        switch (m->code) {

        case FLOW_MESSAGE_REQUEST:
                writer_bytes(w, m->hash, m->hash_size);
                _fallthrough_;

        case FLOW_MESSAGE_REPLY:
                return writer_bytes(w, m->oap, m->oap_size);

        case FLOW_MESSAGE_UPDATE:
                return;

        case FLOW_MESSAGE_CLOSE:
                return writer_bytes(w, m->token, CLOSE_TOKEN_BYTES);

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                return flow_notice_write(w, &m->notice);

        case FLOW_MESSAGE_RESET:
                return writer_bytes(w, m->reset, FLOW_RESET_BYTES);

        case FLOW_MESSAGE_PIECE:
                return writer_bytes(w, m->piece, m->piece_size);
        }
}

void flow_message_pack_header(const FlowMessage *message, uint8_t ret[FLOW_MESSAGE_HEADER_BYTES]) {
        const FlowMessage header = only_own_fields(message);
        Writer w = writer_to(ret, FLOW_MESSAGE_HEADER_BYTES);

        write_header(&w, &header);
}

ssize_t flow_message_pack_whole(const FlowMessage *message, void *buffer, size_t size) {
        const FlowMessage header = only_own_fields(message);
        Writer w = writer_to(buffer, size);

        write_header(&w, &header);
        write_trailer(&w, message);
        if (message->has_proof)
                flow_control_proof_write(&w, &message->proof);

        return w.bad ? -ENOBUFS : (ssize_t) w.written;
}

ssize_t flow_message_pack(const FlowMessage *message, void *buffer, size_t size) {
        size_t total = FLOW_MESSAGE_HEADER_BYTES + (message->code == FLOW_MESSAGE_REQUEST ? message->hash_size : 0) +
                       message->oap_size + message->piece_size;

        return total > FLOW_MESSAGE_BYTES_MAX ? -EMSGSIZE : flow_message_pack_whole(message, buffer, size);
}

/* The header says no more than codes and ids, but in an update, whose level is all that it is about. */
void flow_message_text(const FlowMessage *message, uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX],
                       FlowControlText *ret) {
        Writer w = writer_to(content, FLOW_CONTROL_CONTENT_BYTES_MAX);

        assert(message->code != FLOW_MESSAGE_REQUEST &&
               message->code != FLOW_MESSAGE_REPLY); /* these prove themselves */

        if (message->code == FLOW_MESSAGE_UPDATE)
                writer_be16(&w, message->level);
        write_trailer(&w, message);
        *ret = (FlowControlText) {
                .code = (uint8_t) message->code,
                .sender = message->sender_eid,
                .receiver = message->receiver_eid,
                .content = content,
                .content_size = w.written,
        };
}

static bool eid_is_of_flow(uint64_t eid) {
        return eid >= EID_FLOWS && eid != UINT64_MAX;
}

/* A refusal has no flow behind it, so its sender's endpoint id says nothing. */
static bool fields_are_valid(const FlowMessage *m) {
        switch (m->code) {

        case FLOW_MESSAGE_REQUEST:
                return m->sender != 0 && eid_is_of_flow(m->sender_eid);

        case FLOW_MESSAGE_REPLY:
                return m->response < 0 || (m->response == 0 && eid_is_of_flow(m->sender_eid));

        case FLOW_MESSAGE_UPDATE:
                return true;

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                return m->sender != 0 && eid_is_of_flow(m->sender_eid);

        case FLOW_MESSAGE_CLOSE:
        case FLOW_MESSAGE_RESET:
                return eid_is_of_flow(m->sender_eid);

        case FLOW_MESSAGE_PIECE:
                return m->sender != 0;
        }

        return false;
}

static void read_proof(Cursor *c, FlowMessage *ret) {
        flow_control_proof_read(c, &ret->proof);
        ret->has_proof = !c->bad;
}

/* Returns: 0; -EPROTO: an unknown code, or a notice that is none. Whether all was there says the cursor. */
static int read_trailer(Cursor *c, uint8_t code, size_t hash_size, FlowMessage *ret) {
        switch (code) {

        case FLOW_MESSAGE_REQUEST:
                ret->hash_size = hash_size;
                ret->hash = cursor_bytes(c, hash_size);
                _fallthrough_;

        case FLOW_MESSAGE_REPLY:
                ret->oap_size = c->left;
                ret->oap = cursor_bytes(c, c->left);
                return 0;

        case FLOW_MESSAGE_CLOSE:
                cursor_copy(c, ret->token, CLOSE_TOKEN_BYTES);
                _fallthrough_;

        case FLOW_MESSAGE_UPDATE:
                if (c->left >= FLOW_CONTROL_PROOF_BYTES)
                        read_proof(c, ret);
                return 0;

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                if (flow_notice_read(c, &ret->notice) == -EPROTO)
                        return -EPROTO;
                read_proof(c, ret);
                return 0;

        case FLOW_MESSAGE_RESET:
                cursor_copy(c, ret->reset, FLOW_RESET_BYTES);
                return 0;

        case FLOW_MESSAGE_PIECE:
                ret->piece_size = c->left;
                ret->piece = cursor_bytes(c, c->left);
                return 0;

        default:        /* a byte from outside, not our enum */
                return -EPROTO;
        }
}

static int parse(const void *data, size_t size, size_t hash_size, FlowMessage *ret) {
        Cursor c = cursor_from(data, size);
        FlowMessage message = { .fixed = data };
        uint8_t code;
        int r;

        read_header(&c, &message, &code);
        if (c.bad)
                return -EBADMSG;

        r = read_trailer(&c, code, hash_size, &message);
        if (r < 0)
                return r;
        if (c.bad || message.oap_size > LAYER_OAP_BYTES_MAX)
                return -EBADMSG;

        message.code = (FlowMessageCode) code;
        if (!fields_are_valid(&message))
                return -EPROTO;

        *ret = message;
        return 0;
}

int flow_message_parse(const void *data, size_t size, size_t hash_size, FlowMessage *ret) {
        return size > FLOW_MESSAGE_BYTES_MAX ? -EBADMSG : parse(data, size, hash_size, ret);
}

int flow_message_parse_whole(const void *data, size_t size, size_t hash_size, FlowMessage *ret) {
        FlowMessage message;
        int r;

        r = parse(data, size, hash_size, &message);
        if (r < 0)
                return r;
        if (message.code != FLOW_MESSAGE_REQUEST && message.code != FLOW_MESSAGE_REPLY)
                return -EPROTO;

        *ret = message;
        return 0;
}
