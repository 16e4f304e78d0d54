/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Between operators and the core: their orders come from the IRM, which asked polkit; what became of them goes back,
 * and so does a row for each neighbour. Changes are told once the loop has done what it is at, because the core does
 * not like to be looked at while it works; counters every two seconds, where they moved.
 *
 * Round trips to neighbours are measured here too, with one probe of the echo component to one neighbour at a time.
 */

#include "basic/log.h"
#include "services/ipcp-unicast/echo.h"
#include "services/ipcp-unicast/service.h"

#define REPORT_INTERVAL_USEC (2 * USEC_PER_SEC)
#define MEASURE_TURNS 5U                /* of that interval, until the first neighbour is measured again */

static void tell_neighbour(void *userdata, const LayerNeighbour *neighbour, const char *name, const char *lower,
                           const char *text) {
        Service *s = userdata;

        layer_neighbour(s->layer, neighbour, name, lower, text);
}

static void order_done(void *userdata, uint64_t id, int32_t result, const char *text) {
        Service *s = userdata;

        layer_order_done(s->layer, id, result, text);
}

void service_order(void *userdata, const LayerMessage *order, usec_t now) {
        Service *s = userdata;

        log_info("Layer %s is ordered to %s %s", s->file->name, layer_order_to_string(order->order), order->name);
        orders_take(&s->orders, order, now);
        service_report_later(s);
}

void service_tell_neighbours(void *userdata, usec_t now) {
        Service *s = userdata;

        /* Whoever gave orders is gone with the IRM of then; what they set going goes on. */
        orders_forget(&s->orders);
        neighbour_report_forget(&s->report);
        neighbour_report_update(&s->report, &s->unicast, true, now);
}

static int report_now(Service *s, bool counters) {
        usec_t now = time_now();

        orders_check(&s->orders, now);
        if (layer_is_connected(s->layer))
                neighbour_report_update(&s->report, &s->unicast, counters, now);
        return 0;
}

static int soon(sd_event_source *source, void *userdata) {
        return report_now(userdata, false);
}

/* -- round trips -- */

static void measured(void *userdata, const EchoTrace *trace) {
        Service *s = userdata;
        Neighbour *n = neighbour_find(&s->unicast, trace->destination);

        s->measuring = NULL;            /* it goes when we return */
        if (n && trace->reached && trace->n_hops == 1)
                n->rtt_usec = echo_hop_quantile(&trace->hops[0], 0);
}

/* Those that are not o7s do not answer; theirs is known from CEP, or not at all. */
static Neighbour *neighbour_at(Service *s, unsigned index) {
        Neighbour *n;

        list_for_each(n, &s->unicast.neighbours, by_unicast)
                if (n->extended && n->state == NEIGHBOUR_UP && index-- == 0)
                        return n;

        return NULL;
}

static void measure_next(Service *s, usec_t now) {
        Neighbour *n;

        if (s->measuring || !s->unicast.is_member)
                return;

        n = neighbour_at(s, s->next_measured);
        if (n)
                (void) echo_trace_start(&s->unicast, n->address, 1, measured, s, now, &s->measuring);

        s->next_measured++;
        if (!n && s->next_measured >= MEASURE_TURNS)
                s->next_measured = 0;
}

static int slowly(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) sd_event_source_set_time_relative(source, REPORT_INTERVAL_USEC);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        measure_next(userdata, time_now());
        return report_now(userdata, true);
}

void service_report_later(Service *s) {
        (void) sd_event_source_set_enabled(s->report_soon, SD_EVENT_ONESHOT);
}

int service_report_init(Service *s) {
        int r;

        neighbour_report_init(&s->report, tell_neighbour, s);
        orders_init(&s->orders, &s->unicast, order_done, s);

        r = sd_event_add_defer(s->daemon->event, &s->report_soon, soon, s);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(s->report_soon, SD_EVENT_OFF);
        if (r < 0)
                return r;

        return sd_event_add_time_relative(s->daemon->event, &s->report_slowly, CLOCK_MONOTONIC, REPORT_INTERVAL_USEC,
                                          USEC_PER_SEC, slowly, s);
}

void service_report_done(Service *s) {
        s->report_soon = sd_event_source_disable_unref(s->report_soon);
        s->report_slowly = sd_event_source_disable_unref(s->report_slowly);
        if (!s->report.tell)
                return;

        orders_done(&s->orders);
        neighbour_report_done(&s->report);
}
