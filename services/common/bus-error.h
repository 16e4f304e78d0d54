/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* D-Bus errors from the one table (libo7s/error.h). */

#include <systemd/sd-bus.h>

#include "basic/macro.h"

/* Sets org.o7s.Error.<row> for the errno (or, with "name", that row), with the sentence "what: text" where text is
 * given, the row's sentence where not, and the row's hint after it. Returns the negative errno, for "return
 * bus_error_set(...)". */
int bus_error_set(sd_bus_error *e, int error, const char *format, ...) _printf_(3, 4);
int bus_error_set_named(sd_bus_error *e, const char *name, const char *format, ...) _printf_(3, 4);
