/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Progress, summary and JSON of o7s-perf. */

#include <stdio.h>
#include <stdlib.h>

#include "apps/perf-show.h"
#include "apps/show.h"
#include "apps/units.h"

#define BAR_CHARS 30

/* One direction of all streams, as its receiver saw it. */
typedef struct Direction {
        uint64_t n_sent;
        uint64_t bytes_sent;
        uint64_t n_received;
        uint64_t bytes_received;
        uint64_t n_out_of_order;
        uint64_t duration_usec;         /* of the longest stream */
        uint64_t cpu_permille;          /* at the sending or receiving other side */
        bool known;                     /* all reports came */
} Direction;

static double per_second(uint64_t amount, uint64_t usec) {
        return usec == 0 ? 0 : (double) amount * USEC_PER_SEC / (double) usec;
}

PerfTotals perf_totals(PerfStream *const *streams, size_t n, uint64_t now) {
        PerfTotals totals = {};

        for (size_t i = 0; i < n; i++) {
                const PerfStream *s = streams[i];

                totals.tx_messages += s->sending.n_messages;
                totals.tx_bytes += s->sending.n_bytes;
                totals.rx_messages += s->receiving.n_messages;
                totals.rx_bytes += s->receiving.n_bytes;
        }

        if (n > 0)
                totals.cpu_permille = perf_stream_cpu_permille(streams[0], now);
        return totals;
}

static void print_rates(const char *arrow, uint64_t messages, uint64_t bytes, uint64_t usec) {
        char rate[UNIT_CHARS_MAX], packets[UNIT_CHARS_MAX];

        (void) printf("  %s %9s  %12s", arrow,
                      quantity_format(rate, sizeof(rate), per_second(bytes * 8, usec), "b/s"),
                      quantity_format(packets, sizeof(packets), per_second(messages, usec), "pkt/s"));
}

static void erase_bar(PerfView *view) {
        if (view->bar_drawn)
                (void) printf("\r\033[K");
        view->bar_drawn = false;
}

void perf_show_interval(PerfView *view, const PerfTotals *now_totals, uint64_t now) {
        uint64_t usec = (now - view->last_nsec) / NSEC_PER_USEC;
        uint64_t tx_messages = now_totals->tx_messages - view->last.tx_messages;
        uint64_t tx_bytes = now_totals->tx_bytes - view->last.tx_bytes;
        uint64_t rx_messages = now_totals->rx_messages - view->last.rx_messages;
        uint64_t rx_bytes = now_totals->rx_bytes - view->last.rx_bytes;
        double seconds = (double) (now - view->begun_nsec) / NSEC_PER_SEC;

        if (view->json) {
                json_object *line = show_event("interval");

                show_add_number(line, "seconds", seconds);
                show_add_number(line, "tx_bps", per_second(tx_bytes * 8, usec));
                show_add_number(line, "tx_pps", per_second(tx_messages, usec));
                show_add_number(line, "rx_bps", per_second(rx_bytes * 8, usec));
                show_add_number(line, "rx_pps", per_second(rx_messages, usec));
                show_add_number(line, "cpu_percent", (double) now_totals->cpu_permille / 10);
                show_line(line);
        } else if (!view->quiet) {
                erase_bar(view);
                (void) printf("[%5.1f s]", seconds);
                if (view->request.mode & (PERF_FORWARD | PERF_LATENCY))
                        print_rates("↑", tx_messages, tx_bytes, usec);
                if (view->request.mode & PERF_REVERSE)
                        print_rates("↓", rx_messages, rx_bytes, usec);
                (void) printf("   cpu %llu %%\n", (unsigned long long) (now_totals->cpu_permille / 10));
                (void) fflush(stdout);
        }

        view->last = *now_totals;
        view->last_nsec = now;
}

