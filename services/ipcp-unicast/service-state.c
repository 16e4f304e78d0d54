/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What outlives our process, should it be killed: that we are a member, by which address, and from which number on our
 * links go on (member-state.h), so that nobody takes old news for new ones. Neighbours are found again as they were the
 * first time. The sequence is kept some way ahead of what was used, so that it need not be written for each link. One
 * that leaves in good order, and is started again at once, joins anew, but by the same address.
 */

#include "basic/log.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/member-state.h"
#include "services/ipcp-unicast/routing.h"
#include "services/ipcp-unicast/service.h"

#define SEQUENCE_AHEAD 4096U            /* how far ahead it is kept */
#define SEQUENCE_NEAR 2048U             /* kept anew once no more than this is left */

void service_keep_state(Service *s) {
        const Unicast *u = &s->unicast;
        uint8_t bytes[MEMBER_STATE_BYTES_MAX];
        MemberState state;
        uint64_t used;
        int r;

        if (!u->is_member)
                return;

        used = MAX(routing_sequence(u->routing), u->sequence);
        if (s->kept_sequence > 0 && used + SEQUENCE_NEAR < s->kept_sequence)
                return;

        s->kept_sequence = used + SEQUENCE_AHEAD;
        state = (MemberState) { .address = u->address, .sequence = s->kept_sequence, .config = u->layer };

        r = layer_keep_block(s->layer, bytes, member_state_pack(&state, bytes));
        if (r < 0)
                log_debug_errno(r, "What we are as a member cannot be kept: %m");
}

void service_forget_state(Service *s) {
        const Unicast *u = &s->unicast;
        uint8_t bytes[MEMBER_STATE_LEFT_BYTES];
        MemberState state;

        if (!u->is_member || u->address > UINT32_MAX)
                return (void) layer_keep_block(s->layer, "", 0);

        state = (MemberState) { .address = u->address, .sequence = MAX(routing_sequence(u->routing), u->sequence) + 1 };
        member_state_pack_left(&state, bytes);
        (void) layer_keep_block(s->layer, bytes, sizeof(bytes));
}

int service_restore(Service *s) {
        int r;

        r = layer_restore(s->layer);
        if (r < 0)
                return r;

        memcpy(s->unicast.reset_key, layer_reset_key(s->layer), sizeof(s->unicast.reset_key));
        return 0;
}

/* -- what the common part calls -- */

void service_restore_block(void *userdata, const uint8_t *bytes, size_t size, usec_t now) {
        Service *s = userdata;
        MemberState state;
        int r;

        /* It joins as any other, by an address that is not drawn anew. */
        if (member_state_parse_left(bytes, size, &state) >= 0) {
                s->unicast.address = state.address;
                s->unicast.sequence = state.sequence;
                return;
        }

        r = member_state_parse(bytes, size, &state);
        if (r >= 0)
                r = unicast_restore(&s->unicast, &state.config, state.address, state.sequence, now);
        if (r < 0)
                log_warning_errno(r, "Cannot be the member of before, joining anew: %m");
}

ssize_t service_save_flow(void *userdata, const LayerFlow *flow, uint8_t ret_bytes[LAYER_FLOW_BYTES_MAX]) {
        return (ssize_t) unicast_flow_save(container_of(flow, UnicastFlow, layer), ret_bytes);
}

int service_restore_flow(void *userdata, const LayerFlowRecord *record, usec_t now, LayerFlow **ret) {
        Service *s = userdata;
        UnicastFlow *flow;
        int r;

        r = unicast_flow_restore(&s->unicast, record, now, &flow);
        if (r < 0)
                return r;

        *ret = &flow->layer;
        return 0;
}
