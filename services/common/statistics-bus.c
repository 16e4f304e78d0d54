/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counters on the bus, see statistics-bus.h. */

#include <stdio.h>

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
