/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and paths on the bus, made from names of ours. */

#include "basic/macro.h"

/* prefix "/" escaped name; an empty or NULL name gives the prefix itself. Returns: 0; -ENOMEM. */
int bus_object_path(const char *prefix, const char *name, char **ret);

/* The bus name of a layer's IPCP: org.o7s.ipcp1.<escaped layer>. */
int bus_layer_service(const char *layer, char **ret);

/* The unit of a layer's IPCP: o7s-ipcp@<layer>.service. Layer names need no escaping there. */
int bus_layer_unit(const char *layer, char **ret);

/* The layer that a unit serves. Returns: 0; -ENXIO: not a unit of ours. */
int bus_layer_from_unit(const char *unit, char **ret);
