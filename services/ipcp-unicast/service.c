/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Thin glue, both ways: what the core wants done (UnicastEvents), what the IRM orders (LayerOps), and the clock,
 * which is read here and in lower.c, and nowhere below. What the file says becomes the core's configuration in
 * service-config.c.
 */

#include "basic/log.h"
#include "basic/random.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/flow-message.h"
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

static const UnicastEvents core_events = {
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

/* -- what the IRM orders -- */

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

static const LayerOps layer_ops = {
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

/* -- time -- */

static uint64_t n_computations(Service *s) {
        return s->unicast.is_member ? routing_statistics(s->unicast.routing)->computations : 0;
}

static int timer_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        uint64_t computations;
        Service *s = userdata;
        usec_t now = time_now();

        (void) sd_event_source_set_time(source, USEC_INFINITY);
        s->timer_armed = USEC_INFINITY;
        computations = n_computations(s);
        unicast_expire(&s->unicast, now);
        orders_check(&s->orders, now);

        /* The core has no clock. What else was due is little beside shortest paths. */
        if (s->unicast.is_member && n_computations(s) != computations)
                routing_set_computation_time(s->unicast.routing, usec_sub(time_now(), now));
        return 0;
}

/* Before the loop sleeps: whatever happened may have moved the next expiry. */
static int loop_prepares(sd_event_source *source, void *userdata) {
        Service *s = userdata;
        usec_t next = MIN(unicast_next(&s->unicast), orders_next(&s->orders));

        service_keep_state(s);
        if (next == s->timer_armed)
                return 0;

        s->timer_armed = next;
        return sd_event_source_set_time(s->timer, next);
}

static int add_timers(Service *s) {
        int r;

        r = sd_event_add_time(s->daemon->event, &s->timer, CLOCK_MONOTONIC, USEC_INFINITY, USEC_PER_MSEC,
                              timer_elapsed, s);
        if (r < 0)
                return r;

        s->timer_armed = USEC_INFINITY;
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_ON);         /* also where it waits for nothing */
        if (r < 0)
                return r;

        return sd_event_source_set_prepare(s->timer, loop_prepares);
}

/* -- the object -- */

int service_start(Service *s) {
        int r;

        r = service_restore(s);
        if (r < 0)
                return log_error_errno(r, "Failed to take over what was before: %m");

        r = layer_start(s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the IRM: %m");

        r = lower_start(&s->lower);
        if (r < 0)
                return log_error_errno(r, "Failed to listen for other members: %m");

        unicast_start(&s->unicast, time_now());
        daemon_ready(s->daemon);
        return 0;
}

void service_done(Service *s) {
        service_bus_done(s);

        /* Other members, peers of flows and applications hear of an orderly end. */
        if (s->layer && s->has_unicast) {
                unicast_leave(&s->unicast, time_now());
                service_forget_state(s);
        }

        s->timer = sd_event_source_disable_unref(s->timer);
        if (s->has_unicast)
                unicast_done(&s->unicast);
        service_report_done(s);
        lower_done(&s->lower);
        s->layer = layer_free(s->layer);
        service_config_done(s);
}

int service_init(Service *s, Daemon *daemon, LayerFile *file) {
        UnicastConfig config;
        int r;

        *s = (Service) { .daemon = daemon, .file = file };

        r = service_config(s, &config);
        if (r < 0)
                return r;

        r = unicast_init(&s->unicast, &config, &core_events, s, time_now());
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");
        s->has_unicast = true;

        r = lower_init(&s->lower, daemon->event, &s->unicast, config.lower, config.n_lower);
        if (r < 0)
                return log_error_errno(r, "Failed to prepare for the layers below: %m");

        r = layer_new(daemon, file->name, &layer_ops, s, &s->unicast.flows, &s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");

        r = add_timers(s);
        if (r >= 0)
                r = service_report_init(s);
        if (r < 0)
                return log_error_errno(r, "Failed to set up timers: %m");

        return 0;
}
