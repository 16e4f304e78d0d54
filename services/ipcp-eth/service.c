/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon's object, and its clock, which is read here and in its other files, and nowhere below. The rest is thin
 * glue: service-core.c has what the core wants done, service-layer.c what the IRM orders, service-link.c what the
 * packet socket and the interface report.
 */

#include "basic/log.h"
#include "basic/random.h"
#include "services/ipcp-eth/service.h"

/* -- time -- */

static void core_expire(void *userdata, usec_t now) {
        Service *s = userdata;

        ethernet_expire(&s->ethernet, now);
}

static usec_t core_next(void *userdata) {
        Service *s = userdata;

        return ethernet_next(&s->ethernet);
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
        s->timer = loop_timer_free(s->timer);
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

        r = ethernet_init(&s->ethernet, &config, &service_core_events, s, time_now());
        if (r < 0) {
                s->ethernet.events = NULL;
                return log_error_errno(r, "Failed to set up the layer: %m");
        }

        r = layer_new(daemon, file->name, &service_layer_ops, s, &s->ethernet.flows, &s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");

        r = layer_restore(s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to take over what was before: %m");
        memcpy(s->ethernet.reset_key, layer_reset_key(s->layer), sizeof(s->ethernet.reset_key));

        r = loop_timer_new(daemon->event, core_next, core_expire, s, &s->timer);
        if (r < 0)
                return log_error_errno(r, "Failed to set up timers: %m");

        r = link_new(daemon->event, file->interface, service_link_changed, s, &s->link);
        if (r < 0)
                return log_error_errno(r, "Failed to watch interfaces: %m");

        r = layer_start(s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the IRM: %m");

        layer_look_before_sleep(s->layer);

        return 0;
}
