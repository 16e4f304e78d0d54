/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Link-state routing: who is linked with whom, flooded among management neighbours, and shortest paths over it. Pure:
 * told what neighbours say and the time, it answers with messages and sets of routes.
 *
 *   lsa.c      the wire: the prototype's 24 bytes, and o7s' extension of it (cost, withdrawal), which a prototype
 *              ignores
 *   lsdb.c     the database: one entry per directed link, ageing, bounds per origin and in all
 *   own-link.c links that we announce, their sequence numbers, and what others say about them
 *   flood.c    what is still to be sent to which peer: paced, coalesced, bounded; nobody waits for anybody
 *   spf.c      shortest paths, incremental; loop-free alternates (with spf-graph.c, spf-tree.c)
 *   routing.c  the object: two-way check, hold-down
 *
 * Bad news are immediate: what we know to be gone is withdrawn and routed around at once; hold-down keeps a flapping
 * link or a storm from making us compute all the time.
 */

#include "services/ipcp-unicast/forwarding.h"
#include "basic/time.h"
#include "services/common/histogram.h"

#define ROUTING_LINKS_MAX 65536U        /* directed, in the database */
#define ROUTING_PEERS_MAX 1024U
#define ROUTING_COST_DEFAULT 1U
#define ROUTING_COST_MAX 65535U

typedef struct RoutingConfig {
        uint64_t address;               /* ours */
        usec_t recalculate_usec;        /* longest wait until a change is computed; hold-down makes it less, see
                                         * routing.c */
        usec_t update_usec;             /* between refreshes of own links */
        usec_t timeout_usec;            /* until a link that nobody refreshes is gone */
        bool alternates;                /* loop-free alternates are wanted: they cost a tree per neighbour */
        uint64_t sequence;              /* own links begin with it: what an earlier life may have used is below */
} RoutingConfig;

typedef struct RoutingEvents {
        /* A message for one peer. Returns false where it has no room now: it will be tried again. */
        bool (*send)(void *userdata, uint64_t peer, const uint8_t *message, size_t size);

        /* All routes anew. n_added, n_removed and n_changed are against the set before. */
        void (*routes)(void *userdata, const Route *routes, size_t n_routes, unsigned n_added, unsigned n_removed,
                       unsigned n_changed);

        /* Another member has our address: links that we never made come back, however often we deny them. May be
         * NULL. */
        void (*conflict)(void *userdata);
} RoutingEvents;

typedef struct RoutingLink {
        uint64_t from;
        uint64_t to;
        uint64_t sequence;
        uint32_t cost;
        usec_t age_usec;
        bool two_way;                   /* the other direction is known too: it counts */
        bool own;
} RoutingLink;

typedef struct RoutingStatistics {
        uint64_t received;              /* messages */
        uint64_t malformed;
        uint64_t stale;                 /* not newer than what we have */
        uint64_t flooded;               /* sent on, per peer */
        uint64_t refused;               /* beyond a bound */
        uint64_t withdrawn;
        uint64_t computations;
        usec_t last_computation_usec;   /* told by the owner, routing_set_computation_time() */
        Durations computation_usec;     /* of all that were told */
        size_t n_links;
        size_t n_members;               /* that can be reached, ourselves not counted */
} RoutingStatistics;

typedef struct Routing Routing;

int routing_new(const RoutingConfig *config, const RoutingEvents *events, void *userdata, usec_t now, Routing **ret);
Routing *routing_free(Routing *r);
DEFINE_CLEANUP(Routing, routing_free);

/* A link of ours: packets can go to the neighbour with this address, or no longer. Several links to one neighbour are
 * the caller's to count. Returns: 0; -ENOMEM; -ENOSPC. */
int routing_link_up(Routing *r, uint64_t neighbour, uint32_t cost, usec_t now);
void routing_link_down(Routing *r, uint64_t neighbour, usec_t now);

/* A management neighbour; peer is the caller's number for it. extended: it speaks o7s' extension. It gets the
 * database. */
int routing_peer_up(Routing *r, uint64_t peer, bool extended, usec_t now);
void routing_peer_down(Routing *r, uint64_t peer, usec_t now);

/* A message of a peer. Whatever it is, nothing but counters comes of what makes no sense. */
void routing_receive(Routing *r, uint64_t peer, const uint8_t *message, size_t size, usec_t now);

/* Does all that is due. */
void routing_expire(Routing *r, usec_t now);
usec_t routing_next(const Routing *r);

/* Before an orderly end: withdraws all own links, without pacing. */
void routing_leave(Routing *r, usec_t now);

/* Computes at once. */
void routing_recompute(Routing *r, usec_t now);

/* The largest sequence number that own links have used. */
uint64_t routing_sequence(const Routing *r);

/* -- to be looked at -- */

const RoutingStatistics *routing_statistics(Routing *r);
void routing_reset_statistics(Routing *r);
void routing_set_computation_time(Routing *r, usec_t usec);

/* The i-th link, in no order. Returns false past the end. */
bool routing_link(const Routing *r, size_t i, usec_t now, RoutingLink *ret);

/* The routes of the last computation; valid until the next. */
const Route *routing_routes(const Routing *r, size_t *ret_n);
