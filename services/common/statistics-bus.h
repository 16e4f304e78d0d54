/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Counters as org.o7s.ipcp1.Statistics shows them, the same in all layers. */

#include <systemd/sd-bus.h>

#include "libo7s/drop.h"

/* One "{st}" of an open "a{st}": prefix and name are its key. */
int statistics_append(sd_bus_message *reply, const char *prefix, const char *name, uint64_t value);

/* Packets and bytes in both directions; a reason for drops once it has happened. */
int statistics_append_counters(sd_bus_message *reply, const char *prefix, const Counters *counters);
