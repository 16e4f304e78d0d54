/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-ping prints: for people, or as one JSON object per line. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "apps/ping-show.h"
#include "apps/show.h"
#include "apps/units.h"

static double time_of_day(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);     /* cannot fail for this clock */
        return (double) now.tv_sec + (double) now.tv_nsec / NSEC_PER_SEC;
}

static void print_timestamp(const PingOptions *o) {
        if (o->timestamps)
                (void) printf("[%.6f] ", time_of_day());
}

/* Takes the line. */
static void finish_line(const PingOptions *o, json_object *line) {
        if (o->timestamps)
                show_add_number(line, "time", time_of_day());
        show_line(line);
}

void ping_show_connected(const PingOptions *o, o7s_flow *flow, uint64_t allocated_in_nsec) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        char took[UNIT_CHARS_MAX];

        if (o7s_flow_info(flow, &info) < 0)
                return;

        if (o->json) {
                json_object *line = show_event("connected");

                show_flow_json(line, &info);
                show_add_number(line, "allocated_usec", (double) allocated_in_nsec / NSEC_PER_USEC);
                finish_line(o, line);
                return;
        }

        print_timestamp(o);
        show_flow(o->name, &info);
        (void) printf("; flow %llu allocated in %s\n", (unsigned long long) info.flow_id,
                      duration_format(took, sizeof(took), allocated_in_nsec));
        (void) fflush(stdout);
}

void ping_show_answer(const PingOptions *o, PingAnswer answer, const PingMessage *message, size_t size,
                      uint64_t rtt_nsec) {
        static const char *const names[] = {
                [PING_ANSWER_OK] = "reply",
                [PING_ANSWER_LATE] = "late",
                [PING_ANSWER_DUPLICATE] = "duplicate",
                [PING_ANSWER_FOREIGN] = "foreign",
        };
        bool timed = answer == PING_ANSWER_OK || answer == PING_ANSWER_LATE;
        char rtt[UNIT_CHARS_MAX];

        if (o->quiet)
                return;

        if (o->json) {
                json_object *line = show_event(names[answer]);

                show_add(line, "bytes", json_object_new_uint64(size));
                show_add(line, "seq", json_object_new_uint64(message->sequence));
                if (timed)
                        show_add_number(line, "rtt_usec", (double) rtt_nsec / NSEC_PER_USEC);
                finish_line(o, line);
                return;
        }

        print_timestamp(o);
        if (timed)
                (void) printf("%zu B seq=%llu %s%s\n", size, (unsigned long long) message->sequence,
                              duration_format(rtt, sizeof(rtt), rtt_nsec), answer == PING_ANSWER_LATE ? " (late)" : "");
        else if (answer == PING_ANSWER_DUPLICATE)
                (void) printf("%zu B seq=%llu again\n", size, (unsigned long long) message->sequence);
        else
                (void) printf("%zu B that answer nothing of ours\n", size);
        (void) fflush(stdout);
}

void ping_show_link(const PingOptions *o, bool down) {
        if (o->quiet)
                return;

        if (o->json) {
                json_object *line = show_event("link");

                show_add(line, "down", json_object_new_boolean(down));
                finish_line(o, line);
                return;
        }

        print_timestamp(o);
        (void) printf("the link below is %s\n", down ? "down" : "up again");
        (void) fflush(stdout);
}

void ping_show_mtu(const PingOptions *o, uint32_t mtu) {
        if (o->quiet)
                return;

        if (o->json) {
                json_object *line = show_event("mtu");

                show_add(line, "bytes", json_object_new_uint64(mtu));
                finish_line(o, line);
                return;
        }

        print_timestamp(o);
        (void) printf("messages of up to %" PRIu32 " B fit from now on\n", mtu);
        (void) fflush(stdout);
}

static void show_summary_json(const PingOptions *o, const PingLedger *ledger, const Histogram *rtt, uint64_t n_lost,
                              uint64_t n_under_way) {
        json_object *line = show_event("summary");

        show_add(line, "sent", json_object_new_uint64(ledger->n_sent));
        show_add(line, "received", json_object_new_uint64(ledger->n_received));
        show_add(line, "lost", json_object_new_uint64(n_lost));
        show_add(line, "under_way", json_object_new_uint64(n_under_way));
        show_add(line, "late", json_object_new_uint64(ledger->n_late));
        show_add(line, "duplicates", json_object_new_uint64(ledger->n_duplicates));
        show_add(line, "foreign", json_object_new_uint64(ledger->n_foreign));
        show_add(line, "out_of_order", json_object_new_uint64(ledger->n_out_of_order));
        show_histogram_json(line, "rtt_usec", rtt);
        finish_line(o, line);
}

void ping_show_summary(const PingOptions *o, const PingLedger *ledger, const Histogram *rtt, uint64_t n_under_way) {
        uint64_t n_lost = ledger->n_sent - ledger->n_received - n_under_way;

        if (o->json) {
                show_summary_json(o, ledger, rtt, n_lost, n_under_way);
                return;
        }

        print_timestamp(o);
        (void) printf("%llu sent, %llu received, %llu lost, %llu out of order", (unsigned long long) ledger->n_sent,
                      (unsigned long long) ledger->n_received, (unsigned long long) n_lost,
                      (unsigned long long) ledger->n_out_of_order);
        if (n_under_way > 0)
                (void) printf(", %llu under way", (unsigned long long) n_under_way);
        if (ledger->n_late > 0)
                (void) printf(", %llu late", (unsigned long long) ledger->n_late);
        if (ledger->n_duplicates > 0)
                (void) printf(", %llu duplicates", (unsigned long long) ledger->n_duplicates);
        if (ledger->n_foreign > 0)
                (void) printf(", %llu foreign", (unsigned long long) ledger->n_foreign);
        show_histogram("      rtt", rtt);
        (void) printf("\n");
        if (o->histogram)
                show_histogram_bars(rtt);
}
