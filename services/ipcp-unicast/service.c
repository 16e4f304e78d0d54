/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon's object, and its clock, which is read here and around lower.c, and nowhere below. The rest is thin glue:
 * service-core.c has what the core wants done, service-layer.c what the IRM orders, service-config.c makes the core's
 * configuration of what the file says.
 */

#include "basic/log.h"
#include "services/ipcp-unicast/service.h"

/* -- time -- */

static uint64_t n_computations(Service *s) {
        return s->unicast.is_member ? routing_statistics(s->unicast.routing)->computations : 0;
}

static void core_expire(void *userdata, usec_t now) {
        Service *s = userdata;
        uint64_t computations = n_computations(s);

        unicast_expire(&s->unicast, now);
        orders_check(&s->orders, now);

        /* The core has no clock. What else was due is little beside shortest paths. */
        if (s->unicast.is_member && n_computations(s) != computations)
                routing_set_computation_time(s->unicast.routing, usec_sub(time_now(), now));
}

/* What is to outlive us is kept at the end of each turn. */
static usec_t core_next(void *userdata) {
        Service *s = userdata;

        service_keep_state(s);
        return MIN(unicast_next(&s->unicast), orders_next(&s->orders));
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

        s->timer = loop_timer_free(s->timer);
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

        r = unicast_init(&s->unicast, &config, &service_core_events, s, time_now());
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");
        s->has_unicast = true;

        r = lower_init(&s->lower, daemon->event, &s->unicast, config.lower, config.n_lower);
        if (r < 0)
                return log_error_errno(r, "Failed to prepare for the layers below: %m");

        r = layer_new(daemon, file->name, &service_layer_ops, s, &s->unicast.flows, &s->layer);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the layer: %m");
        layer_look_before_sleep(s->layer);

        r = loop_timer_new(daemon->event, core_next, core_expire, s, &s->timer);
        if (r >= 0)
                r = service_report_init(s);
        if (r < 0)
                return log_error_errno(r, "Failed to set up timers: %m");

        return 0;
}
