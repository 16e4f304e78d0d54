/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of a message of the flow allocator. The first byte chooses the hash size. A message that parses says the same
 * when it is built again and parsed again, whatever stood in the fields that its code does not use.
 */

#include "services/ipcp-unicast/flow-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool says_the_same(const FlowMessage *a, const FlowMessage *b) {
        if (a->code != b->code || a->hash_size != b->hash_size || a->oap_size != b->oap_size ||
            a->piece_size != b->piece_size || a->has_proof != b->has_proof)
                return false;
        if (a->has_proof &&
            (a->proof.counter != b->proof.counter || memcmp(a->proof.tag, b->proof.tag, sizeof(a->proof.tag)) != 0))
                return false;
        if (a->hash_size > 0 && memcmp(a->hash, b->hash, a->hash_size) != 0)
                return false;
        if (a->oap_size > 0 && memcmp(a->oap, b->oap, a->oap_size) != 0)
                return false;

        switch (a->code) {

        case FLOW_MESSAGE_REQUEST:
                return a->sender == b->sender && a->sender_eid == b->sender_eid &&
                       a->qos.delay_ms == b->qos.delay_ms && a->qos.bandwidth_bps == b->qos.bandwidth_bps &&
                       a->qos.timeout_ms == b->qos.timeout_ms && a->qos.in_order == b->qos.in_order;

        case FLOW_MESSAGE_REPLY:
                return a->receiver_eid == b->receiver_eid && a->sender_eid == b->sender_eid &&
                       a->response == b->response;

        case FLOW_MESSAGE_UPDATE:
                return a->receiver_eid == b->receiver_eid && a->level == b->level;

        case FLOW_MESSAGE_CLOSE:
                return a->receiver_eid == b->receiver_eid && a->sender_eid == b->sender_eid &&
                       memcmp(a->token, b->token, CLOSE_TOKEN_BYTES) == 0;

        case FLOW_MESSAGE_ROTATE:
        case FLOW_MESSAGE_MOVE:
                return a->sender == b->sender && a->receiver_eid == b->receiver_eid && a->sender_eid == b->sender_eid &&
                       a->notice.acknowledges == b->notice.acknowledges && a->notice.value == b->notice.value &&
                       a->notice.challenge == b->notice.challenge &&
                       memcmp(a->notice.lock, b->notice.lock, sizeof(a->notice.lock)) == 0;

        case FLOW_MESSAGE_RESET:
                return a->receiver_eid == b->receiver_eid && a->sender_eid == b->sender_eid &&
                       memcmp(a->reset, b->reset, sizeof(a->reset)) == 0;

        case FLOW_MESSAGE_PIECE:
                return a->sender == b->sender && (a->piece_size == 0 || memcmp(a->piece, b->piece, a->piece_size) == 0);
        }

        return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const size_t hash_sizes[] = { 32, 28, 48, 64 };
        uint8_t built[FLOW_MESSAGE_BYTES_MAX];
        FlowMessage message, again;
        size_t hash_size;
        ssize_t n;

        if (size == 0)
                return 0;

        hash_size = hash_sizes[data[0] & 3];
        data++;
        size--;

        if (flow_message_parse(data, size, hash_size, &message) < 0)
                return 0;

        n = flow_message_pack(&message, built, sizeof(built));
        if (n < (ssize_t) FLOW_MESSAGE_HEADER_BYTES || (size_t) n > size)
                abort();
        if (flow_message_parse(built, (size_t) n, hash_size, &again) < 0 || !says_the_same(&message, &again))
                abort();

        return 0;
}
