/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The counting side of o7s-cbr: any number of flows, a line for each of them per interval and one at its end. One
 * thread and one set; between messages it sleeps.
 */

#include <stdio.h>
#include <stdlib.h>

#include "apps/cbr-meter.h"
#include "apps/cbr.h"
#include "apps/complain.h"
#include "apps/show.h"
#include "apps/units.h"
#include "apps/wait.h"

#define BURST 64U               /* messages of one flow before the next flow has its turn */
#define EVENTS 64U
#define FLOWS_MAX 4096U

typedef struct CbrFlow {
        o7s_flow *flow;         /* owned */
        uint64_t number;        /* from 1, in the order in which they came */
        uint64_t run;           /* of the client, as its first message says */
        uint64_t begun_nsec;
        uint64_t printed_nsec;
        CbrMeter meter;
} CbrFlow;

typedef struct CbrServer {
        const CbrOptions *options;      /* not owned */
        o7s_listener *listener;
        o7s_set *set;
        CbrFlow **flows;                /* FLOWS_MAX */
        size_t n_flows;
        uint64_t n_accepted;
        uint64_t next_print_nsec;
        uint8_t *message;               /* CBR_MESSAGE_BYTES_MAX + 1: no message fills it */
} CbrServer;

static void server_done(CbrServer *s) {
        for (size_t i = 0; i < s->n_flows; i++) {
                (void) o7s_flow_unref(s->flows[i]->flow);
                free(s->flows[i]);
        }
        (void) o7s_set_unref(s->set);
        (void) o7s_listener_unref(s->listener);
        free(s->flows);
        free(s->message);
}

#define _cleanup_server_ __attribute__((cleanup(server_done)))

/* One line: an interval of a flow, or all of it. */
static void show_count(const CbrServer *s, const CbrFlow *f, const char *event, const CbrCount *count, uint64_t nsec,
                       uint64_t now) {
        double seconds = (double) nsec / NSEC_PER_SEC, since = (double) (now - f->begun_nsec) / NSEC_PER_SEC;
        double pps = seconds > 0 ? (double) count->n_messages / seconds : 0;
        double bps = seconds > 0 ? (double) count->n_bytes * 8 / seconds : 0;
        uint64_t n_expected = count->n_messages + count->n_lost;
        double loss_percent = n_expected > 0 ? (double) count->n_lost * 100 / (double) n_expected : 0;
        char bytes[UNIT_CHARS_MAX], jitter[UNIT_CHARS_MAX];

        if (s->options->json) {
                json_object *line = show_event(event);

                show_add(line, "flow", json_object_new_uint64(f->number));
                show_add_number(line, "seconds", since);
                show_add(line, "messages", json_object_new_uint64(count->n_messages));
                show_add(line, "bytes", json_object_new_uint64(count->n_bytes));
                show_add_number(line, "pps", pps);
                show_add_number(line, "bps", bps);
                show_add(line, "lost", json_object_new_uint64(count->n_lost));
                show_add(line, "out_of_order", json_object_new_uint64(count->n_out_of_order));
                show_add_number(line, "jitter_usec", f->meter.jitter_nsec / NSEC_PER_USEC);
                show_line(line);
                return;
        }

        (void) printf("[%6.1f s] flow %llu %s: %llu messages, %s, %.1f pkt/s, %.3f Mb/s, lost %llu (%.3g %%), "
                      "jitter %s\n",
                      since, (unsigned long long) f->number, event, (unsigned long long) count->n_messages,
                      quantity_format(bytes, sizeof(bytes), (double) count->n_bytes, "B"), pps, bps / 1e6,
                      (unsigned long long) count->n_lost, loss_percent,
                      duration_format(jitter, sizeof(jitter), (uint64_t) f->meter.jitter_nsec));
        (void) fflush(stdout);
}

static void server_print(CbrServer *s, uint64_t now) {
        for (size_t i = 0; i < s->n_flows; i++) {
                CbrFlow *f = s->flows[i];
                CbrCount since = cbr_meter_interval(&f->meter);

                if (!s->options->quiet && now > f->printed_nsec)
                        show_count(s, f, "interval", &since, now - f->printed_nsec, now);
                f->printed_nsec = now;
        }

        s->next_print_nsec += s->options->interval_usec * NSEC_PER_USEC;
        if (s->next_print_nsec < now)
                s->next_print_nsec = now + s->options->interval_usec * NSEC_PER_USEC;
}

static void server_drop(CbrServer *s, size_t i, uint64_t now) {
        CbrFlow *f = s->flows[i];
        CbrCount total = cbr_meter_total(&f->meter);
        uint64_t nsec = f->meter.last_nsec > f->begun_nsec ? f->meter.last_nsec - f->begun_nsec : 0;

        show_count(s, f, "total", &total, nsec, now);

        (void) o7s_set_remove(s->set, f->flow);
        (void) o7s_flow_unref(f->flow);
        free(f);
        s->flows[i] = s->flows[--s->n_flows];
}

