/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The graph that shortest paths are looked for in: members, numbered so that everything about them is in arrays, and
 * the links between them that count, which are those known in both directions. Each end of a link has both its costs,
 * so a walk over what leads into a member needs no second structure.
 */

#include "basic/map.h"

#define SPF_NOBODY UINT32_MAX

typedef struct SpfEdge {
        uint32_t node;                  /* the other end */
        uint32_t cost_out;              /* towards it, >= 1 */
        uint32_t cost_in;               /* from it, >= 1 */
} SpfEdge;

typedef struct SpfName {
        uint64_t address;
        uint32_t node;
} SpfName;

typedef struct SpfNode {
        uint64_t address;               /* 0: this number is free */
        SpfEdge *edges;
        uint32_t n_edges;
        uint32_t n_edges_allocated;
        SpfName *name;                  /* the entry of by_address */
        uint32_t next;                  /* on the chain of free, or of idle ones */
        bool idle;                      /* is on that chain: had no link left when last looked at */
} SpfNode;

typedef struct SpfGraph {
        Map *by_address;                /* → SpfName */
        SpfNode *nodes;
        uint32_t n_nodes;               /* numbers in use, or on the free chain */
        uint32_t n_nodes_allocated;
        uint32_t free;                  /* chain, or SPF_NOBODY */
        uint32_t idle;                  /* chain, or SPF_NOBODY */
} SpfGraph;

int spf_graph_init(SpfGraph *g);
void spf_graph_done(SpfGraph *g);

/* The number of a member, SPF_NOBODY: not there. */
uint32_t spf_graph_find(const SpfGraph *g, uint64_t address);

/* The same; adds it, without links, where it is not there. Returns: 0; -ENOMEM. */
int spf_graph_add(SpfGraph *g, uint64_t address, uint32_t *ret);

/* The link as a sees it, NULL: there is none. */
SpfEdge *spf_graph_edge(const SpfGraph *g, uint32_t a, uint32_t b);

/* Makes or changes the link between two, or (both costs 0) removes it. Returns: 0; -ENOMEM: nothing changed. */
int spf_graph_set(SpfGraph *g, uint32_t a, uint32_t b, uint32_t cost_ab, uint32_t cost_ba);

/* Takes one that lost its last link off the chain of those; SPF_NOBODY: no more. It may have got a new one since. */
uint32_t spf_graph_pop_idle(SpfGraph *g);

/* Forgets a member without links; its number will be used again. */
void spf_graph_remove(SpfGraph *g, uint32_t node);
