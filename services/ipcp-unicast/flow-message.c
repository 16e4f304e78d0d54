/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Codec of the flow allocator's messages.
 *
 *    0  8  sender's address               request
 *    8  8  receiver's endpoint id         reply, update, close
 *   16  8  sender's endpoint id           request, reply, close
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
 *   61     request: hash of the name, OAP request      reply: OAP response      close: token, 8 bytes
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
                only.level = m->level;
                break;

        case FLOW_MESSAGE_CLOSE:
                only.receiver_eid = m->receiver_eid;
                only.sender_eid = m->sender_eid;
                break;
        }

        return only;
}

ssize_t flow_message_pack(const FlowMessage *message, void *buffer, size_t size) {
        const FlowMessage header = only_own_fields(message);
        Writer w = writer_to(buffer, size);
        size_t total = FLOW_MESSAGE_HEADER_BYTES;

        switch (message->code) {

        case FLOW_MESSAGE_REQUEST:
                total += message->hash_size + message->oap_size;
                break;

        case FLOW_MESSAGE_REPLY:
                total += message->oap_size;
                break;

        case FLOW_MESSAGE_UPDATE:
                break;

        case FLOW_MESSAGE_CLOSE:
                total += CLOSE_TOKEN_BYTES;
                break;
        }
        if (total > FLOW_MESSAGE_BYTES_MAX)
                return -EMSGSIZE;

        write_header(&w, &header);
        if (message->code == FLOW_MESSAGE_REQUEST)
                writer_bytes(&w, message->hash, message->hash_size);
        if (message->code == FLOW_MESSAGE_REQUEST || message->code == FLOW_MESSAGE_REPLY)
                writer_bytes(&w, message->oap, message->oap_size);
        if (message->code == FLOW_MESSAGE_CLOSE)
                writer_bytes(&w, message->token, CLOSE_TOKEN_BYTES);
        if (w.bad)
                return -ENOBUFS;

        return (ssize_t) w.written;
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

        case FLOW_MESSAGE_CLOSE:
                return eid_is_of_flow(m->sender_eid);
        }

        return false;
}

int flow_message_parse(const void *data, size_t size, size_t hash_size, FlowMessage *ret) {
        Cursor c = cursor_from(data, size);
        FlowMessage message = {};
        uint8_t code;

        if (size > FLOW_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        read_header(&c, &message, &code);
        if (c.bad)
                return -EBADMSG;

        message.code = (FlowMessageCode) code;
        switch (code) {

        case FLOW_MESSAGE_REQUEST:
                message.hash_size = hash_size;
                message.hash = cursor_bytes(&c, hash_size);
                _fallthrough_;

        case FLOW_MESSAGE_REPLY:
                message.oap_size = c.left;
                message.oap = cursor_bytes(&c, c.left);
                break;

        case FLOW_MESSAGE_UPDATE:
                break;

        case FLOW_MESSAGE_CLOSE:
                cursor_copy(&c, message.token, CLOSE_TOKEN_BYTES);
                break;

        default:        /* a byte from outside, not our enum */
                return -EPROTO;
        }

        if (c.bad)
                return -EBADMSG;
        if (!fields_are_valid(&message))
                return -EPROTO;

        *ret = message;
        return 0;
}
