/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the IRM orders, and what the layer's process asks of the core: LayerOps. */

#include "basic/log.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/service.h"

static unsigned layer_budget(void *userdata, LayerFlow *flow, unsigned max, usec_t now) {
        Service *s = userdata;

        return unicast_budget(&s->unicast, unicast_flow(flow), max, now);
}

static unsigned layer_transmit(void *userdata, LayerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Service *s = userdata;

        return unicast_transmit(&s->unicast, unicast_flow(flow), packets, n, now);
}

static void layer_describe(void *userdata, LayerMessage *hello) {
        Service *s = userdata;
        size_t fixed = FLOW_MESSAGE_HEADER_BYTES + hash_size(s->file->hash);

        hello->layer_type = LAYER_UNICAST;
        hello->hash_algorithm = (uint32_t) s->file->hash;
        hello->mtu = s->packet_max;
        hello->oap_max = s->packet_max > fixed ? s->packet_max - (uint32_t) fixed : 0;
}

static void layer_welcome(void *userdata) {
        Service *s = userdata;

        unicast_unregister_all(&s->unicast, time_now());
}

static int layer_register(void *userdata, const uint8_t *hash, size_t hash_size) {
        Service *s = userdata;

        return unicast_register(&s->unicast, hash, hash_size, time_now());
}

static void layer_unregister(void *userdata, const uint8_t *hash, size_t hash_size) {
        Service *s = userdata;

        unicast_unregister(&s->unicast, hash, hash_size, time_now());
}

static void layer_query(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        unicast_query(&s->unicast, order->query_id, order->hash, order->hash_size, now);
}

static void layer_prepare(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        unicast_prepare(&s->unicast, order, now);
}

static void layer_request(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        unicast_request(&s->unicast, order, now);
}

static int layer_accept(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        return unicast_accept(&s->unicast, order, now);
}

static void layer_refuse(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        unicast_refuse(&s->unicast, order, now);
}

static void layer_abort(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        Service *s = userdata;

        unicast_abort(&s->unicast, flow, tokens, now);
}

static void layer_established(void *userdata, LayerFlow *flow, const CloseTokens *tokens, usec_t now) {
        Service *s = userdata;

        unicast_established(&s->unicast, flow, tokens, now);
}

static void layer_close(void *userdata, LayerFlow *flow, usec_t now) {
        Service *s = userdata;

        unicast_close(&s->unicast, flow, now);
}

static void layer_irm_lost(void *userdata, usec_t now) {
        Service *s = userdata;

        unicast_irm_lost(&s->unicast, now);
}

static void layer_reset_statistics(void *userdata) {
        Service *s = userdata;

        unicast_reset_statistics(&s->unicast);
}

static void layer_want_packet_max(void *userdata, uint32_t packet_max) {
        Service *s = userdata;

        unicast_want_packet_max(&s->unicast, packet_max);
}

/* A layer of members that is degraded lacks some of them, and others may be reached. Any other one has an interface
 * that does not work, and packets would be lost until it does. */
static bool carries_packets(LayerType type, LayerState state) {
        return state == LAYER_ONLINE || (state == LAYER_DEGRADED && type == LAYER_UNICAST);
}

/* What a layer below that is on its way says nothing about: its IPCP has just come back to an IRM that did, or takes
 * its flows up again. */
static void layer_lower_changed(void *userdata, const char *lower, LayerType type, LayerState state, const char *reason,
                                usec_t now) {
        Service *s = userdata;

        if (state == LAYER_STARTING)
                return;

        for (unsigned i = 0; i < s->unicast.config.n_lower; i++)
                if (streq(s->unicast.config.lower[i], lower))
                        unicast_lower_changed(&s->unicast, i, carries_packets(type, state), now);

        log_debug("Layer %s below is %s: %s", lower, layer_state_to_string(state), reason);
}

static void layer_watch(void *userdata, Capture *capture) {
        Service *s = userdata;

        s->lower.capture = capture;
}

const LayerOps service_layer_ops = {
        .watch = layer_watch,
        .interfaces = lower_interfaces,
        .n_interfaces = _LOWER_INTERFACE_MAX,
        .budget = layer_budget,
        .transmit = layer_transmit,
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
        .reset_statistics = layer_reset_statistics,
        .want_packet_max = layer_want_packet_max,
        .order = service_order,
        .tell_neighbours = service_tell_neighbours,
        .irm_lost = layer_irm_lost,
        .lower_changed = layer_lower_changed,
        .save_flow = service_save_flow,
        .restore_block = service_restore_block,
        .restore_flow = service_restore_flow,
};