/* Beyond the limit a new flow is closed at once: its peer hears so and does not wait. */
static int server_accept(CbrServer *s, uint64_t now) {
        for (;;) {
                _cleanup_(flow_closep) o7s_flow *flow = NULL;
                CbrFlow *f;
                int r;

                r = o7s_flow_accept(s->listener, 0, &flow);
                if (r < 0)
                        return r == -EAGAIN ? 0 : r;
                if (s->n_flows >= FLOWS_MAX)
                        continue;

                (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_READ, 0);
                (void) o7s_flow_set_timeout(flow, O7S_TIMEOUT_WRITE, 0);
                r = o7s_set_add(s->set, O7S_KIND_FLOW, flow);
                if (r < 0)
                        return r;

                f = calloc(1, sizeof(*f));
                if (!f)
                        return -ENOMEM;

                f->number = ++s->n_accepted;
                f->begun_nsec = f->printed_nsec = now;
                f->flow = flow;
                flow = NULL;
                if (s->n_flows == 0)
                        s->next_print_nsec = now + s->options->interval_usec * NSEC_PER_USEC;
                s->flows[s->n_flows++] = f;
        }
}

/* What arrived so far, to who asks. A full queue is no failure: whoever asked asks again, or waits on a reliable flow,
 * where nothing else is sent in this direction. */
static int flow_report(CbrFlow *f) {
        CbrCount total = cbr_meter_total(&f->meter);
        CbrMessage message = {
                .type = CBR_REPORT,
                .run = f->run,
                .report = {
                        .n_messages = total.n_messages,
                        .n_bytes = total.n_bytes,
                        .n_lost = total.n_lost,
                        .n_out_of_order = total.n_out_of_order,
                        .jitter_nsec = (uint64_t) f->meter.jitter_nsec,
                },
        };
        uint8_t buffer[CBR_CONTROL_BYTES_MAX];
        ssize_t n;

        n = o7s_flow_write(f->flow, buffer, cbr_message_write(&message, buffer));
        return n < 0 && n != -EAGAIN ? (int) n : 0;
}

/* Returns: 0; why the flow is of no more use. */
static int flow_receive(CbrServer *s, CbrFlow *f) {
        for (unsigned i = 0; i < BURST; i++) {
                uint64_t now = clock_nsec();
                CbrMessage message;
                ssize_t n;
                int r = 0;

                n = o7s_flow_read(f->flow, s->message, CBR_MESSAGE_BYTES_MAX + 1);
                if (n < 0)
                        return n == -EAGAIN ? 0 : (int) n;

                if (cbr_message_parse(s->message, (size_t) n, &message) < 0 || (f->run != 0 && message.run != f->run)) {
                        f->meter.n_foreign++;
                        continue;
                }

                f->run = message.run;
                if (message.type == CBR_DATA)
                        cbr_meter_add(&f->meter, &message, (size_t) n, now);
                else if (message.type == CBR_END) {
                        f->meter.n_sent = message.n_sent;
                        r = flow_report(f);
                }
                if (r < 0)
                        return r;
        }

        return 0;
}

static int server_dispatch(CbrServer *s) {
        o7s_event events[EVENTS];
        int n, r;

        n = o7s_set_wait(s->set, events, ELEMENTSOF(events), 0);
        if (n < 0)
                return n == -EAGAIN || n == -EINTR ? 0 : n;

        for (int k = 0; k < n; k++) {
                size_t i;

                if (events[k].kind == O7S_KIND_LISTENER) {
                        r = server_accept(s, clock_nsec());
                        if (r < 0)
                                return r;
                        continue;
                }

                for (i = 0; i < s->n_flows && s->flows[i]->flow != events[k].handle; i++)
                        ;
                if (i < s->n_flows && flow_receive(s, s->flows[i]) < 0)
                        server_drop(s, i, clock_nsec());
        }

        return 0;
}

static int server_run(CbrServer *s, int signal_fd) {
        struct pollfd polled[] = {
                { .fd = o7s_set_fd(s->set), .events = POLLIN },
                { .fd = signal_fd, .events = POLLIN },
        };

        if (polled[0].fd < 0)
                return polled[0].fd;

        for (;;) {
                int r;

                r = wait_until(polled, ELEMENTSOF(polled), s->n_flows > 0 ? s->next_print_nsec : WAIT_FOREVER);
                if (r < 0)
                        return r;
                if (polled[1].revents != 0)
                        return 0;

                r = server_dispatch(s);
                if (r < 0)
                        return r;
                if (s->n_flows > 0 && clock_nsec() >= s->next_print_nsec)
                        server_print(s, clock_nsec());
        }
}

int cbr_server(const CbrOptions *options, int signal_fd) {
        _cleanup_server_ CbrServer s = { .options = options };
        int r;

        s.flows = calloc(FLOWS_MAX, sizeof(*s.flows));
        s.message = malloc(CBR_MESSAGE_BYTES_MAX + 1);
        if (!s.flows || !s.message)
                return complain_error(-ENOMEM, "Cannot start");

        r = o7s_listen(options->name, 0, &s.listener);
        if (r >= 0)
                r = o7s_set_new(&s.set);
        if (r >= 0)
                r = o7s_set_add(s.set, O7S_KIND_LISTENER, s.listener);
        if (r < 0)
                return complain_error(r, "Cannot serve '%s'", options->name ?: "what is bound to us");

        if (!options->quiet)
                show_serving(options->name, options->json);

        r = server_run(&s, signal_fd);
        if (r < 0)
                return complain_error(r, "Stopped serving '%s'", options->name ?: "what is bound to us");

        while (s.n_flows > 0)
                server_drop(&s, s.n_flows - 1, clock_nsec());
        return EXIT_FINE;
}
