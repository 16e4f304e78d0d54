/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Up: step 2 of a packet's walk. A frame is a management message, or data of a flow; consecutive data of one flow is
 * delivered together. Who sends to a flow must be its peer: its hardware address, and with LLC its SAP.
 */

#include "services/ipcp-eth/flow.h"

/* Consecutive packets of one flow, collected for one delivery. */
typedef struct Delivery {
        EthernetFlow *flow;
        unsigned n;
        Packet *packets[ETHERNET_BURST_MAX];
} Delivery;

static void delivery_flush(Ethernet *e, Delivery *delivery) {
        if (delivery->n > 0)
                e->events->deliver(e->userdata, delivery->flow, delivery->packets, delivery->n);

        delivery->flow = NULL;
        delivery->n = 0;
}

static void data_received(Ethernet *e, const Frame *frame, Packet *packet, usec_t now, Delivery *delivery) {
        EthernetFlow *flow;

        if (!frame_address_equal(&frame->destination, &e->link.address))
                return counters_drop(&e->counters, DROP_NOT_FOR_US);

        flow = shim_endpoints_get(e->endpoints, frame->receiver);
        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (!flow_is_from_peer(flow, frame, now))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);

        switch (flow->layer.state) {

        case LAYER_FLOW_STARTING:
        case LAYER_FLOW_REQUESTED:
        case LAYER_FLOW_ABANDONED:
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        case LAYER_FLOW_ANSWERED:
                flow_heard(flow, now);
                if (frame->payload_size > 0)
                        flow_hold_early(flow, packet);
                return;

        case LAYER_FLOW_ESTABLISHED:
                flow_heard(flow, now);
                if (frame->payload_size == 0)
                        return;         /* a keepalive */
                if (delivery->flow != flow)
                        delivery_flush(e, delivery);
                delivery->flow = flow;
                delivery->packets[delivery->n++] = packet;
                return;

        case LAYER_FLOW_CLOSED:
                counters_drop(&e->counters, DROP_FLOW_CLOSED);
                return flow_data_after_close(flow, now);

        case _LAYER_FLOW_STATE_MAX:
        case _LAYER_FLOW_STATE_INVALID:
                break;
        }
}

void eth_management_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        switch ((ManagementCode) message->code) {

        case MANAGEMENT_FLOW_REQUEST:
                return incoming_request_received(e, frame, message, now);

        case MANAGEMENT_FLOW_REPLY:
                return flow_reply_received(e, frame, message, now);

        case MANAGEMENT_NAME_QUERY:
                return name_query_received(e, frame, message, now);

        case MANAGEMENT_NAME_REPLY:
                return name_reply_received(e, frame, message, now);

        case MANAGEMENT_CLOSE:
                return flow_close_received(e, frame, message, now);

        case MANAGEMENT_ROTATE:
        case MANAGEMENT_MOVE:
                return flow_notice_received(e, frame, message, now);

        case MANAGEMENT_RESET:
                return flow_reset_received(e, frame, message, now);

        case MANAGEMENT_PIECE:
                return eth_piece_received(e, frame, message, now);
        }
}

static void management_frame_received(Ethernet *e, const Frame *frame, const Packet *packet, usec_t now) {
        bool broadcast = frame_address_equal(&frame->destination, &FRAME_BROADCAST);
        ManagementMessage message;
        int r;

        if (!broadcast && !frame_address_equal(&frame->destination, &e->link.address))
                return counters_drop(&e->counters, DROP_NOT_FOR_US);

        r = management_parse(e->framing, e->hash_size, packet->head, packet_size(packet), &message);
        if (r < 0)
                return counters_drop(&e->counters, r == -EPROTO ? DROP_UNKNOWN_MESSAGE : DROP_MALFORMED);

        /* Only the question who serves a name goes to everybody. */
        if (broadcast && message.code != MANAGEMENT_NAME_QUERY)
                return counters_drop(&e->counters, DROP_NOT_FOR_US);

        eth_management_received(e, frame, &message, now);
}

static void frame_received(Ethernet *e, Packet *packet, usec_t now, Delivery *delivery) {
        Frame frame;
        int r;

        e->counters.rx_packets++;
        e->counters.rx_bytes += packet_size(packet);

        r = e->framing->parse(e->ether_type, packet->head, packet_size(packet), &frame);
        if (r == -EPROTO)
                return counters_drop(&e->counters, DROP_NOT_FOR_US);
        if (r < 0 || !frame_address_is_station(&frame.source))
                return counters_drop(&e->counters, DROP_MALFORMED);

        /* From here on the packet is the payload, without the padding behind it. */
        (void) packet_pull(packet, frame.payload_offset);
        packet->tail = packet->head + frame.payload_size;

        if (!frame.management)
                return data_received(e, &frame, packet, now, delivery);

        /* What was collected goes first: a close must not overtake the data before it. */
        delivery_flush(e, delivery);
        management_frame_received(e, &frame, packet, now);
}

void eth_receive(Ethernet *e, Packet *const *frames, unsigned n, usec_t now) {
        Delivery delivery = {};

        assert(n <= ETHERNET_BURST_MAX);

        for (unsigned i = 0; i < n; i++)
                frame_received(e, frames[i], now, &delivery);

        delivery_flush(e, &delivery);
}
