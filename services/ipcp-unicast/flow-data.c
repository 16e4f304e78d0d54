/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What arrives for a flow. Data may come before the application's end is there, as the peer may write as soon as it has
 * our reply: a few packets are held, for all flows together not many.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

void flow_deliver_early(UnicastFlow *flow) {
        Unicast *u = flow->unicast;

        for (;;) {
                _cleanup_(packet_freep) Packet *packet = early_packets_take(&flow->early, &u->n_early);

                if (!packet)
                        return;

                u->events->deliver(u->userdata, flow, &packet, 1, false);
        }
}

static void hold_early(UnicastFlow *flow, const Packet *packet) {
        Unicast *u = flow->unicast;
        int r;

        r = early_packets_hold(&flow->early, &u->n_early, packet);
        if (r < 0)
                counters_drop(&u->counters, r == -EBUSY ? DROP_LIMIT : DROP_NO_MEMORY);
}

/* Reports to the sender are one per burst, with the newest level. */
static void measure(UnicastFlow *flow, unsigned n, uint8_t ecn, usec_t now) {
        uint16_t level = 0;
        bool tell = false;

        for (unsigned i = 0; i < n; i++)
                tell = congestion_received(&flow->congestion, ecn, &level) || tell;

        if (tell)
                flow_send_update(flow, level, now);
}

static void flow_received(UnicastFlow *flow, Packet *const *packets, unsigned n, uint8_t ecn, usec_t now) {
        Unicast *u = flow->unicast;
        Packet *filled[UNICAST_BURST_MAX];
        unsigned n_filled = 0;

        assert(n <= UNICAST_BURST_MAX);

        liveness_heard(&flow->liveness, now);
        /* Who sends to us has our reply; who has keys says so with a proof, and first of all. */
        if (flow->message.bytes && !flow->layer.control.present)
                fragmented_message_done(&flow->message);
        if (flow_upkeep_received(&flow->upkeep, n))
                (void) expiry_set(&u->expiries, &flow->expiry, now);

        for (unsigned i = 0; i < n; i++)
                if (packet_size(packets[i]) > 0)        /* else a keepalive */
                        filled[n_filled++] = packets[i];
        if (n_filled == 0)
                return;

        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                u->events->deliver(u->userdata, flow, filled, n_filled, ecn != 0);
        else
                for (unsigned i = 0; i < n_filled; i++)
                        hold_early(flow, filled[i]);

        measure(flow, n_filled, ecn, now);
}

void flow_answer_after_close(UnicastFlow *flow, usec_t now) {
        if (now >= usec_add(flow->close_sent, FLOW_CLOSE_ANSWER_USEC))
                flow_send_close(flow, now);
}

void flow_data_received(Unicast *u, UnicastFlow *flow, Packet *const *packets, unsigned n, uint8_t ecn, usec_t now) {
        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_REQUESTED:
        case LAYER_FLOW_ABANDONED:
                u->counters.drops[DROP_UNKNOWN_ENDPOINT] += n;
                return;

        case LAYER_FLOW_ANSWERED:
        case LAYER_FLOW_ESTABLISHED:
                return flow_received(flow, packets, n, ecn, now);

        case LAYER_FLOW_CLOSED:
                u->counters.drops[DROP_FLOW_CLOSED] += n;
                return flow_answer_after_close(flow, now);

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}
