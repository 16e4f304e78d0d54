/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes of member-state.h. They come back from a process of ours that was killed, perhaps for a reason. */

#include "services/ipcp-unicast/address.h"
#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/member-state.h"

#define CONFIG_NUMBERS(X)                                                                                         \
        X(address_bytes) X(eid_bytes) X(ttl_max) X(address_policy) X(congestion) X(forwarding) X(recalculate_sec)   \
        X(update_sec) X(timeout_sec) X(alpha) X(k) X(expire_sec) X(refresh_sec) X(replicate_sec)

size_t member_state_pack(const MemberState *state, uint8_t bytes[MEMBER_STATE_BYTES_MAX]) {
        Writer w = writer_to(bytes, MEMBER_STATE_BYTES_MAX);
        size_t n = strlen(state->config.layer);

        writer_be64(&w, state->address);
        writer_be64(&w, state->sequence);
        writer_be32(&w, (uint32_t) state->config.type);
        writer_be32(&w, (uint32_t) state->config.hash);
#define WRITE(member) writer_be32(&w, state->config.member);
        CONFIG_NUMBERS(WRITE)
#undef WRITE
        writer_u8(&w, (uint8_t) n);
        writer_bytes(&w, state->config.layer, n);
        if (state->config.have_id)
                writer_bytes(&w, state->config.id, sizeof(state->config.id));

        assert(!w.bad);
        return w.written;
}

int member_state_parse(const uint8_t *bytes, size_t size, MemberState *ret) {
        Cursor c = cursor_from(bytes, size);
        MemberState state = {};
        uint32_t type, hash;
        const char *problem;
        size_t n;
        int r;

        state.address = cursor_be64(&c);
        state.sequence = cursor_be64(&c);
        type = cursor_be32(&c);
        hash = cursor_be32(&c);
#define READ(member) state.config.member = cursor_be32(&c);
        CONFIG_NUMBERS(READ)
#undef READ
        n = cursor_u8(&c);
        cursor_copy(&c, state.config.layer, n);
        state.config.have_id = c.left > 0;
        if (state.config.have_id)
                cursor_copy(&c, state.config.id, sizeof(state.config.id));
        if (c.bad || c.left > 0 || strlen(state.config.layer) != n || !flow_name_is_valid_on_wire(state.config.layer))
                return -EBADMSG;
        if (type != LAYER_UNICAST || hash >= _HASH_ALGORITHM_MAX || state.sequence > LSA_SEQUENCE_MAX)
                return -EBADMSG;

        state.config.type = LAYER_UNICAST;
        state.config.hash = (HashAlgorithm) hash;
        r = layer_config_check(&state.config, &problem);
        if (r < 0)
                return r;
        if (state.address == ADDRESS_NONE ||
            (state.config.address_bytes < 8 && state.address >> 8 * state.config.address_bytes != 0))
                return -EBADMSG;

        *ret = state;
        return 0;
}

void member_state_pack_left(const MemberState *state, uint8_t bytes[MEMBER_STATE_LEFT_BYTES]) {
        Writer w = writer_to(bytes, MEMBER_STATE_LEFT_BYTES);

        writer_be64(&w, state->address);
        writer_be64(&w, state->sequence);
}

int member_state_parse_left(const uint8_t *bytes, size_t size, MemberState *ret) {
        Cursor c = cursor_from(bytes, size);
        MemberState state = {};

        state.address = cursor_be64(&c);
        state.sequence = cursor_be64(&c);
        if (c.bad || c.left > 0 || state.address == ADDRESS_NONE || state.address > UINT32_MAX ||
            state.sequence > LSA_SEQUENCE_MAX)
                return -EBADMSG;

        *ret = state;
        return 0;
}
