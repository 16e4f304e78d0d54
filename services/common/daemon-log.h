/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.freedesktop.LogControl1: what "systemctl service-log-level" speaks to. */

#include <systemd/sd-bus.h>

/* identifier stays the caller's and must outlive the bus. */
int daemon_log_export(sd_bus *bus, const char *identifier);
