/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What applications see of flows that have a transfer. The calls are those of raw flows, under one mutex:
 * flow-transfer-recv.c reads, flow-transfer-send.c writes and flushes; here is what is asked of both.
 */

#include "libo7s/transfer.h"

uint32_t transfer_events(o7s_flow *flow) {
        Transfer *t = flow->transfer;
        uint32_t events;

        transfer_lock(t);
        transfer_pump(t);
        if (transfer_events_now(t) == 0)
                transfer_drain(t);
        transfer_pump(t);
        transfer_settle(t, true);
        transfer_look_at_path(t);
        events = transfer_events_now(t);
        transfer_unlock(t, false);

        return events;
}

static void frct_count(Transfer *t, struct o7s_flow_stats *ret) {
        FrctStats stats;

        frct_stats(t->frct, &stats);
        ret->rtt_ns = stats.rtt;
        ret->rtt_variance_ns = stats.rtt_variance;
        ret->lost = stats.lost;
        ret->retransmitted = stats.retransmitted;
        ret->duplicates = stats.duplicates;
        ret->marked = stats.marked;
        ret->acknowledged_bytes = stats.bytes_acknowledged;
        ret->unacknowledged_bytes = stats.bytes_unacknowledged;
        ret->tx_rate = stats.send_rate;
        ret->path_rate = stats.delivery_rate;
        ret->window = stats.window;
        ret->packet_max = (uint32_t) stats.packet_max;
        ret->drops[O7S_DROP_MALFORMED] += stats.malformed + stats.out_of_window;
        ret->tx_queued += stats.messages_unacknowledged;
}

void transfer_stats(o7s_flow *flow, struct o7s_flow_stats *ret) {
        Transfer *t = flow->transfer;

        transfer_lock(t);
        transfer_look_at_path(t);
        if (t->frct)
                frct_count(t, ret);
        else
                ret->rx_queued += t->content_size > 0;          /* out of the lane, and not read */
        ret->drops[O7S_DROP_MALFORMED] += t->n_unchecked;
        ret->drops[O7S_DROP_TOO_LARGE] += t->n_too_large;
        ret->drops[O7S_DROP_QUEUE_FULL] += t->n_unread;
        transfer_seal_stats(t, ret);
        transfer_unlock(t, false);
}

const char *transfer_why(const Transfer *t) {
        int error = __atomic_load_n(&t->gave_up, __ATOMIC_RELAXED);

        if (error == 0)
                return NULL;

        switch (error) {
        case -ETIMEDOUT:
                return "Nothing of what was sent was acknowledged for two minutes. The path, or the "
                       "program on the other side, is gone. Open a new flow";
        case -EKEYEXPIRED:
                return "The keys of the flow have been used for as long as they may, and the other side "
                       "took no part in agreeing on new ones. Open a new flow";
        default:
                return "The other side breaks the rules of reliable transfer, the flow was ended";
        }
}
