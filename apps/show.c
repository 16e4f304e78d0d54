/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tools print about a flow and about times. */

#include <stdio.h>
#include <string.h>

#include "apps/show.h"
#include "apps/units.h"

#define BAR_CHARS_MAX 50

/* Within a host there is nobody on the way. */
static const char *protection_of(const struct o7s_flow_info *info) {
        if (!info->protection[0] || strcmp(info->protection, "none") == 0)
                return info->is_local ? "" : ", not protected";

        return strcmp(info->protection, "mac") == 0 ? ", authentic but readable" : "";
}

void flow_format(char *buffer, size_t size, const struct o7s_flow_info *info) {
        bool has_cipher = info->protection[0] && strcmp(info->protection, "none") != 0 &&
                          strcmp(info->protection, "mac") != 0;
        const char *layer = info->layer[0] ? info->layer : "?";

        (void) snprintf(buffer, size, "%s%s%s%s%s%s%s%s%s%s%s",
                        info->is_local ? "on this host" : "via ", info->is_local ? "" : layer,
                        info->peer[0] ? ", " : "", info->peer,
                        info->peer_verified ? (info->peer[0] ? " (authenticated)" : ", authenticated") : "",
                        protection_of(info), has_cipher ? ", " : "", has_cipher ? info->protection : "",
                        info->key_exchange[0] ? " (" : "", info->key_exchange, info->key_exchange[0] ? ")" : "");
}

void show_flow(const char *name, const struct o7s_flow_info *info) {
        char text[FLOW_CHARS_MAX];

        flow_format(text, sizeof(text), info);
        (void) printf("%s %s", name, text);
}

/* All values in the unit of the median, so that they compare at a glance. */
void show_histogram(const char *title, const Histogram *h) {
        uint64_t median = histogram_percentile(h, 50);
        const char *unit = median < NSEC_PER_MSEC ? "µs" : median < NSEC_PER_SEC ? "ms" : "s";
        double divisor = median < NSEC_PER_MSEC  ? NSEC_PER_USEC
                         : median < NSEC_PER_SEC ? NSEC_PER_MSEC
                                                 : NSEC_PER_SEC;
        int digits = (double) median / divisor < 99.95 ? 2 : 0;

        if (h->n == 0)
                return;

        (void) printf("%s min %.*f  p50 %.*f  p99 %.*f  max %.*f %s", title,
                      digits, (double) h->minimum / divisor,
                      digits, (double) median / divisor,
                      digits, (double) histogram_percentile(h, 99) / divisor,
                      digits, (double) h->maximum / divisor, unit);
}

void show_histogram_bars(const Histogram *h) {
        uint64_t counts[HISTOGRAM_GROUPS], most = 0;

        histogram_groups(h, counts);
        for (size_t i = 0; i < HISTOGRAM_GROUPS; i++)
                most = counts[i] > most ? counts[i] : most;

        for (size_t i = 0; i < HISTOGRAM_GROUPS; i++) {
                char limit[UNIT_CHARS_MAX];
                int n;

                if (counts[i] == 0)
                        continue;

                (void) printf("  < %-8s %10llu ",
                              duration_format(limit, sizeof(limit), i < 63 ? 2ULL << i : UINT64_MAX),
                              (unsigned long long) counts[i]);
                n = 1 + (int) ((double) counts[i] / (double) most * (BAR_CHARS_MAX - 1));
                for (int k = 0; k < n; k++)
                        (void) fputc('*', stdout);
                (void) fputc('\n', stdout);
        }
}

void show_serving(const char *name, bool json) {
        if (json) {
                json_object *line = show_event("serving");

                show_add(line, "name", json_object_new_string(name ?: ""));
                show_line(line);
                return;
        }

        (void) printf("serving %s\n", name ?: "every name that is bound to us");
        (void) fflush(stdout);
}

json_object *show_event(const char *event) {
        json_object *line = json_object_new_object();

        show_add(line, "event", json_object_new_string(event));
        return line;
}

void show_add(json_object *line, const char *key, json_object *value) {
        if (!line || !value || json_object_object_add(line, key, value) < 0)
                json_object_put(value);
}

void show_add_number(json_object *line, const char *key, double value) {
        json_object *number = json_object_new_double(value);

        /* The nearest thousandth, not the nearest double. */
        if (number)
                json_object_set_serializer(number, json_object_double_to_json_string,
                                           (void *) (uintptr_t) "%.3f", NULL);
        show_add(line, key, number);
}

static json_object *qos_json(const o7s_qos *qos) {
        json_object *object = json_object_new_object();

        show_add(object, "delay_ms", json_object_new_uint64(qos->delay_ms));
        show_add(object, "bandwidth_bps", json_object_new_uint64(qos->bandwidth_bps));
        show_add(object, "availability_nines", json_object_new_uint64(qos->availability_nines));
        show_add(object, "loss", json_object_new_uint64(qos->loss));
        show_add(object, "ber", json_object_new_uint64(qos->ber));
        show_add(object, "in_order", json_object_new_boolean(qos->in_order != 0));
        show_add(object, "max_gap_ms", json_object_new_uint64(qos->max_gap_ms));
        return object;
}

void show_flow_json(json_object *line, const struct o7s_flow_info *info) {
        char id[UNIT_CHARS_MAX];

        /* 64-bit identifiers go out as strings: many readers of JSON know only doubles. */
        (void) snprintf(id, sizeof(id), "%llu", (unsigned long long) info->flow_id);

        show_add(line, "name", json_object_new_string(info->name));
        show_add(line, "layer", json_object_new_string(info->layer));
        show_add(line, "local", json_object_new_boolean(info->is_local != 0));
        show_add(line, "peer", json_object_new_string(info->peer));
        show_add(line, "authenticated", json_object_new_boolean(info->peer_verified != 0));
        show_add(line, "protection", json_object_new_string(info->protection));
        show_add(line, "key_exchange", json_object_new_string(info->key_exchange));
        show_add(line, "stream", json_object_new_boolean(info->is_stream != 0));
        show_add(line, "granted", qos_json(&info->qos_granted));
        show_add(line, "mtu", json_object_new_uint64(info->mtu));
        show_add(line, "flow", json_object_new_string(id));
}

void show_histogram_json(json_object *line, const char *key, const Histogram *h) {
        json_object *values;

        if (h->n == 0)
                return;

        values = json_object_new_object();
        show_add_number(values, "min", (double) h->minimum / NSEC_PER_USEC);
        show_add_number(values, "mean", (double) histogram_mean(h) / NSEC_PER_USEC);
        show_add_number(values, "p50", (double) histogram_percentile(h, 50) / NSEC_PER_USEC);
        show_add_number(values, "p90", (double) histogram_percentile(h, 90) / NSEC_PER_USEC);
        show_add_number(values, "p99", (double) histogram_percentile(h, 99) / NSEC_PER_USEC);
        show_add_number(values, "p99.9", (double) histogram_percentile(h, 99.9) / NSEC_PER_USEC);
        show_add_number(values, "max", (double) h->maximum / NSEC_PER_USEC);
        show_add(line, key, values);
}

void show_line(json_object *line) {
        if (line)
                (void) printf("%s\n", json_object_to_json_string_ext(
                                              line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void) fflush(stdout);
        json_object_put(line);
}