void perf_show_progress(PerfView *view, const PerfTotals *totals, uint64_t now) {
        double all = (double) view->request.duration_usec / USEC_PER_SEC;
        double seconds = (double) (now - view->begun_nsec) / NSEC_PER_SEC;
        uint64_t usec = (now - view->begun_nsec) / NSEC_PER_USEC;
        int filled = seconds >= all ? BAR_CHARS : (int) (seconds / all * BAR_CHARS);
        char rate[UNIT_CHARS_MAX];

        if (!view->bar || view->json || view->quiet)
                return;

        (void) printf("\r\033[K[");
        for (int i = 0; i < BAR_CHARS; i++)
                (void) fputc(i < filled ? '=' : i == filled ? '>' : ' ', stdout);
        (void) printf("] %4.1f/%g s   avg %s   cpu %llu %%", seconds < all ? seconds : all, all,
                      quantity_format(rate, sizeof(rate),
                                      per_second((totals->tx_bytes + totals->rx_bytes) * 8, usec), "b/s"),
                      (unsigned long long) (totals->cpu_permille / 10));
        (void) fflush(stdout);
        view->bar_drawn = true;
}

/* What we sent, joined with what the other side reports of it. */
static Direction forward_of(PerfStream *const *streams, size_t n) {
        Direction d = { .known = true };

        for (size_t i = 0; i < n; i++) {
                const PerfSending *sending = &streams[i]->sending;

                if (!sending->active)
                        continue;

                d.n_sent += sending->n_messages;
                d.bytes_sent += sending->n_bytes;
                d.n_received += sending->report.n_messages;
                d.bytes_received += sending->report.n_bytes;
                d.n_out_of_order += sending->report.n_out_of_order;
                d.known = d.known && sending->reported;
                if (sending->report.duration_usec > d.duration_usec)
                        d.duration_usec = sending->report.duration_usec;
                if (sending->report.cpu_permille > d.cpu_permille)
                        d.cpu_permille = sending->report.cpu_permille;
        }

        return d;
}

/* What we received, joined with what the other side says that it sent. */
static Direction reverse_of(PerfStream *const *streams, size_t n) {
        Direction d = { .known = true };

        for (size_t i = 0; i < n; i++) {
                const PerfReceiving *receiving = &streams[i]->receiving;
                uint64_t usec = (receiving->last_nsec - receiving->first_nsec) / NSEC_PER_USEC;

                if (!receiving->active)
                        continue;

                d.n_sent += receiving->n_sent;
                d.bytes_sent += receiving->n_sent * streams[i]->request.size;
                d.n_received += receiving->n_messages;
                d.bytes_received += receiving->n_bytes;
                d.n_out_of_order += receiving->n_out_of_order;
                d.known = d.known && receiving->ended && !receiving->cut;
                if (usec > d.duration_usec)
                        d.duration_usec = usec;
        }

        return d;
}

static uint64_t lost_of(const Direction *d) {
        return d->n_sent > d->n_received ? d->n_sent - d->n_received : 0;
}

static void print_direction(const char *arrow, const Direction *d) {
        char sent[UNIT_CHARS_MAX], received[UNIT_CHARS_MAX], rate[UNIT_CHARS_MAX], packets[UNIT_CHARS_MAX];

        (void) printf("%s ", arrow);
        if (d->known)
                (void) printf("sent %s, received %s, lost %llu of %llu (%.3g %%), %llu out of order, ",
                              quantity_format(sent, sizeof(sent), (double) d->bytes_sent, "B"),
                              quantity_format(received, sizeof(received), (double) d->bytes_received, "B"),
                              (unsigned long long) lost_of(d), (unsigned long long) d->n_sent,
                              d->n_sent ? (double) lost_of(d) * 100 / (double) d->n_sent : 0.0,
                              (unsigned long long) d->n_out_of_order);
        else
                (void) printf("no report from the other side; here: sent %s, received %s, ",
                              quantity_format(sent, sizeof(sent), (double) d->bytes_sent, "B"),
                              quantity_format(received, sizeof(received), (double) d->bytes_received, "B"));
        (void) printf(
                "goodput %s, %s\n",
                quantity_format(rate, sizeof(rate), per_second(d->bytes_received * 8, d->duration_usec), "b/s"),
                quantity_format(packets, sizeof(packets), per_second(d->n_received, d->duration_usec),
                                "pkt/s"));
}

