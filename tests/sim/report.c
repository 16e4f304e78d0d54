/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/string.h"
#include "tests/sim/report.h"

#define MEMBERS "members"

static double seconds(usec_t usec) {
        return usec == USEC_INFINITY ? -1 : (double) usec / USEC_PER_SEC;
}

void report_init(Report *r, const char *directory) {
        *r = (Report) {
                .directory = directory,
                .convergence = { .title = "Until everybody reaches everybody (random graph, four links each)",
                                 .x_label = MEMBERS, .y_label = "seconds", .log_y = true },
                .messages = { .title = "Messages per member", .x_label = MEMBERS, .y_label = "messages",
                              .log_y = true },
                .memory = { .title = "Memory per member", .x_label = MEMBERS, .y_label = "KiB", .log_y = true },
                .hops = { .title = "Directory: rounds of questions per lookup", .x_label = MEMBERS,
                          .y_label = "rounds" },
        };
}

static void count(Report *r, uint64_t digest, unsigned n_failed, uint64_t n_checked) {
        Trace all = { .digest = r->digest };

        trace_mix(&all, digest);
        r->digest = all.digest;
        r->n_runs++;
        r->n_failed += n_failed;
        r->n_checked += n_checked;
}

static void heading(Report *r) {
        if (r->has_heading)
                return;

        r->has_heading = true;
        printf("%7s %-10s %6s %5s %5s | %7s %8s %8s %8s | %8s %8s %8s | %7s %6s %7s | %7s %7s %7s | %-16s\n", "members",
               "topology", "seed", "wide", "links", "start s", "messages", "idle/min", "KiB", "fail s", "max s",
               "silent s", "alloc s", "hops", "TTL", "storm s", "part s", "heal s", "trace");
}

void report_scenario(Report *r, const ScenarioOptions *options, const ScenarioResult *result) {
        double n = options->world.n_members;

        heading(r);
        printf("%7" PRIu32 " %-10s %6" PRIu64 " %5" PRIu32
               " %5.1f | %7.1f %8.0f %8.0f %8.0f | %8.2f %8.2f %8.2f | %7.3f %6.2f"
               " %7" PRIu64 " | %7.1f %7.1f %7.1f | %016" PRIx64 "\n",
               options->world.n_members, topology_shape_to_string(options->world.shape), options->world.seed,
               result->diameter, result->degree, seconds(result->start_usec), result->start_messages,
               result->idle_messages, result->memory_bytes / 1024, seconds(result->failure_usec),
               seconds(result->failure_max_usec), seconds(result->silent_usec), seconds(result->allocation_usec),
               result->hops, result->n_ttl, seconds(result->storm_usec), seconds(result->partition_usec),
               seconds(result->heal_usec), result->digest);
        if (options->storm_usec > 0)
                printf("        in the storm: %.0f %% of the flows were allocated, %.0f %% of "
                       "their messages came back\n",
                       100 * result->storm_allocated, 100 * result->storm_delivered);
        (void) fflush(stdout);

        count(r, result->digest, result->n_failed, result->n_checked);
        chart_add(&r->convergence, "all members start at once", n, seconds(result->start_usec));
        chart_add(&r->convergence, "a link fails, seen by its ends", n, seconds(result->failure_usec));
        chart_add(&r->convergence, "a link fails, silent for 1 s", n, seconds(result->silent_usec));
        chart_add(&r->messages, "layer: to start", n, result->start_messages);
        chart_add(&r->messages, "layer: per minute when idle", n, result->idle_messages);
        chart_add(&r->messages, "layer: 20 s with a failing link", n, result->failure_messages);
        chart_add(&r->memory, "a whole member", n, result->memory_bytes / 1024);
        chart_add(&r->hops, "in a layer, per flow", n, result->hops);
}

