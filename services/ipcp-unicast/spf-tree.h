/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shortest paths from one member to all others, kept up to date: after a change only those are looked at again whose
 * path it concerns. See spf-tree.c for how.
 */

#include "services/ipcp-unicast/forwarding.h"
#include "services/ipcp-unicast/spf-graph.h"

/* Half of what fits, so that adding a cost to it does not wrap. */
#define SPF_UNREACHABLE (UINT64_MAX / 2)
#define SPF_BUCKETS 65U

typedef struct SpfTreeNode {
        uint64_t distance;              /* as settled */
        uint64_t estimate;              /* the least that neighbours' distances and their costs promise */
        uint64_t key;                   /* in the queue */
        uint32_t next;                  /* in its bucket */
        uint32_t previous;
        uint8_t bucket;                 /* BUCKET_NONE: not queued */
        bool stale_hops;                /* who is before it on shortest paths changed */
        bool gathers;                   /* its next hops are being put together for the estimate that it has */
        bool changed;                   /* is in changed[] */
        uint8_t n_hops;
        uint32_t n_links;               /* of the shortest path with the fewest */
} SpfTreeNode;

typedef struct SpfHops {
        uint64_t addresses[FORWARDING_HOPS_MAX];        /* ascending: the smallest ones, where there are more */
} SpfHops;

typedef struct SpfTree {
        const SpfGraph *graph;          /* not owned */
        uint32_t root;
        bool with_hops;                 /* distances only where not */
        SpfTreeNode *nodes;
        SpfHops *hops;
        uint32_t n_nodes;

        /* radix queue */
        uint32_t heads[SPF_BUCKETS];
        uint64_t last;                  /* key of the last one taken out: none is smaller */

        uint32_t *changed;              /* since spf_tree_forget_changes() */
        uint32_t n_changed;
} SpfTree;

/* Returns: 0; -ENOMEM. */
int spf_tree_new(const SpfGraph *graph, uint32_t root, bool with_hops, SpfTree **ret);
SpfTree *spf_tree_free(SpfTree *t);
DEFINE_CLEANUP(SpfTree, spf_tree_free);

/* Room for all members of the graph; after one was added, and before its links are. Returns: 0; -ENOMEM. */
int spf_tree_reserve(SpfTree *t);

/* The cost of the way from one member to another changed in the graph; 0: none. */
void spf_tree_edge_changed(SpfTree *t, uint32_t from, uint32_t to, uint32_t cost_before, uint32_t cost_now);

/* Settles what changed. */
void spf_tree_run(SpfTree *t);

void spf_tree_forget_changes(SpfTree *t);
