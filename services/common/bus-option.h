/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of a method, an "a{sv}": a key that a method does not know is an error that says so, never ignored. */

#include <systemd/sd-bus.h>

#include "basic/macro.h"

/* Reads the variant of one key of an "a{sv}" into target. Returns < 0, with error set, where it does not know the
 * key. */
typedef int (*bus_read_option_t)(sd_bus_message *message, const char *key, void *target, sd_bus_error *error);

/* Reads an "a{sv}", key by key. */
int bus_read_options(sd_bus_message *message, bus_read_option_t read_option, void *target, sd_bus_error *error);

/* The same where no key is known: each is an error. */
int bus_read_no_options(sd_bus_message *message, sd_bus_error *error);
