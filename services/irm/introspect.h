/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interfaces of an object as introspection data, without a bus: what the snapshots in dbus/ are made from. */

#include <stdio.h>

#include "basic/macro.h"

/* path: /org/o7s/irm1, or any path below its layer/, name/ or operation/. Returns: 0; -ENOENT: no such kind of
 * object. */
int bus_introspect(const char *path, FILE *stream);
