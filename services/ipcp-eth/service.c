/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Thin glue, both ways: what the core wants done (EthernetEvents), what the IRM orders (LayerOps), what the packet
 * socket and the interface report. The clock is read here and nowhere below.
 */

#include "basic/log.h"
#include "basic/random.h"
#include "services/ipcp-eth/flow.h"
#include "services/ipcp-eth/service.h"

/* -- what the core wants -- */

static unsigned core_send(void *userdata, Packet *const *frames, unsigned n) {
        Service *s = userdata;
        unsigned n_failed, n_done;

        if (!s->socket) {
                s->ethernet.counters.drops[DROP_LINK_DOWN] += n;
                return n;
        }

        n_done = frame_socket_send(s->socket, frames, n, &n_failed);
        if (s->capture)
                capture_packets(s->capture, 0, true, frames, n_done);
        s->ethernet.counters.drops[DROP_SEND_FAILED] += n_failed;
        return n_done;
}

static void core_deliver(void *userdata, EthernetFlow *flow, Packet *const *packets, unsigned n) {
        Service *s = userdata;

        upper_deliver(layer_upper(s->layer), &flow->layer, packets, n, false);      /* Ethernet marks nothing */
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

static void core_incoming(void *userdata, uint64_t reference, const uint8_t *hash, const ManagementMessage *message,
                          const FlowBinding *binding, const FrameAddress *peer) {
        Service *s = userdata;
        char text[FRAME_ADDRESS_TEXT_MAX];

        layer_incoming(s->layer, reference, hash, s->ethernet.hash_size, &message->qos, message->oap, message->oap_size,
                       binding, frame_address_format(peer, text));
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

static uint64_t core_random(void *userdata) {
        uint64_t random;

        /* Endpoint ids need not be secret to be unique: the table finds a free one from any start. */
        if (random_bytes(&random, sizeof(random)) < 0)
                random = time_now();
        return random;
}

static const EthernetEvents core_events = {
        .send = core_send,
        .deliver = core_deliver,
        .prepared = core_prepared,
        .reply = core_reply,
        .failed = core_failed,
        .incoming = core_incoming,
        .incoming_gone = core_incoming_gone,
        .query_done = core_query_done,
        .down = core_down,
        .changed = core_changed,
        .random = core_random,
};

/* -- what the IRM orders -- */

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

static const LayerOps layer_ops = {
        .watch = layer_watch,
        .interfaces = layer_interfaces,
        .n_interfaces = ELEMENTSOF(layer_interfaces),
        .reset_statistics = layer_reset_statistics,
        .want_packet_max = layer_want_packet_max,
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
        .irm_lost = layer_irm_lost,
        .save_flow = layer_save_flow,
        .restore_flow = layer_restore_flow,
};

/* -- the packet socket -- */

static void socket_received(void *userdata, Packet *const *frames, unsigned n) {
        Service *s = userdata;

        if (s->capture)
                capture_packets(s->capture, 0, false, frames, n);
        eth_receive(&s->ethernet, frames, n, time_now());
}

static void socket_cut(void *userdata, unsigned n) {
        Service *s = userdata;

        s->ethernet.counters.drops[DROP_TOO_LARGE] += n;
}

static void socket_writable(void *userdata) {
        Service *s = userdata;

        upper_resume(layer_upper(s->layer));
}

static const FrameSocketEvents socket_events = {
        .received = socket_received,
        .cut = socket_cut,
        .writable = socket_writable,
};

/* -- the interface -- */

/* A socket for the interface as it is now; the one there was goes when that is another, or has another size. */
static int socket_follow(Service *s, const LinkInfo *info) {
        int r = 0;

        if (s->socket && s->socket_ifindex == info->ifindex && s->socket_mtu == info->mtu)
                return 0;

        s->socket = frame_socket_free(s->socket);
        if (info->ifindex != 0 && info->ethernet)
                r = frame_socket_new(s->daemon->event, info->ifindex, s->file->framing, s->file->ethertype,
                                     FRAME_MAC_BYTES + info->mtu, &socket_events, s, &s->socket);

        if (s->socket) {
                s->socket_ifindex = info->ifindex;
                s->socket_mtu = info->mtu;
        }

        /* What the older socket had no room for goes out through this one. Where there is none it is dropped: flows
         * that wait for room could not even end. */
        upper_resume(layer_upper(s->layer));
        return r;
}

static void say_state(Service *s, int error) {
        const char *interface = s->file->interface;
        _cleanup_free_ char *problem = NULL;
        char address[FRAME_ADDRESS_TEXT_MAX];

        if (link_describe_problem(&s->link_info, interface, &problem) < 0)
                return;

        if (problem)
                return layer_set_state(s->layer, LAYER_DEGRADED, "%s", problem);
        if (error < 0)
                return layer_set_state(s->layer, LAYER_DEGRADED, "cannot use interface %s: %s", interface,
                                       strerror(-error));
        if (ethernet_packet_max(&s->ethernet) == 0)
                return layer_set_state(s->layer, LAYER_DEGRADED, "interface %s has an MTU of %" PRIu32
                                       ", too small for any packet", interface, s->link_info.mtu);

        layer_set_state(s->layer, LAYER_ONLINE, "serving on %s (%s, MTU %" PRIu32 ")", interface,
                        frame_address_format(&s->link_info.address, address), s->link_info.mtu);
}

static void link_changed(void *userdata, const LinkInfo *info) {
        Service *s = userdata;
        EthernetLink link;
        int socket_error, r;

        s->link_info = *info;

        socket_error = socket_follow(s, info);
        if (socket_error < 0)
                log_warning_errno(socket_error, "Failed to open a packet socket on %s: %m", s->file->interface);

        link = (EthernetLink) {
                .present = info->ifindex != 0 && info->ethernet,
                .up = s->socket && link_problem(info) == LINK_GOOD,
                .address = info->address,
                .mtu = info->mtu,
        };
        ethernet_link_changed(&s->ethernet, &link, time_now());

        r = layer_set_packet_max(s->layer, ethernet_packet_max(&s->ethernet));
        if (r < 0)
                log_warning_errno(r, "Failed to follow the MTU of %s: %m", s->file->interface);

        say_state(s, socket_error < 0 ? socket_error : r);
        daemon_ready(s->daemon);
        service_bus_changed(s);
}

/* -- time -- */

static int timer_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;

        (void) sd_event_source_set_time(source, USEC_INFINITY);
        s->timer_armed = USEC_INFINITY;
        ethernet_expire(&s->ethernet, time_now());
        return 0;
}

/* Before the loop sleeps: whatever happened may have moved the next expiry. (A "post" source would do too, but take
 * another turn of the loop, with a system call, after each turn that did something.) */
static int loop_prepares(sd_event_source *source, void *userdata) {
        Service *s = userdata;
        usec_t next = ethernet_next(&s->ethernet);

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

void service_done(Service *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->slots); i++)
                s->slots[i] = sd_bus_slot_unref(s->slots[i]);

        /* Peers that understand it, and the applications, hear of an orderly end. */
        if (s->layer && s->ethernet.events)
                ethernet_close_all(&s->ethernet, time_now());

        s->link = link_free(s->link);
        s->socket = frame_socket_free(s->socket);
        s->timer = sd_event_source_disable_unref(s->timer);
        if (s->ethernet.events)
                ethernet_done(&s->ethernet);
        s->layer = layer_free(s->layer);
}

