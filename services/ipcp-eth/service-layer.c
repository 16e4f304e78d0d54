/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the IRM orders, and what the layer's process asks of the core: LayerOps. */

#include "basic/log.h"
#include "services/ipcp-eth/flow.h"
#include "services/ipcp-eth/service.h"

static bool layer_look(void *userdata) {
        Service *s = userdata;

        return s->socket && frame_socket_look(s->socket);
}

static unsigned layer_transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Service *s = userdata;

        return eth_transmit(&s->ethernet, ethernet_flow(flow), packets, n, now);
}

static void layer_describe(void *userdata, LayerMessage *hello) {
        Service *s = userdata;

        hello->layer_type = s->ethernet.framing->layer_type;
        hello->hash_algorithm = (uint32_t) s->file->hash;
        hello->mtu = ethernet_packet_max(&s->ethernet);
        hello->oap_max = ethernet_oap_max(&s->ethernet);
}

static void layer_welcome(void *userdata) {
        Service *s = userdata;

        ethernet_unregister_all(&s->ethernet);
}

static int layer_register(void *userdata, const uint8_t *hash, size_t hash_size) {
        Service *s = userdata;

        return ethernet_register(&s->ethernet, hash, hash_size);
}

static void layer_unregister(void *userdata, const uint8_t *hash, size_t hash_size) {
        Service *s = userdata;

        ethernet_unregister(&s->ethernet, hash, hash_size);
}

static void layer_query(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        ethernet_query(&s->ethernet, order->query_id, order->hash, order->hash_size, now);
}

static void layer_prepare(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        ethernet_prepare(&s->ethernet, order, now);
}

static void layer_request(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        ethernet_request(&s->ethernet, order, now);
}

static int layer_accept(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        return ethernet_accept(&s->ethernet, order, now);
}

static void layer_refuse(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        ethernet_refuse(&s->ethernet, order, now);
}

static void layer_abort(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        Service *s = userdata;

        ethernet_abort(&s->ethernet, flow, tokens, now);
}

static void layer_established(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        Service *s = userdata;

        ethernet_established(&s->ethernet, flow, tokens, now);
}

static void layer_close(void *userdata, LayerFlow *flow, usec_t now) {
        Service *s = userdata;

        ethernet_close(&s->ethernet, flow, now);
}

static void layer_irm_lost(void *userdata, usec_t now) {
        Service *s = userdata;

        ethernet_irm_lost(&s->ethernet, now);
}

static ssize_t layer_save_flow(void *userdata, const LayerFlow *flow, uint8_t ret_bytes[LAYER_FLOW_BYTES_MAX]) {
        return (ssize_t) ethernet_flow_save(container_of(flow, EthernetFlow, layer), ret_bytes);
}

static int layer_restore_flow(void *userdata, const LayerFlowRecord *record, usec_t now, LayerFlow **ret) {
        Service *s = userdata;
        EthernetFlow *flow;
        int r;

        r = ethernet_flow_restore(&s->ethernet, record, now, &flow);
        if (r < 0)
                return r;

        *ret = &flow->layer;
        return 0;
}

static void layer_reset_statistics(void *userdata) {
        Service *s = userdata;

        /* What the kernel lost before is not to be counted afterwards. */
        if (s->socket)
                (void) frame_socket_lost(s->socket);
        ethernet_reset_statistics(&s->ethernet);
}

static void layer_want_packet_max(void *userdata, uint32_t packet_max) {
        Service *s = userdata;
        int r;

        ethernet_want_packet_max(&s->ethernet, packet_max);
        r = layer_set_packet_max(s->layer, ethernet_packet_max(&s->ethernet));
        if (r < 0)
                log_warning_errno(r, "Failed to change the packet size: %m");
}

static void layer_watch(void *userdata, Capture *capture) {
        Service *s = userdata;

        s->capture = capture;
}

static const PcapngInterface layer_interfaces[] = {
        { PCAPNG_LINK_ETHERNET, "", "Frames of an Ouroboros layer over Ethernet" },
};

const LayerOps service_layer_ops = {
        .watch = layer_watch,
        .interfaces = layer_interfaces,
        .n_interfaces = ELEMENTSOF(layer_interfaces),
        .reset_statistics = layer_reset_statistics,
        .want_packet_max = layer_want_packet_max,
        .transmit = layer_transmit,
        .look = layer_look,
        .describe = layer_describe,
        .welcome = layer_welcome,
        .register_name = layer_register,
        .unregister_name = layer_unregister,
        .query = layer_query,
        .prepare = layer_prepare,
        .request = layer_request,
        .accept = layer_accept,
        .refuse = layer_refuse,
        .abort = layer_abort,
        .established = layer_established,
        .close = layer_close,
        .irm_lost = layer_irm_lost,
        .save_flow = layer_save_flow,
        .restore_flow = layer_restore_flow,
};
