/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the handlers of all our objects share: unpacking flags, who calls, and asking polkit. */

#include "services/common/bus-error.h"
#include "services/common/bus-option.h"
#include "services/irm/flow.h"

/* The flags of every method that changes something. */
#define BUS_FLAG_PERSIST (UINT64_C(1) << 0)     /* refused: /etc is written by o7sctl, as its caller */
#define BUS_FLAG_NO_WAIT (UINT64_C(1) << 1)
#define BUS_FLAG_FORCE (UINT64_C(1) << 2)
#define BUS_FLAG_DRY_RUN (UINT64_C(1) << 3)

/* Reads "t flags"; any that is not in allowed is an error. */
int bus_read_flags(sd_bus_message *message, uint64_t allowed, uint64_t *ret, sd_bus_error *error);

/* Who calls, by the bus's word. */
int bus_caller_uid(sd_bus_message *message, uid_t *ret, sd_bus_error *error);

/* polkit, with the details that rules decide by; any of them may be NULL. As polkit_authorize(). */
int bus_authorize(Manager *m, sd_bus_message *message, const char *action, const char *name, const char *layer,
                  const char *kind, sd_bus_error *error);

/* Whether the caller may see what belongs to other users. Returns: 1, 0: decided; -EINPROGRESS: polkit calls again. */
int bus_may_inspect(Manager *m, sd_bus_message *message, uid_t uid);

/* Finds, or says who is near: the error is set. */
int bus_find_name(Manager *m, const char *name, Name **ret, sd_bus_error *error);

/* The same for one that is to change: not the name of a layer, which goes with its file. */
int bus_find_name_to_change(Manager *m, const char *name, Name **ret, sd_bus_error *error);
int bus_find_layer(Manager *m, const char *name, Layer **ret, sd_bus_error *error);
