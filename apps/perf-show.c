/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-perf shows while it runs. */

#include <stdio.h>

#include "apps/perf-show.h"
#include "apps/show.h"
#include "apps/units.h"

#define BAR_CHARS 30

static double per_second(uint64_t amount, uint64_t usec) {
        return usec == 0 ? 0 : (double) amount * USEC_PER_SEC / (double) usec;
}

PerfTotals perf_totals(PerfStream *const *streams, size_t n, uint64_t now) {
        PerfTotals totals = {};
        unsigned n_timed = 0;

        for (size_t i = 0; i < n; i++) {
                struct o7s_flow_stats stats = perf_stream_stats(streams[i]);
                const PerfStream *s = streams[i];

                totals.tx_messages += s->sending.n_messages;
                totals.tx_bytes += s->sending.n_bytes;
                totals.rx_messages += s->receiving.n_messages;
                totals.rx_bytes += s->receiving.n_bytes;
                totals.n_retransmitted += stats.retransmitted;
                totals.window += stats.window;
                totals.rtt_nsec += stats.rtt_ns;
                n_timed += stats.rtt_ns > 0;
        }

        if (n_timed > 0)
                totals.rtt_nsec /= n_timed;
        totals.ordered = n_timed > 0;

        if (n > 0) {
                totals.cpu_usec = perf_stream_cpu_usec(streams[0]);
                totals.cpu_permille = perf_stream_cpu_permille(streams[0], now);
        }
        return totals;
}

static void print_rates(const char *arrow, uint64_t messages, uint64_t bytes, uint64_t usec) {
        char rate[UNIT_CHARS_MAX], packets[UNIT_CHARS_MAX];

        (void) printf("  %s %9s  %12s", arrow,
                      quantity_format(rate, sizeof(rate), per_second(bytes * 8, usec), "b/s"),
                      quantity_format(packets, sizeof(packets), per_second(messages, usec), "pkt/s"));
}

void perf_show_end_progress(PerfView *view) {
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
        uint64_t n_retransmitted = now_totals->n_retransmitted - view->last.n_retransmitted;
        double seconds = (double) (now - view->begun_nsec) / NSEC_PER_SEC;
        char rtt[UNIT_CHARS_MAX];

        if (view->json) {
                json_object *line = show_event("interval");

                show_add_number(line, "seconds", seconds);
                show_add_number(line, "tx_bps", per_second(tx_bytes * 8, usec));
                show_add_number(line, "tx_pps", per_second(tx_messages, usec));
                show_add_number(line, "rx_bps", per_second(rx_bytes * 8, usec));
                show_add_number(line, "rx_pps", per_second(rx_messages, usec));
                show_add_number(line, "cpu_percent", (double) now_totals->cpu_permille / 10);
                if (now_totals->ordered) {
                        show_add(line, "retransmitted", json_object_new_uint64(n_retransmitted));
                        show_add_number(line, "rtt_usec", (double) now_totals->rtt_nsec / NSEC_PER_USEC);
                        show_add(line, "window", json_object_new_uint64(now_totals->window));
                }
                show_line(line);
        } else if (!view->quiet) {
                perf_show_end_progress(view);
                (void) printf("[%5.1f s]", seconds);
                if (view->request.mode & (PERF_FORWARD | PERF_LATENCY))
                        print_rates("↑", tx_messages, tx_bytes, usec);
                if (view->request.mode & PERF_REVERSE)
                        print_rates("↓", rx_messages, rx_bytes, usec);
                if (now_totals->ordered)
                        (void) printf("   retx %llu   rtt %s   win %llu", (unsigned long long) n_retransmitted,
                                      duration_format(rtt, sizeof(rtt), now_totals->rtt_nsec),
                                      (unsigned long long) now_totals->window);
                (void) printf("   cpu %llu %%\n", (unsigned long long) (now_totals->cpu_permille / 10));
                (void) fflush(stdout);
        }

        view->last = *now_totals;
        view->last_nsec = now;
}

/* Of the time, or of the bytes. */
static double progress_of(const PerfView *view, const PerfTotals *totals, double seconds) {
        uint64_t done = totals->tx_bytes > totals->rx_bytes ? totals->tx_bytes : totals->rx_bytes;
        double all = (double) view->request.duration_usec / USEC_PER_SEC, progress;

        progress = view->request.n_bytes > 0
                           ? (double) done / ((double) view->request.n_bytes * (double) view->n_streams)
                           : seconds / all;
        return progress > 1 ? 1 : progress;
}

void perf_show_progress(PerfView *view, const PerfTotals *totals, uint64_t now) {
        double seconds = (double) (now - view->begun_nsec) / NSEC_PER_SEC;
        uint64_t usec = (now - view->begun_nsec) / NSEC_PER_USEC;
        int filled = (int) (progress_of(view, totals, seconds) * BAR_CHARS);
        char rate[UNIT_CHARS_MAX];

        if (!view->bar || view->json || view->quiet)
                return;

        (void) printf("\r\033[K[");
        for (int i = 0; i < BAR_CHARS; i++)
                (void) fputc(i < filled ? '=' : i == filled ? '>' : ' ', stdout);
        (void) printf("] %4.1f s   avg %s   cpu %llu %%", seconds,
                      quantity_format(rate, sizeof(rate),
                                      per_second((totals->tx_bytes + totals->rx_bytes) * 8, usec), "b/s"),
                      (unsigned long long) (totals->cpu_permille / 10));
        (void) fflush(stdout);
        view->bar_drawn = true;
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
