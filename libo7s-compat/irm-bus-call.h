/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the files that talk to o7s-irm, and for nobody else: what one call takes. */

#include <systemd/sd-bus.h>

#include "libo7s-compat/irm-bus.h"

#define _cleanup_(function) __attribute__((cleanup(function)))

struct IrmBus {
        sd_bus *bus;
};

/* A call of the manager, to be filled in. */
int irm_bus_call_new(IrmBus *bus, const char *member, sd_bus_message **ret);

/* appended: what putting the arguments in has returned. ret: the answer; may be NULL. Returns: 0; as irm-bus.h. */
int irm_bus_call_send(IrmBus *bus, sd_bus_message *call, int appended, sd_bus_message **ret);

/* The number for an error of the bus or of o7s-irm. r: what the call has returned. */
int irm_bus_error_number(const sd_bus_error *error, int r);
