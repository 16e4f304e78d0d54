/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Counters as org.o7s.ipcp1.Statistics shows them, the same in all layers. */

#include <systemd/sd-bus.h>

#include "libo7s/drop.h"
#include "services/common/histogram.h"

typedef struct NamedDurations {
        const char *name;               /* as the caller asks for it */
        const Durations *durations;
} NamedDurations;

/* One "{st}" of an open "a{st}": prefix and name are its key. */
int statistics_append(sd_bus_message *reply, const char *prefix, const char *name, uint64_t value);

/* Packets and bytes in both directions; a reason for drops once it has happened. */
int statistics_append_counters(sd_bus_message *reply, const char *prefix, const Counters *counters);

/* The method GetHistogram: answers with the longest time of each bucket in microseconds (the last: UINT64_MAX), and
 * how often. The error of a name that is none of these tells all of them. */
int statistics_reply_histogram(sd_bus_message *message, const NamedDurations *known, size_t n_known,
                               sd_bus_error *error);
