/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CreateLayer: from assignments on the bus to a file below /run/o7s/layers. */

#include "services/irm/bus-call.h"

/* Reads the "a{sv}" of "Section.Key" and values (strings, booleans, numbers, arrays of strings) as the text of a
 * file. */
int layer_config_read(sd_bus_message *message, char **ret, sd_bus_error *error);

/* Checks the text as the daemons would. */
int layer_create_check(const char *name, const char *text, sd_bus_error *error);

/* Writes it, whole or not at all. Removes it. */
int layer_config_write(const Manager *m, const char *name, const char *text);
int layer_config_remove(const Manager *m, const char *name);
