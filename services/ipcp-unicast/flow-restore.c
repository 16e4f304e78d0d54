/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an established flow has to say to our next life, beside what is common to all layers:
 *
 *    0  our endpoint id             u64
 *    8  the peer's endpoint id      u64
 *   16  the peer's address          u64
 *   24  our address, as it knows it u64
 *   32  another endpoint id of ours u64; 0: there is none
 *   40  what that is                u8: 0 the one before, 1 the one that the peer is being told of
 *
 * Its cube follows from the QoS. Congestion starts anew, as on a new path.
 */

#include "basic/cursor.h"
#include "services/ipcp-unicast/address.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/pci.h"

#define FLOW_SAVED_BYTES 41U

size_t unicast_flow_save(const UnicastFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]) {
        Writer w = writer_to(bytes, LAYER_FLOW_BYTES_MAX);

        writer_be64(&w, flow->eid);
        writer_be64(&w, flow->peer_eid);
        writer_be64(&w, flow->peer_address);
        writer_be64(&w, flow->own_address);
        writer_be64(&w, flow->next_eid != 0 ? flow->next_eid : flow->old_eid);
        writer_u8(&w, flow->next_eid != 0);
        return FLOW_SAVED_BYTES;
}

bool unicast_address_fits(const Unicast *u, uint64_t address) {
        return address != ADDRESS_NONE && (u->format.address_bytes >= 8 || address >> 8 * u->format.address_bytes == 0);
}

typedef struct Saved {
        uint64_t eid;
        uint64_t peer_eid;
        uint64_t peer_address;
        uint64_t own_address;
        uint64_t other_eid;
        bool is_next;
} Saved;

static int saved_parse(const Unicast *u, const LayerFlowRecord *record, Saved *ret) {
        Cursor c = cursor_from(record->bytes, record->size);
        Saved saved = {};
        uint8_t what;

        saved.eid = cursor_be64(&c);
        saved.peer_eid = cursor_be64(&c);
        saved.peer_address = cursor_be64(&c);
        saved.own_address = cursor_be64(&c);
        saved.other_eid = cursor_be64(&c);
        what = cursor_u8(&c);
        if (c.bad || c.left > 0 || what > 1 || saved.peer_eid < EID_FLOWS ||
            !unicast_address_fits(u, saved.peer_address) || !unicast_address_fits(u, saved.own_address))
                return -EBADMSG;

        saved.is_next = what == 1;
        *ret = saved;
        return 0;
}

static int take_again(UnicastFlow *flow, uint64_t eid, uint64_t *ret) {
        int r = eids_take_again(flow->unicast->eids, eid, flow);

        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        *ret = eid;
        return 0;
}

/* The keys come with what is common. A rotation that had begun goes on, for the peer may know of it or not; and so
 * does a move. */
static void restore_upkeep(UnicastFlow *flow, const LayerFlowRecord *record, usec_t now) {
        if (!record->control.present)
                return;

        flow_upkeep_init(&flow->upkeep, &flow->unicast->upkeep, now);
        liveness_proven(&flow->liveness, now);
        if (flow->next_eid != 0)
                flow_upkeep_rotate(&flow->upkeep, flow->next_eid, now);
        else if (flow->old_eid != 0)
                flow->upkeep.old_until = usec_add(now, FLOW_OLD_MAX_USEC);
        if (flow->own_address != flow->unicast->address)
                flow_upkeep_move(&flow->upkeep, flow->unicast->address, now);
}

int unicast_flow_restore(Unicast *u, const LayerFlowRecord *record, usec_t now, UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        Saved saved;
        int r;

        r = u->is_member ? saved_parse(u, record, &saved) : -EBADMSG;
        if (r < 0)
                return r;

        r = unicast_flow_new_bare(u, record->key.flow_id, (uint32_t) record->key.attempt, &record->qos, now, &flow);
        if (r < 0)
                return r;

        r = take_again(flow, saved.eid, &flow->eid);
        if (r >= 0 && saved.other_eid != 0)
                r = take_again(flow, saved.other_eid, saved.is_next ? &flow->next_eid : &flow->old_eid);
        if (r < 0)
                return r;

        flow->peer_eid = saved.peer_eid;
        flow->peer_address = saved.peer_address;
        flow->own_address = saved.own_address;
        restore_upkeep(flow, record, now);

        r = unicast_flow_watch(flow, MIN(liveness_next(&flow->liveness), flow_upkeep_next(&flow->upkeep)));
        if (r < 0)
                return r;

        flow_way_begin(flow, now);
        *ret = TAKE_PTR(flow);
        return 0;
}
