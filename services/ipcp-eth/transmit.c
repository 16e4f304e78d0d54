/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Down: step 8 of a packet's walk. What was pushed leaves through one call for the whole burst. */

#include "services/ipcp-eth/flow.h"

static unsigned send_frames(Ethernet *e, Cube cube, Packet *const *frames, unsigned n) {
        unsigned n_sent = e->events->send(e->userdata, cube, frames, n);

        for (unsigned i = 0; i < n_sent; i++) {
                e->counters.tx_packets++;
                e->counters.tx_bytes += packet_size(frames[i]);
        }

        return n_sent;
}

static bool send_one(Ethernet *e, Cube cube, const Frame *frame, Packet *packet) {
        int r;

        if (!e->link.up) {
                counters_drop(&e->counters, DROP_LINK_DOWN);
                return false;
        }

        r = e->framing->push(e->ether_type, frame, packet);
        if (r < 0) {
                counters_drop(&e->counters, DROP_TOO_LARGE);
                return false;
        }

        if (send_frames(e, cube, &packet, 1) == 0) {
                counters_drop(&e->counters, DROP_SEND_FAILED);
                return false;
        }

        return true;
}

/* Messages are few, and flows wait for them: they go ahead of bulk. But for the close, which is not to overtake what
 * the flow sent before. */
static Cube message_cube(const ManagementMessage *message) {
        return message->code == MANAGEMENT_CLOSE ? CUBE_BEST_EFFORT : CUBE_VOICE;
}

bool eth_send_message(Ethernet *e, const FrameAddress *to, const FrameAddress *from,
                      const ManagementMessage *message) {
        const Frame frame = { .destination = *to, .source = *from, .management = true };
        int r;

        packet_reset(e->message);

        r = management_push(e->framing, e->hash_size, message, e->message);
        if (r < 0 || packet_size(e->message) > e->payload_max) {
                counters_drop(&e->counters, DROP_TOO_LARGE);
                return false;
        }

        return send_one(e, message_cube(message), &frame, e->message);
}

static Frame data_frame(const EthernetFlow *flow) {
        return (Frame) {
                .destination = flow->peer,
                .source = flow->local,
                .receiver = flow->peer_endpoint,
                .sender = flow->endpoint,
        };
}

bool eth_send_keepalive(Ethernet *e, EthernetFlow *flow, usec_t now) {
        const Frame frame = data_frame(flow);

        packet_reset(e->message);

        /* Also where it could not be sent: the next one is due a quarter of the time-out later, not at once. */
        liveness_sent(&flow->liveness, now);
        return send_one(e, cube_from_qos(&flow->layer.qos), &frame, e->message);
}

unsigned eth_transmit(Ethernet *e, EthernetFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        const Frame frame = data_frame(flow);
        Packet *frames[ETHERNET_BURST_MAX];
        unsigned origin[ETHERNET_BURST_MAX], n_frames = 0, n_sent;
        uint32_t packet_max = ethernet_packet_max(e);

        assert(n <= ETHERNET_BURST_MAX);

        if (flow->layer.state != LAYER_FLOW_ESTABLISHED || !e->link.up) {
                e->counters.drops[e->link.up ? DROP_FLOW_CLOSED : DROP_LINK_DOWN] += n;
                return n;
        }

        for (unsigned i = 0; i < n; i++) {
                if (packet_size(packets[i]) > packet_max ||
                    e->framing->push(e->ether_type, &frame, packets[i]) < 0) {
                        counters_drop(&e->counters, DROP_TOO_LARGE);
                        continue;
                }

                origin[n_frames] = i;
                frames[n_frames++] = packets[i];
        }

        if (n_frames == 0)
                return n;

        n_sent = send_frames(e, layer_flow_cube(&flow->layer), frames, n_frames);
        if (n_sent > 0) {
                liveness_sent(&flow->liveness, now);
                flow_probe(flow, now);
        }
        if (n_sent == n_frames)
                return n;

        /* What the socket did not take comes again, without the header that it has now. */
        for (unsigned i = n_sent; i < n_frames; i++)
                (void) packet_pull(frames[i], e->framing->header_bytes);

        return origin[n_sent];
}