static void add_direction(json_object *line, const char *key, const Direction *d) {
        json_object *o = json_object_new_object();

        show_add(o, "reported", json_object_new_boolean(d->known));
        show_add(o, "sent", json_object_new_uint64(d->n_sent));
        show_add(o, "sent_bytes", json_object_new_uint64(d->bytes_sent));
        show_add(o, "received", json_object_new_uint64(d->n_received));
        show_add(o, "received_bytes", json_object_new_uint64(d->bytes_received));
        show_add(o, "lost", json_object_new_uint64(lost_of(d)));
        show_add(o, "out_of_order", json_object_new_uint64(d->n_out_of_order));
        show_add_number(o, "seconds", (double) d->duration_usec / USEC_PER_SEC);
        show_add_number(o, "goodput_bps", per_second(d->bytes_received * 8, d->duration_usec));
        show_add_number(o, "goodput_pps", per_second(d->n_received, d->duration_usec));
        show_add(line, key, o);
}

static void show_latency(const PerfView *view, PerfStream *const *streams, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const PerfStream *s = streams[i];
                uint64_t unanswered = s->sending.n_messages - s->rtt.n;

                if (view->json) {
                        json_object *line = show_event("latency");

                        show_add(line, "stream", json_object_new_uint64(i));
                        show_add(line, "probes", json_object_new_uint64(s->sending.n_messages));
                        show_add(line, "unanswered", json_object_new_uint64(unanswered));
                        show_histogram_json(line, "rtt_usec", &s->rtt);
                        show_line(line);
                        continue;
                }

                (void) printf("%llu round trips, %llu unanswered", (unsigned long long) s->rtt.n,
                              (unsigned long long) unanswered);
                show_histogram("      rtt", &s->rtt);
                (void) printf("  p99.9 %.2f µs\n", (double) histogram_percentile(&s->rtt, 99.9) / NSEC_PER_USEC);
        }
}

bool perf_show_summary(PerfView *view, PerfStream *const *streams, size_t n, uint64_t now) {
        PerfTotals totals = perf_totals(streams, n, now);
        Direction forward = forward_of(streams, n), reverse = reverse_of(streams, n);
        bool both = forward.known && reverse.known;

        erase_bar(view);

        if (view->request.mode == PERF_LATENCY)
                show_latency(view, streams, n);

        if (view->json) {
                json_object *line = show_event("summary");

                if (view->request.mode & (PERF_FORWARD | PERF_LATENCY))
                        add_direction(line, "forward", &forward);
                if (view->request.mode & PERF_REVERSE)
                        add_direction(line, "reverse", &reverse);
                show_add_number(line, "cpu_percent", (double) totals.cpu_permille / 10);
                if (forward.cpu_permille > 0)
                        show_add_number(line, "cpu_percent_there", (double) forward.cpu_permille / 10);
                show_line(line);
                return both;
        }

        if (view->request.mode & PERF_FORWARD)
                print_direction("↑", &forward);
        if (view->request.mode & PERF_REVERSE)
                print_direction("↓", &reverse);
        (void) printf("cpu here %llu %%", (unsigned long long) (totals.cpu_permille / 10));
        if (forward.cpu_permille > 0)
                (void) printf("   there %llu %%", (unsigned long long) (forward.cpu_permille / 10));
        (void) printf("\n");
        return both;
}

void perf_show_served(const PerfStream *s) {
        char received[UNIT_CHARS_MAX], sent[UNIT_CHARS_MAX];

        (void) printf("test %016llx: received %s in %llu messages, sent %s in %llu\n",
                      (unsigned long long) s->test,
                      quantity_format(received, sizeof(received), (double) s->receiving.n_bytes, "B"),
                      (unsigned long long) s->receiving.n_messages,
                      quantity_format(sent, sizeof(sent), (double) s->sending.n_bytes, "B"),
                      (unsigned long long) s->sending.n_messages);
        (void) fflush(stdout);
}
