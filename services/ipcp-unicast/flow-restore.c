/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an established flow has to say to our next life, beside what is common to all layers:
 *
 *    0  our endpoint id          u64
 *    8  the peer's endpoint id   u64
 *   16  the peer's address       u64
 *
 * Its cube follows from the QoS. Congestion starts anew, as on a new path.
 */

#include "basic/cursor.h"
#include "services/ipcp-unicast/address.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/pci.h"

#define FLOW_SAVED_BYTES 24U

size_t unicast_flow_save(const UnicastFlow *flow, uint8_t bytes[LAYER_FLOW_BYTES_MAX]) {
        Writer w = writer_to(bytes, LAYER_FLOW_BYTES_MAX);

        writer_be64(&w, flow->eid);
        writer_be64(&w, flow->peer_eid);
        writer_be64(&w, flow->peer_address);
        return FLOW_SAVED_BYTES;
}

static bool address_fits(const Unicast *u, uint64_t address) {
        return address != ADDRESS_NONE && (u->format.address_bytes >= 8 || address >> 8 * u->format.address_bytes == 0);
}

int unicast_flow_restore(Unicast *u, const LayerFlowRecord *record, usec_t now, UnicastFlow **ret) {
        _cleanup_(unicast_flow_freep) UnicastFlow *flow = NULL;
        Cursor c = cursor_from(record->bytes, record->size);
        uint64_t eid, peer_eid, peer_address;
        int r;

        eid = cursor_be64(&c);
        peer_eid = cursor_be64(&c);
        peer_address = cursor_be64(&c);
        if (c.bad || record->size != FLOW_SAVED_BYTES || !u->is_member || peer_eid < EID_FLOWS || !address_fits(u, peer_address))
                return -EBADMSG;

        r = unicast_flow_new_bare(u, record->key.flow_id, (uint32_t) record->key.attempt, &record->qos, now, &flow);
        if (r < 0)
                return r;

        r = eids_take_again(u->eids, eid, flow);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        flow->eid = eid;
        flow->peer_eid = peer_eid;
        flow->peer_address = peer_address;

        r = unicast_flow_watch(flow, liveness_next(&flow->liveness));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}
