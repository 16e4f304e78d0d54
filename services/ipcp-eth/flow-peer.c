/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What ends a flow at the other host's word, and how it is proven. Where the handshake gave them control keys,
 * everything has its proof, and what has none counts for nothing but in the statistics; a peer without keys can close
 * the flow by its token, as ever, and that is all. Who answered a request has to take a close without proof until it
 * knows that the other one has the keys too.
 *
 * A reset is the answer of a host that lost the flow, and with it the keys: it has a token instead.
 */

#include "services/ipcp-eth/flow.h"

/* -- close -- */

static ManagementMessage close_message(const EthernetFlow *flow) {
        return (ManagementMessage) {
                .code = MANAGEMENT_CLOSE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .token = flow->layer.tokens.peer,
                .has_proof = flow->has_close_proof,
                .proof = flow->close_proof,
        };
}

void flow_seal_close(EthernetFlow *flow) {
        const ManagementMessage message = close_message(flow);
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        if (!flow->layer.control.present)
                return;

        management_text(&message, content, &text);
        flow->has_close_proof = flow_control_prove(&flow->layer.control, &text, &flow->close_proof) >= 0;
}

void flow_send_close(EthernetFlow *flow, usec_t now) {
        const ManagementMessage message = close_message(flow);

        if (!flow->layer.tokens.have_peer || flow->peer_endpoint == 0 || flow->peer_closed)
                return;

        flow->close_sent = now;
        (void) eth_send_message(flow->ethernet, &flow->peer, &flow->local, &message);
}

/* -- what is to be proven -- */

int flow_check_proof(EthernetFlow *flow, const ManagementMessage *message) {
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        management_text(message, content, &text);
        return flow_control_check(&flow->layer.control, &text, message->has_proof ? &message->proof : NULL);
}

void flow_drop_unproven(EthernetFlow *flow, int r) {
        counters_drop(&flow->ethernet->counters, flow_control_drop_reason(r));
}

/* The token is one that nobody else has; the endpoint id says that the peer means this flow. */
static int check_close(EthernetFlow *flow, const ManagementMessage *message) {
        bool token_fits = flow->peer_endpoint == message->sender &&
                          layer_flow_token_matches(&flow->layer, message->token);
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControlText text;

        management_text(message, content, &text);
        return flow_control_check_close(&flow->layer.control, &text, message->has_proof ? &message->proof : NULL,
                                        token_fits);
}

void flow_close_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);
        int r;

        if (!flow)
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);

        /* The address and the id say that the peer means this flow. */
        if (!frame_address_equal(&frame->source, &flow->peer))
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);

        r = check_close(flow, message);
        if (r < 0)
                return flow_drop_unproven(flow, r);

        flow->peer_closed = true;

        /* What the peer wrote before it closed is still to be read: the end waits until somebody can. */
        if (flow->layer.state == LAYER_FLOW_ANSWERED && flow->early.n > 0)
                return;
        if (flow_is_live(flow))
                ethernet_flow_down(flow, CLOSE_NORMAL, now);
}

/* -- resets -- */

/* By the endpoint id that the peer will know once it has understood what we said last. */
int flow_own_lock(const EthernetFlow *flow, const FrameAddress *peer, uint8_t ret[FLOW_RESET_BYTES]) {
        uint16_t endpoint = flow->next_endpoint != 0 ? flow->next_endpoint : flow->endpoint;

        return flow_reset_own_lock(flow->ethernet->reset_key, endpoint, peer->bytes, FRAME_ADDRESS_BYTES,
                                   flow->peer_endpoint, ret);
}

/* With so few endpoint ids as LLC has, all tokens could be asked for, and kept, before there are flows for them. */
#define RESET_ENDPOINTS_MIN 4096U

/* We lost this flow, or never had it: whoever has the lock that this token fits did not lose it. */
void flow_send_reset(Ethernet *e, const Frame *frame, const ManagementMessage *lost, usec_t now) {
        uint8_t token[FLOW_RESET_BYTES];
        const ManagementMessage message = {
                .code = MANAGEMENT_RESET,
                .sender = lost->receiver,
                .receiver = lost->sender,
                .token = token,
        };

        if (e->framing->endpoint_max < RESET_ENDPOINTS_MIN)
                return;
        if (!limit_take(&e->reset_limit, frame->source.bytes, FRAME_ADDRESS_BYTES, now))
                return counters_drop(&e->counters, DROP_LIMIT);
        if (flow_reset_token(e->reset_key, lost->receiver, frame->source.bytes, FRAME_ADDRESS_BYTES, lost->sender,
                             token) < 0)
                return;

        e->upkeep_counters.resets_sent += eth_send_message(e, &frame->source, &e->link.address, &message);
}

void flow_reset_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        EthernetFlow *flow = shim_endpoints_get(e->endpoints, message->receiver);

        if (!flow || !flow_is_live(flow))
                return counters_drop(&e->counters, DROP_UNKNOWN_ENDPOINT);
        if (!frame_address_equal(&frame->source, &flow->peer) || message->sender != flow->peer_endpoint)
                return counters_drop(&e->counters, DROP_WRONG_SOURCE);
        if (!layer_flow_reset_fits(&flow->layer, message->token))
                return counters_drop(&e->counters, DROP_FORGED);

        e->upkeep_counters.resets_taken++;
        flow->peer_closed = true;
        ethernet_flow_down(flow, CLOSE_PEER_DIED, now);
}

/* -- data -- */

bool flow_is_from_peer(const EthernetFlow *flow, const Frame *frame, usec_t now) {
        bool old = now < flow->old_peer_until;

        if (!frame_address_equal(&frame->source, &flow->peer) &&
            !(old && frame_address_equal(&frame->source, &flow->old_peer)))
                return false;

        return !flow->ethernet->framing->carries_sender || frame->sender == flow->peer_endpoint ||
               (old && frame->sender == flow->old_peer_endpoint);
}
