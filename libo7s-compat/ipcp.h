/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IPCPs by number, for the calls that name one. */

#include "libo7s-compat/irm-bus-layer.h"

/* The layer of an IPCP; the caller's. Returns: 0; -EIPCP: there is no such IPCP, or it is a member of none; as
 * irm-bus.h. */
int ipcp_layer(IrmBus *bus, pid_t pid, char **ret);