void report_directory(Report *r, const DirectoryRun *run) {
        double n = run->n_members;

        printf("%7" PRIu32 " directories, seed %" PRIu64 ": %.2f rounds per lookup, median %.0f ms, 99 %% %.0f ms; "
               "found at once %.2f %%, in churn %.2f %%; %.0f messages to join, %.1f per minute; %.1f KiB, "
               "%.1f contacts, %.1f entries; trace %016" PRIx64 "\n",
               run->n_members, run->seed, run->hops, (double) run->lookup_median_usec / 1e3,
               (double) run->lookup_p99_usec / 1e3, 100 * run->found_first, 100 * run->found_churn, run->join_messages,
               run->idle_messages, run->memory_bytes / 1024, run->contacts, run->entries, run->trace.digest);
        (void) fflush(stdout);

        count(r, run->trace.digest, run->verdict.n_failed, run->verdict.n_checked);
        chart_add(&r->messages, "directory alone: to join", n, run->join_messages);
        chart_add(&r->messages, "directory alone: per minute", n, run->idle_messages);
        chart_add(&r->memory, "its directory alone", n, run->memory_bytes / 1024);
        chart_add(&r->hops, "directories alone", n, run->hops);
}

void report_exchanges(Report *r, uint64_t seed, const FrctExchanges *exchanges, const Verdict *verdict) {
        printf("%" PRIu64 " exchanges from seed %" PRIu64 ": %" PRIu64 " whole, %" PRIu64
               " given up at both ends, %" PRIu64 " packets, %" PRIu64 " bytes read, trace %016" PRIx64 "\n",
               exchanges->n_runs, seed, exchanges->n_whole, exchanges->n_given_up, exchanges->n_packets,
               exchanges->bytes, exchanges->digest);
        report_verdict(r, exchanges->digest, verdict);
        r->n_runs += (unsigned) exchanges->n_runs - 1;
}

void report_handshakes(Report *r, uint64_t seed, const HandshakeSequences *sequences, const Verdict *verdict) {
        for (HandshakeDeed deed = 0; deed < _DEED_MAX; deed++)
                printf("%s%" PRIu64 " %s", deed == 0 ? "" : ", ", sequences->deeds[deed],
                       handshake_deed_to_string(deed));
        putchar('\n');
        printf("%" PRIu64 " sequences from seed %" PRIu64 ": both ends agreed %" PRIu64
               " times, messages refused %" PRIu64 ", unproven and taken %" PRIu64 ", trace %016" PRIx64 "\n",
               sequences->n_runs, seed, sequences->n_agreed, sequences->n_refused, sequences->n_unproven,
               sequences->digest);
        report_verdict(r, sequences->digest, verdict);
        r->n_runs += (unsigned) sequences->n_runs - 1;
}

void report_seals(Report *r, const SealSuiteResult *result, const Verdict *verdict) {
        printf("%" PRIu64 " protected packets, %" PRIu64 " opened, trace %016" PRIx64 "\n", result->n_sent,
               result->n_opened, result->digest);
        report_verdict(r, result->digest, verdict);
        r->n_runs += (unsigned) result->n_runs - 1;
}

void report_verdict(Report *r, uint64_t digest, const Verdict *verdict) {
        count(r, digest, verdict->n_failed, verdict->n_checked);
}

static int write_chart(const Report *r, const Chart *chart, const char *name) {
        _cleanup_free_ char *path = NULL;
        int result;

        result = format_string(&path, "%s/sim-%s.svg", r->directory, name);
        if (result < 0)
                return result;

        result = chart_write(chart, path);
        if (result < 0)
                fprintf(stderr, "o7s-sim: %s: %s\n", path, strerror(-result));

        return result;
}

static int write_charts(const Report *r) {
        const struct {
                const Chart *chart;
                const char *name;
        } charts[] = {
                { &r->convergence, "convergence" },
                { &r->messages, "messages" },
                { &r->memory, "memory" },
                { &r->hops, "lookup" },
        };
        int result;

        for (size_t i = 0; i < ELEMENTSOF(charts); i++) {
                if (charts[i].chart->n_series == 0)
                        continue;
                result = write_chart(r, charts[i].chart, charts[i].name);
                if (result < 0)
                        return result;
        }

        return 0;
}

int report_end(Report *r) {
        printf("%u runs, %" PRIu64 " checks, %u failed\n", r->n_runs, r->n_checked, r->n_failed);

        if (r->directory) {
                int result = write_charts(r);

                if (result < 0)
                        return result;
        }

        return r->n_failed > 0 || r->n_checked == 0;
}
