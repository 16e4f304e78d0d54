/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Routes from the graph of links: for each member that can be reached its distance, all next hops of equal cost and,
 * where they are wanted, loop-free alternates. Changes are gathered and computed together, and a computation costs
 * about as much as what it changes.
 */

#include "services/ipcp-unicast/forwarding.h"

#define SPF_ALTERNATES_NEIGHBOURS_MAX 16U       /* of whom alternates are looked for; each needs a tree of his own */

typedef struct Spf Spf;

typedef struct SpfDelta {
        unsigned n_added;
        unsigned n_removed;
        unsigned n_changed;             /* another cost, other hops or alternates */
} SpfDelta;

/* root: the member whose routes they are. Returns: 0; -ENOMEM; an error of the source of randomness. */
int spf_new(uint64_t root, bool alternates, Spf **ret);
Spf *spf_free(Spf *s);
DEFINE_CLEANUP(Spf, spf_free);

/* The link between two members, with its cost in either direction; both 0: there is none. Setting what is set already
 * costs nothing. Returns: 1: it is different now, spf_compute() has something to do; 0; -ENOMEM: as before. */
int spf_set_link(Spf *s, uint64_t a, uint64_t b, uint32_t cost_ab, uint32_t cost_ba);

/* Returns: 0; -ENOMEM: nothing happened, changes are still waiting. */
int spf_compute(Spf *s, SpfDelta *ret);

/* In no order; valid until the next computation. */
const Route *spf_routes(const Spf *s, size_t *ret_n);
