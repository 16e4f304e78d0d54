/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counters on the bus, see statistics-bus.h. */

#include <stdio.h>

#include "basic/string.h"
#include "services/common/bus-error.h"
#include "services/common/statistics-bus.h"

int statistics_append(sd_bus_message *reply, const char *prefix, const char *name, uint64_t value) {
        char key[64];

        (void) snprintf(key, sizeof(key), "%s%s", prefix, name);
        return sd_bus_message_append(reply, "{st}", key, value);
}

int statistics_append_counters(sd_bus_message *reply, const char *prefix, const Counters *counters) {
        const struct {
                const char *name;
                uint64_t value;
        } always[] = {
                { "rx-packets", counters->rx_packets },
                { "rx-bytes", counters->rx_bytes },
                { "tx-packets", counters->tx_packets },
                { "tx-bytes", counters->tx_bytes },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof(always) / sizeof(always[0]); i++)
                r = statistics_append(reply, prefix, always[i].name, always[i].value);

        for (DropReason reason = 0; r >= 0 && reason < _DROP_REASON_MAX; reason++) {
                char key[64];

                if (counters->drops[reason] == 0)
                        continue;

                (void) snprintf(key, sizeof(key), "%sdrop-", prefix);
                r = statistics_append(reply, key, drop_reason_to_string(reason), counters->drops[reason]);
        }

        return r;
}

/* -- histograms -- */

static int refuse_histogram(const char *name, const NamedDurations *known, size_t n_known, sd_bus_error *error) {
        char names[256] = "";
        size_t used = 0;

        for (size_t i = 0; i < n_known && used < sizeof(names); i++)
                used += (size_t) snprintf(names + used, sizeof(names) - used, "%s'%s'",
                                          i == 0             ? ""
                                          : i + 1 == n_known ? " and "
                                                             : ", ", known[i].name);

        return bus_error_set(error, -EINVAL, "There is no histogram '%s', only %s", name, names);
}

static int reply_durations(sd_bus_message *message, const Durations *durations) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t bounds[DURATIONS_BUCKETS];
        int r;

        for (unsigned i = 0; i < DURATIONS_BUCKETS; i++)
                bounds[i] = durations_bucket_usec(i);

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 't', bounds, sizeof(bounds));
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 't', durations->counts, sizeof(durations->counts));

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int statistics_reply_histogram(sd_bus_message *message, const NamedDurations *known, size_t n_known,
                               sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n_known; i++)
                if (streq(known[i].name, name))
                        return reply_durations(message, known[i].durations);

        return refuse_histogram(name, known, n_known, error);
}
