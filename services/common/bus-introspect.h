/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "busctl introspect" would show of an IPCP, without a bus: for --bus-introspect. */

#include <systemd/sd-bus.h>

/* Exports by "export", asks for path, and prints the answer on stdout. Logs what fails. */
int bus_introspect_ourselves(const char *path, int (*export)(sd_bus *bus, void *userdata), void *userdata);