int service_init(Service *s, Daemon *daemon, LayerFile *file) {
        EthernetConfig config = {
                .framing = file->framing,
                .ether_type = file->ethertype,
                .hash = file->hash,
                .packet_max = file->max_packet_size,
        };
        int r;

        *s = (Service) { .daemon = daemon, .file = file };

        r = random_bytes(config.key, sizeof(config.key));
        if (r < 0)
                return log_error_errno(r, "Failed to draw a key: %m");

        r = ethernet_init(&s->ethernet, &config, &core_events, s, time_now());
        if (r < 0) {
                s->ethernet.events = NULL;
                return log_error_errno(r, "Failed to set up the layer: %m");
        }

        r = layer_new(daemon, file->name, &layer_ops, s, &s->ethernet.flows, &s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");

        r = layer_restore(s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to take over what was before: %m");
        memcpy(s->ethernet.reset_key, layer_reset_key(s->layer), sizeof(s->ethernet.reset_key));

        r = add_timers(s);
        if (r < 0)
                return log_error_errno(r, "Failed to set up timers: %m");

        r = link_new(daemon->event, file->interface, link_changed, s, &s->link);
        if (r < 0)
                return log_error_errno(r, "Failed to watch interfaces: %m");

        r = layer_start(s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the IRM: %m");

        return 0;
}
