/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the core wants done, and what it reports: UnicastEvents. */

#include "basic/log.h"
#include "basic/random.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/service.h"

/* -- what the core wants of the layers below -- */

static int core_lower_allocate(void *userdata, LowerFlow *flow) {
        Service *s = userdata;

        return lower_allocate(&s->lower, flow);
}

static void core_lower_release(void *userdata, LowerFlow *flow) {
        lower_release(flow);
}

static unsigned core_lower_send(void *userdata, LowerFlow *flow, Packet *const *packets, unsigned n) {
        return lower_send(flow, packets, n);
}

static unsigned core_lower_queued(void *userdata, const LowerFlow *flow) {
        return lower_queued(flow);
}

/* -- what it wants of the IRM and of applications -- */

static void core_deliver(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        Service *s = userdata;

        upper_deliver(layer_upper(s->layer), &flow->layer, packets, n, marked);
}

static void core_prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                          const FlowBinding *binding, const uint8_t *lock) {
        Service *s = userdata;
        const LayerPrepared prepared = {
                .flow_id = flow_id,
                .attempt = attempt,
                .reference = reference,
                .result = result,
                .binding = binding,
                .lock = lock,
        };

        layer_prepared(s->layer, &prepared);
}

static int core_reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                      const FlowBinding *binding) {
        Service *s = userdata;

        return layer_reply(s->layer, flow, result, oap, oap_size, binding);
}

static void core_failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        Service *s = userdata;

        layer_failed(s->layer, flow_id, attempt, result);
}

static void core_incoming(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                          const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer) {
        Service *s = userdata;

        layer_incoming(s->layer, reference, hash, hash_size, qos, oap, oap_size, binding, peer);
}

static void core_incoming_gone(void *userdata, uint64_t reference) {
        Service *s = userdata;

        layer_incoming_gone(s->layer, reference);
}

static void core_query_done(void *userdata, uint64_t query_id, int32_t result) {
        Service *s = userdata;

        layer_query_done(s->layer, query_id, result);
}

static void core_down(void *userdata, LayerFlow *flow, CloseReason reason) {
        Service *s = userdata;

        layer_down(s->layer, flow, reason);
}

static void core_changed(void *userdata, LayerFlow *flow) {
        Service *s = userdata;

        layer_keep_flow(s->layer, flow);
}

static void core_way(void *userdata, UnicastFlow *flow, bool there) {
        upper_flow_set_down(&flow->layer, !there);
}

static void core_resume(void *userdata, UnicastFlow *flow) {
        upper_flow_resume(&flow->layer);
}

/* -- what it reports of the layer -- */

static void report_member(Service *s) {
        const Unicast *u = &s->unicast;

        layer_set_member(s->layer, u->is_member ? u->address : 0,
                         u->is_member && u->layer.have_id ? u->layer.id : NULL);
}

/* Every change is legal here: what the table does not have goes by way of a new start. */
static void core_state(void *userdata, LayerState state, const char *reason) {
        Service *s = userdata;

        /* Nothing comes after the word that tells the IRM of an orderly end from a crash. */
        if (layer_state(s->layer) == LAYER_STOPPING)
                return;
        if (!layer_state_may_follow(layer_state(s->layer), state))
                layer_set_state(s->layer, LAYER_STARTING, "%s", reason);

        report_member(s);
        layer_set_state(s->layer, state, "%s", reason);
        service_bus_changed(s);
}

static void core_packet_max(void *userdata, uint32_t packet_max) {
        Service *s = userdata;
        int r;

        s->packet_max = packet_max;
        r = layer_set_packet_max(s->layer, packet_max);
        if (r < 0)
                log_warning_errno(r, "Failed to follow the packet size of the layers below: %m");
}

static void core_neighbour(void *userdata, const char *name, const char *before, const char *after,
                           const char *reason) {
        Service *s = userdata;

        service_bus_neighbour_changed(s, name, before, after, reason);
}

static void core_routes(void *userdata, uint64_t version, unsigned n_added, unsigned n_removed, unsigned n_changed) {
        service_bus_routes_changed(userdata, version, n_added, n_removed, n_changed);
}

static void core_joined(void *userdata) {
        Service *s = userdata;

        report_member(s);
        s->kept_sequence = 0;
        service_keep_state(s);
        service_bus_changed(s);
}

static int core_random(void *userdata, void *ret, size_t size) {
        return random_bytes(ret, size);
}

static uint64_t core_realtime(void *userdata, usec_t now) {
        return time_realtime_nsec() - (uint64_t) (time_now() - now) * NSEC_PER_USEC;
}

static void core_log(void *userdata, int level, const char *text) {
        log_full(level, "%s", text);
}

const UnicastEvents service_core_events = {
        .lower_allocate = core_lower_allocate,
        .lower_release = core_lower_release,
        .lower_send = core_lower_send,
        .lower_queued = core_lower_queued,
        .deliver = core_deliver,
        .prepared = core_prepared,
        .reply = core_reply,
        .failed = core_failed,
        .incoming = core_incoming,
        .incoming_gone = core_incoming_gone,
        .query_done = core_query_done,
        .down = core_down,
        .changed = core_changed,
        .way = core_way,
        .resume = core_resume,
        .state = core_state,
        .packet_max = core_packet_max,
        .neighbour = core_neighbour,
        .routes = core_routes,
        .found = service_bus_found,
        .joined = core_joined,
        .random = core_random,
        .realtime_nsec = core_realtime,
        .log = core_log,
};
