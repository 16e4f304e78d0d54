/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an established flow has to say to our next life, beside what is common to all layers:
 *
 *    0  our address                        6
 *    6  the peer's                         6
 *   12  our endpoint id, the peer's        u16 each
 *   16  another endpoint id of ours        u16; 0: there is none
 *   18  what that is                       u8: 0 the one before, 1 the one that the peer is being told of
 */

#include "services/ipcp-eth/flow.h"

#define FLOW_SAVED_BYTES 19U

size_t ethernet_flow_save(const EthernetFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]) {
        Writer w = writer_to(bytes, LAYER_FLOW_BYTES_MAX);

        writer_bytes(&w, flow->local.bytes, FRAME_ADDRESS_BYTES);
        writer_bytes(&w, flow->peer.bytes, FRAME_ADDRESS_BYTES);
        writer_be16(&w, flow->endpoint);
        writer_be16(&w, flow->peer_endpoint);
        writer_be16(&w, flow->next_endpoint != 0 ? flow->next_endpoint : flow->old_endpoint);
        writer_u8(&w, flow->next_endpoint != 0);
        return FLOW_SAVED_BYTES;
}

typedef struct Saved {
        FrameAddress local;
        FrameAddress peer;
        uint16_t endpoint;
        uint16_t peer_endpoint;
        uint16_t other_endpoint;
        bool is_next;
} Saved;

static int saved_parse(const LayerFlowRecord *record, Saved *ret) {
        Cursor c = cursor_from(record->bytes, record->size);
        Saved saved = {};
        uint8_t what;

        cursor_copy(&c, saved.local.bytes, FRAME_ADDRESS_BYTES);
        cursor_copy(&c, saved.peer.bytes, FRAME_ADDRESS_BYTES);
        saved.endpoint = cursor_be16(&c);
        saved.peer_endpoint = cursor_be16(&c);
        saved.other_endpoint = cursor_be16(&c);
        what = cursor_u8(&c);
        if (c.bad || c.left > 0 || what > 1 || saved.peer_endpoint == 0 || !frame_address_is_station(&saved.local) ||
            !frame_address_is_station(&saved.peer))
                return -EBADMSG;

        saved.is_next = what == 1;
        *ret = saved;
        return 0;
}

static int take_again(EthernetFlow *flow, uint16_t endpoint, uint16_t *ret) {
        int r = shim_endpoints_take_again(flow->ethernet->endpoints, endpoint, flow);

        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        *ret = endpoint;
        return 0;
}

/* The keys come with what is common. A rotation that had begun goes on, for the peer may know of it or not. */
static void restore_upkeep(EthernetFlow *flow, const LayerFlowRecord *record, usec_t now) {
        if (!record->control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->ethernet->upkeep, now);
        liveness_proven(&flow->liveness, now);
        if (flow->next_endpoint != 0)
                flow_upkeep_rotate(&flow->upkeep, flow->next_endpoint, now);
        else if (flow->old_endpoint != 0)
                flow->upkeep.old_until = usec_add(now, FLOW_OLD_MAX_USEC);
}

int ethernet_flow_restore(Ethernet *e, const LayerFlowRecord *record, usec_t now, EthernetFlow **ret) {
        _cleanup_(ethernet_flow_freep) EthernetFlow *flow = NULL;
        Saved saved;
        int r;

        r = saved_parse(record, &saved);
        if (r < 0)
                return r;

        r = ethernet_flow_new_bare(e, record->key.flow_id, (uint32_t) record->key.attempt, &flow);
        if (r < 0)
                return r;

        r = take_again(flow, saved.endpoint, &flow->endpoint);
        if (r >= 0 && saved.other_endpoint != 0)
                r = take_again(flow, saved.other_endpoint, saved.is_next ? &flow->next_endpoint : &flow->old_endpoint);
        if (r < 0)
                return r;

        flow->local = saved.local;
        flow->peer = saved.peer;
        flow->peer_endpoint = saved.peer_endpoint;
        liveness_init(&flow->liveness, record->qos.timeout_ms, now);
        restore_upkeep(flow, record, now);

        r = ethernet_flow_watch(flow, MIN(liveness_next(&flow->liveness), flow_upkeep_next(&flow->upkeep)));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}
