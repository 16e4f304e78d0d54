/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Resolve(): where a name is, as this host sees it. The first half of an allocation and no flow: all layers that can be
 * asked are asked at once, and the caller is answered when the last has spoken or had its time. A question goes out to
 * other hosts, so only so many are open at a time, of one user and of all.
 */

#include "services/irm/layer.h"

#define RESOLVES_MAX 64U
#define RESOLVES_PER_USER_MAX 8U

typedef struct Resolve Resolve;

/* Answers the message, now or later. Returns: 0; -EDQUOT: too many are open; -ENOMEM and what event sources return. */
int resolve_start(Manager *m, sd_bus_message *message, const char *name, uid_t uid);
Resolve *resolve_free(Resolve *resolve);
DEFINE_CLEANUP(Resolve, resolve_free);

/* What happened. */
void resolve_answered(Layer *l, uint64_t query_id, int result);
void resolve_layer_changed(Layer *l);
