/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the layers share that sit directly on a network of the host, such as Ethernet or UDP ("shims"): pure parts
 * that know neither descriptors nor clocks. Each takes the time as an argument and says when it wants to be called
 * next.
 *
 *   expiry           a heap of times: what is due, and when the next is
 *   liveness         per flow: when to send an empty packet, when the peer counts as dead
 *   limit            how much one sender, and all of them together, may ask of us
 *   shim-endpoint    endpoint ids: a random free one, look-up, range
 *   shim-name        who serves a name: cache, schedule of queries, moved hosts
 */

#include "services/common/expiry.h"
#include "services/common/limit.h"
#include "services/common/liveness.h"
#include "services/common/shim-endpoint.h"
#include "services/common/shim-name.h"
