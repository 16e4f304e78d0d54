/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-perf says at the end: each direction as its receiver saw it. */

#include <stdio.h>

#include "apps/perf-show.h"
#include "apps/show.h"
#include "apps/units.h"

/* One direction of one stream, or of all of them. */
typedef struct Direction {
        bool known;                     /* all reports came */
        bool ordered;                   /* the library counts what is sent again */
        uint64_t n_sent;
        uint64_t bytes_sent;
        uint64_t n_received;
        uint64_t bytes_received;
        uint64_t n_out_of_order;
        uint64_t n_retransmitted;       /* packets */
        uint64_t n_duplicates;          /* packets */
        uint64_t n_marked;              /* packets */
        uint64_t rtt_nsec;
        uint64_t duration_usec;         /* of the longest stream */
        uint64_t cpu_usec;              /* at the other side, where it said so */
        uint64_t cpu_permille;
} Direction;

static uint64_t maximum(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static void add(Direction *to, const Direction *d) {
        to->known = to->known && d->known;
        to->ordered = to->ordered || d->ordered;
        to->n_sent += d->n_sent;
        to->bytes_sent += d->bytes_sent;
        to->n_received += d->n_received;
        to->bytes_received += d->bytes_received;
        to->n_out_of_order += d->n_out_of_order;
        to->n_retransmitted += d->n_retransmitted;
        to->n_duplicates += d->n_duplicates;
        to->n_marked += d->n_marked;
        to->rtt_nsec = maximum(to->rtt_nsec, d->rtt_nsec);
        to->duration_usec = maximum(to->duration_usec, d->duration_usec);
        to->cpu_usec = maximum(to->cpu_usec, d->cpu_usec);              /* one process, seen by each of its streams */
        to->cpu_permille = maximum(to->cpu_permille, d->cpu_permille);
}

/* What we sent, joined with what the other side reports of it. */
static Direction forward_of(const PerfStream *s) {
        const PerfReport *report = &s->sending.report;
        struct o7s_flow_stats stats = perf_stream_stats(s);

        if (!s->sending.active)
                return (Direction) { .known = true };

        return (Direction) {
                .known = s->sending.reported,
                .ordered = stats.rtt_ns > 0,
                .n_sent = s->sending.n_messages,
                .bytes_sent = s->sending.n_bytes,
                .n_received = report->n_messages,
                .bytes_received = report->n_bytes,
                .n_out_of_order = report->n_out_of_order,
                .n_retransmitted = stats.retransmitted,
                .n_duplicates = report->n_duplicates,
                .n_marked = report->n_marked,
                .rtt_nsec = stats.rtt_ns,
                .duration_usec = report->duration_usec,
                .cpu_usec = report->cpu_usec,
                .cpu_permille = report->cpu_permille,
        };
}

/* What we received, joined with what the other side says that it sent. */
static Direction reverse_of(const PerfStream *s) {
        const PerfReceiving *receiving = &s->receiving;
        struct o7s_flow_stats stats = perf_stream_stats(s);

        if (!receiving->active)
                return (Direction) { .known = true };

        return (Direction) {
                .known = receiving->ended && !receiving->cut,
                .ordered = receiving->end.rtt_nsec > 0,
                .n_sent = receiving->end.n_messages,
                .bytes_sent = receiving->end.n_messages * s->request.size,
                .n_received = receiving->n_messages,
                .bytes_received = receiving->n_bytes,
                .n_out_of_order = receiving->n_out_of_order,
                .n_retransmitted = receiving->end.n_retransmitted,
                .n_duplicates = stats.duplicates,
                .n_marked = stats.marked,
                .rtt_nsec = receiving->end.rtt_nsec,
                .duration_usec = (receiving->last_nsec - receiving->first_nsec) / NSEC_PER_USEC,
        };
}

static uint64_t lost_of(const Direction *d) {
        return d->n_sent > d->n_received ? d->n_sent - d->n_received : 0;
}

static double loss_percent_of(const Direction *d) {
        return d->n_sent ? (double) lost_of(d) * 100 / (double) d->n_sent : 0.0;
}

static double per_second(uint64_t amount, uint64_t usec) {
        return usec == 0 ? 0 : (double) amount * USEC_PER_SEC / (double) usec;
}

static void print_direction(const char *arrow, const Direction *d) {
        char sent[UNIT_CHARS_MAX], received[UNIT_CHARS_MAX], rate[UNIT_CHARS_MAX], packets[UNIT_CHARS_MAX];

        (void) quantity_format(sent, sizeof(sent), (double) d->bytes_sent, "B");
        (void) quantity_format(received, sizeof(received), (double) d->bytes_received, "B");

        (void) printf("%s ", arrow);
        if (d->known)
                (void) printf("sent %s, received %s, lost %llu of %llu (%.3g %%), %llu out of order, ", sent, received,
                              (unsigned long long) lost_of(d), (unsigned long long) d->n_sent, loss_percent_of(d),
                              (unsigned long long) d->n_out_of_order);
        else
                (void) printf("no report from the other side; here: sent %s, received %s, ", sent, received);
        if (d->ordered)
                (void) printf("%llu packets sent again, rtt %s, ", (unsigned long long) d->n_retransmitted,
                              duration_format(sent, sizeof(sent), d->rtt_nsec));
        (void) printf("goodput %s, %s\n",
                      quantity_format(rate, sizeof(rate), per_second(d->bytes_received * 8, d->duration_usec), "b/s"),
                      quantity_format(packets, sizeof(packets), per_second(d->n_received, d->duration_usec), "pkt/s"));
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
        if (d->ordered) {
                show_add(o, "retransmitted", json_object_new_uint64(d->n_retransmitted));
                show_add(o, "duplicates", json_object_new_uint64(d->n_duplicates));
                show_add(o, "marked", json_object_new_uint64(d->n_marked));
                show_add_number(o, "rtt_usec", (double) d->rtt_nsec / NSEC_PER_USEC);
        }
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

/* With several streams, each of them: whether they shared alike. */
static void show_streams(const PerfView *view, PerfStream *const *streams, size_t n) {
        for (size_t i = 0; i < n && n > 1; i++) {
                Direction forward = forward_of(streams[i]), reverse = reverse_of(streams[i]);

                if (view->json) {
                        json_object *line = show_event("stream");

                        show_add(line, "stream", json_object_new_uint64(i));
                        if (streams[i]->sending.active)
                                add_direction(line, "forward", &forward);
                        if (streams[i]->receiving.active)
                                add_direction(line, "reverse", &reverse);
                        show_line(line);
                } else if (!view->quiet) {
                        (void) printf("[%zu]\n", i + 1);
                        if (streams[i]->sending.active)
                                print_direction("  ↑", &forward);
                        if (streams[i]->receiving.active)
                                print_direction("  ↓", &reverse);
                }
        }
}

static void show_summary_json(const PerfView *view, const PerfTotals *totals, const Direction *forward,
                              const Direction *reverse) {
        json_object *line = show_event("summary");

        if (view->request.mode & (PERF_FORWARD | PERF_LATENCY))
                add_direction(line, "forward", forward);
        if (view->request.mode & PERF_REVERSE)
                add_direction(line, "reverse", reverse);
        show_add_number(line, "cpu_percent", (double) totals->cpu_permille / 10);
        show_add_number(line, "cpu_seconds", (double) totals->cpu_usec / USEC_PER_SEC);
        if (forward->cpu_permille > 0)
                show_add_number(line, "cpu_percent_there", (double) forward->cpu_permille / 10);
        if (forward->cpu_usec > 0)
                show_add_number(line, "cpu_seconds_there", (double) forward->cpu_usec / USEC_PER_SEC);
        show_line(line);
}

static void print_cpu(const char *where, uint64_t permille, uint64_t usec) {
        (void) printf("%s %llu %%, %.2f s", where, (unsigned long long) (permille / 10), (double) usec / USEC_PER_SEC);
}

bool perf_show_summary(PerfView *view, PerfStream *const *streams, size_t n, uint64_t now, double *ret_loss_percent) {
        PerfTotals totals = perf_totals(streams, n, now);
        Direction forward = { .known = true }, reverse = { .known = true };

        for (size_t i = 0; i < n; i++) {
                Direction there = forward_of(streams[i]), back = reverse_of(streams[i]);

                add(&forward, &there);
                add(&reverse, &back);
        }

        perf_show_end_progress(view);
        if (view->request.mode & PERF_LATENCY)
                show_latency(view, streams, n);
        else
                show_streams(view, streams, n);

        if (view->json) {
                show_summary_json(view, &totals, &forward, &reverse);
        } else {
                if (view->request.mode & PERF_FORWARD)
                        print_direction("↑", &forward);
                if (view->request.mode & PERF_REVERSE)
                        print_direction("↓", &reverse);
                print_cpu("cpu here", totals.cpu_permille, totals.cpu_usec);
                if (forward.cpu_permille > 0)
                        print_cpu("   there", forward.cpu_permille, forward.cpu_usec);
                (void) printf("\n");
        }

        if (!forward.known || !reverse.known)
                return false;

        *ret_loss_percent = loss_percent_of(&forward) > loss_percent_of(&reverse) ? loss_percent_of(&forward)
                                                                                  : loss_percent_of(&reverse);
        return true;
}
