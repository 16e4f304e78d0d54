/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a packet goes next. Routing hands over complete sets of routes, which replace what there was in one step;
 * between two sets only one thing changes: whether a neighbour is there at all. Three policies behind one table of
 * functions:
 *
 *   simple       one next hop
 *   alternates   one next hop, and loop-free alternates for the moment in which its neighbour goes down (LFA)
 *   multipath    all next hops of equal cost; a flow's packets stay on one of them, so that they keep their order
 *                (ECMP)
 *
 * A hop is a neighbour's number (neighbour.h). Pure, and read on the packet's walk: a look-up does not allocate.
 */

#include "basic/enum.h"
#include "basic/macro.h"
#include "basic/siphash.h"

#define FORWARDING_HOPS_MAX 8U          /* per destination: next hops of equal cost, or alternates */
#define FORWARDING_NEIGHBOURS_MAX 1024U
#define FORWARDING_NONE UINT32_MAX

typedef enum ForwardingPolicy {
        FORWARDING_SIMPLE,              /* numbers of docs/WIRE.md, in enrollment */
        FORWARDING_ALTERNATES,
        FORWARDING_MULTIPATH,
        _FORWARDING_POLICY_MAX,
        _FORWARDING_POLICY_INVALID = -EINVAL,
} ForwardingPolicy;

DECLARE_ENUM_NAMES(forwarding_policy, ForwardingPolicy);        /* "link-state", "lfa", "ecmp", as Policy= of
                                                                 * [Routing] */

/* One destination as routing computed it. */
typedef struct Route {
        uint64_t destination;           /* address */
        uint64_t cost;                  /* of the whole path */
        uint32_t n_links;               /* of the path: hops in the sense of people */
        uint8_t n_hops;                 /* >= 1: all on a shortest path; the first is the one that "simple" takes */
        uint8_t n_alternates;           /* loop-free, not on a shortest path, best first */
        uint64_t hops[FORWARDING_HOPS_MAX];             /* addresses of neighbours */
        uint64_t alternates[FORWARDING_HOPS_MAX];
} Route;

typedef struct Forwarding Forwarding;

/* key: random, so that nobody can choose the way of his flows where there are several. Returns: 0; -ENOMEM. */
int forwarding_new(ForwardingPolicy policy, const uint8_t key[SIPHASH_KEY_BYTES], Forwarding **ret);
Forwarding *forwarding_free(Forwarding *f);
DEFINE_CLEANUP(Forwarding, forwarding_free);

/* Replaces all routes. Returns: 0; -ENOMEM: the old ones stay. */
int forwarding_replace(Forwarding *f, const Route *routes, size_t n_routes);

/* The neighbour with this address is there, with this number (below FORWARDING_NEIGHBOURS_MAX), or (FORWARDING_NONE)
 * gone: from this moment on no look-up returns it. Both know neighbours before and after the routes that mention
 * them. Returns: 0; -ENOMEM. */
int forwarding_set_neighbour(Forwarding *f, uint64_t address, uint32_t hop);

/* The next hop to a destination, FORWARDING_NONE: there is none. flow: anything that is the same for all packets of
 * a flow and differs between flows. */
uint32_t forwarding_lookup(const Forwarding *f, uint64_t destination, uint64_t flow);
