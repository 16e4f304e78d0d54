/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Graphs to simulate: who is linked with whom. All of them are connected, none has a link twice or to itself. */

#include "basic/enum.h"
#include "tests/sim/dice.h"

typedef enum TopologyShape {
        TOPOLOGY_LINE,
        TOPOLOGY_RING,
        TOPOLOGY_GRID,                  /* as square as it gets */
        TOPOLOGY_RANDOM,                /* a random tree and as many links more: four per member on average */
        TOPOLOGY_SCALE_FREE,            /* each new member links with two, the more linked ones preferred */
        _TOPOLOGY_SHAPE_MAX,
        _TOPOLOGY_SHAPE_INVALID = -EINVAL,
} TopologyShape;

DECLARE_ENUM_NAMES(topology_shape, TopologyShape);      /* "line", "ring", "grid", "random", "scale-free" */

typedef struct TopologyEdge {
        uint32_t a;
        uint32_t b;                     /* a < b */
} TopologyEdge;

typedef struct Topology {
        uint32_t n_members;
        TopologyEdge *edges;
        size_t n_edges;
        size_t n_allocated;
} Topology;

/* Returns: 0; -ENOMEM; -EINVAL: no members. */
int topology_make(Topology *t, TopologyShape shape, uint32_t n_members, Dice *dice);
void topology_done(Topology *t);

/* The longest of the shortest paths, or (beyond a thousand members) of those from a sample of them. */
uint32_t topology_diameter(const Topology *t);
