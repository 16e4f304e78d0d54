/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.o7s.irm1 on the bus: every object that it has. Vtables and thin handlers are in manager-bus.c (with
 * manager-names-bus.c and manager-layers-bus.c), layer-bus.c, name-bus.c and operation-bus.c. */

#include "services/irm/manager.h"

int manager_bus_export(Manager *m);
