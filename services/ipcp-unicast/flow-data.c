/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What arrives for a flow. Data may come before the application's end is there, as the peer may write as soon as it has
 * our reply: a few packets are held, for all flows together not many.
 */

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"

struct EarlyPacket {
        EarlyPacket *next;
        Packet *packet;                 /* owned */
};

void flow_drop_early(UnicastFlow *flow) {
        while (flow->early) {
                EarlyPacket *early = flow->early;

                flow->early = early->next;
                packet_free(early->packet);
                free(early);
        }

        flow->unicast->n_early -= flow->n_early;
        flow->early_end = &flow->early;
        flow->n_early = 0;
}

void flow_deliver_early(UnicastFlow *flow) {
        Unicast *u = flow->unicast;

        for (EarlyPacket *early = flow->early; early; early = early->next)
                u->events->deliver(u->userdata, flow, &early->packet, 1);

        flow_drop_early(flow);
}

static void hold_early(UnicastFlow *flow, const Packet *packet) {
        Unicast *u = flow->unicast;
        _cleanup_free_ EarlyPacket *early = NULL;
        size_t size = packet_size(packet);

        if (flow->n_early >= UNICAST_EARLY_PER_FLOW_MAX || u->n_early >= UNICAST_EARLY_MAX)
                return counters_drop(&u->counters, DROP_LIMIT);

        early = calloc(1, sizeof(*early));
        if (!early || packet_new(size, &early->packet) < 0)
                return counters_drop(&u->counters, DROP_NO_MEMORY);

        memcpy(packet_append(early->packet, size), packet->head, size);
        *flow->early_end = early;
        flow->early_end = &early->next;
        (void) TAKE_PTR(early);
        flow->n_early++;
        u->n_early++;
}

static void send_update(UnicastFlow *flow, uint16_t level, usec_t now) {
        const FlowMessage message = {
                .code = FLOW_MESSAGE_UPDATE,
                .receiver_eid = flow->peer_eid,
                .level = level,
        };

        (void) flow_send_message(flow->unicast, flow->peer_address, &message, now);
}

/* Reports to the sender are one per burst, with the newest level. */
static void measure(UnicastFlow *flow, unsigned n, uint8_t ecn, usec_t now) {
        uint16_t level = 0;
        bool tell = false;

        for (unsigned i = 0; i < n; i++)
                tell = congestion_received(&flow->congestion, ecn, &level) || tell;

        if (tell)
                send_update(flow, level, now);
}

static void flow_received(UnicastFlow *flow, Packet *const *packets, unsigned n, uint8_t ecn, usec_t now) {
        Unicast *u = flow->unicast;
        Packet *filled[UNICAST_BURST_MAX];
        unsigned n_filled = 0;

        assert(n <= UNICAST_BURST_MAX);

        liveness_heard(&flow->liveness, now);
        for (unsigned i = 0; i < n; i++)
                if (packet_size(packets[i]) > 0)        /* else a keepalive */
                        filled[n_filled++] = packets[i];
        if (n_filled == 0)
                return;

        if (flow->layer.state == LAYER_FLOW_ESTABLISHED)
                u->events->deliver(u->userdata, flow, filled, n_filled);
        else
                for (unsigned i = 0; i < n_filled; i++)
                        hold_early(flow, filled[i]);

        measure(flow, n_filled, ecn, now);
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
                if (now >= usec_add(flow->close_sent, FLOW_CLOSE_ANSWER_USEC))
                        flow_send_close(flow, now);
                return;

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                return;
        }
}
