/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tag is over: code u8 | sender's endpoint id u64 | receiver's u64 | counter u64 | content. The fields before the
 * content have fixed sizes, so two different messages are never the same bytes.
 */

#include "services/common/flow-control.h"

#define TEXT_BYTES_MAX (1U + 3U * 8U + FLOW_CONTROL_CONTENT_BYTES_MAX)
#define RESET_PEER_BYTES_MAX 28U

static const char reset_label[] = "o7s reset";

void flow_control_init(FlowControl *control, const LayerControl *keys, bool confirmed) {
        *control = (FlowControl) { .present = keys->present, .confirmed = keys->present && confirmed };
        if (!keys->present)
                return;

        memcpy(control->send, keys->send, sizeof(control->send));
        memcpy(control->receive, keys->receive, sizeof(control->receive));
}

void flow_control_wipe(FlowControl *control) {
        bool wiped = control->present || control->wiped;

        explicit_bzero(control, sizeof(*control));
        control->wiped = wiped;
}

bool flow_control_equal(const uint8_t *a, const uint8_t *b, size_t size) {
        uint8_t difference = 0;

        for (size_t i = 0; i < size; i++)
                difference |= a[i] ^ b[i];

        return difference == 0;
}

static int make_tag(const uint8_t key[LAYER_CONTROL_KEY_BYTES], const FlowControlText *text, uint64_t counter,
                    uint8_t ret[FLOW_CONTROL_TAG_BYTES]) {
        uint8_t bytes[TEXT_BYTES_MAX], tag[HMAC_BYTES];
        Writer w = writer_to(bytes, sizeof(bytes));
        int r;

        assert(text->content_size <= FLOW_CONTROL_CONTENT_BYTES_MAX);

        writer_u8(&w, text->code);
        writer_be64(&w, text->sender);
        writer_be64(&w, text->receiver);
        writer_be64(&w, counter);
        writer_bytes(&w, text->content, text->content_size);
        assert(!w.bad);

        r = hash_hmac(key, LAYER_CONTROL_KEY_BYTES, bytes, w.written, tag);
        if (r >= 0)
                memcpy(ret, tag, FLOW_CONTROL_TAG_BYTES);
        explicit_bzero(tag, sizeof(tag));       /* the rest of it is nobody's */
        return r;
}

int flow_control_prove(FlowControl *control, const FlowControlText *text, FlowControlProof *ret) {
        FlowControlProof proof = { .counter = control->sent + 1 };
        int r;

        assert(control->present);

        if (control->sent == UINT64_MAX)
                return -EOVERFLOW;

        r = make_tag(control->send, text, proof.counter, proof.tag);
        if (r < 0)
                return r;

        control->sent = proof.counter;
        *ret = proof;
        return 0;
}

int flow_control_check(FlowControl *control, const FlowControlText *text, const FlowControlProof *proof) {
        uint8_t tag[FLOW_CONTROL_TAG_BYTES];
        bool genuine;
        int r;

        if (!control->present)
                return control->wiped ? -ESTALE : -ENOKEY;
        if (!proof)
                return -EBADMSG;

        r = make_tag(control->receive, text, proof->counter, tag);
        if (r < 0)
                return r;

        genuine = flow_control_equal(tag, proof->tag, sizeof(tag));
        explicit_bzero(tag, sizeof(tag));       /* of a forged message it is what would have been right */
        if (!genuine)
                return -EBADMSG;
        if (proof->counter <= control->received)
                return -EALREADY;

        control->received = proof->counter;
        control->confirmed = true;
        return 0;
}

int flow_control_check_close(FlowControl *control, const FlowControlText *text, const FlowControlProof *proof,
                             bool token_fits) {
        int r = flow_control_check(control, text, proof);

        if (r >= 0 || control->confirmed || r == -ESTALE)
                return r;

        return token_fits ? 0 : -EKEYREJECTED;
}

DropReason flow_control_drop_reason(int r) {
        switch (r) {

        case -EALREADY:
                return DROP_REPLAYED;

        case -ESTALE:
                return DROP_FLOW_CLOSED;

        case -EKEYREJECTED:
                return DROP_WRONG_SOURCE;

        default:
                return DROP_FORGED;
        }
}

void flow_control_proof_write(Writer *w, const FlowControlProof *proof) {
        writer_be64(w, proof->counter);
        writer_bytes(w, proof->tag, sizeof(proof->tag));
}

void flow_control_proof_read(Cursor *c, FlowControlProof *ret) {
        ret->counter = cursor_be64(c);
        cursor_copy(c, ret->tag, sizeof(ret->tag));
}

/* -- resets -- */

int flow_reset_token(const uint8_t key[FLOW_RESET_KEY_BYTES], uint64_t endpoint, const uint8_t *peer, size_t peer_size,
                     uint64_t peer_endpoint, uint8_t ret[FLOW_RESET_BYTES]) {
        uint8_t bytes[8 + RESET_PEER_BYTES_MAX + 8], token[HMAC_BYTES];
        Writer w = writer_to(bytes, sizeof(bytes));
        int r;

        assert(peer_size <= RESET_PEER_BYTES_MAX);

        writer_be64(&w, endpoint);
        writer_bytes(&w, peer, peer_size);
        writer_be64(&w, peer_endpoint);

        r = hash_hmac(key, FLOW_RESET_KEY_BYTES, bytes, w.written, token);
        if (r >= 0)
                memcpy(ret, token, FLOW_RESET_BYTES);
        explicit_bzero(token, sizeof(token));
        return r;
}

int flow_reset_lock(const uint8_t token[FLOW_RESET_BYTES], uint8_t ret[FLOW_RESET_BYTES]) {
        uint8_t bytes[sizeof(reset_label) - 1 + FLOW_RESET_BYTES], digest[HASH_BYTES_MAX];
        ssize_t n;

        memcpy(bytes, reset_label, sizeof(reset_label) - 1);
        memcpy(bytes + sizeof(reset_label) - 1, token, FLOW_RESET_BYTES);

        n = hash_compute(HASH_SHA256, bytes, sizeof(bytes), digest);
        if (n < 0)
                return (int) n;

        memcpy(ret, digest, FLOW_RESET_BYTES);
        return 0;
}

int flow_reset_own_lock(const uint8_t key[FLOW_RESET_KEY_BYTES], uint64_t endpoint, const uint8_t *peer,
                        size_t peer_size, uint64_t peer_endpoint, uint8_t ret[FLOW_RESET_BYTES]) {
        uint8_t token[FLOW_RESET_BYTES];
        int r;

        r = flow_reset_token(key, endpoint, peer, peer_size, peer_endpoint, token);
        if (r >= 0)
                r = flow_reset_lock(token, ret);
        explicit_bzero(token, sizeof(token));
        return r;
}

bool flow_reset_fits(const uint8_t lock[FLOW_RESET_BYTES], const uint8_t token[FLOW_RESET_BYTES]) {
        uint8_t expected[FLOW_RESET_BYTES];

        return flow_reset_lock(token, expected) >= 0 && flow_control_equal(lock, expected, sizeof(expected));
}
