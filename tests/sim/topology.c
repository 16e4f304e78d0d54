/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/topology.h"

#define DIAMETER_SAMPLES 64U

static const char *const topology_shape_table[_TOPOLOGY_SHAPE_MAX] = {
        [TOPOLOGY_LINE] = "line",
        [TOPOLOGY_RING] = "ring",
        [TOPOLOGY_GRID] = "grid",
        [TOPOLOGY_RANDOM] = "random",
        [TOPOLOGY_SCALE_FREE] = "scale-free",
};

DEFINE_ENUM_NAMES(topology_shape, TopologyShape);

static bool has_edge(const Topology *t, uint32_t a, uint32_t b) {
        for (size_t i = t->n_edges; i-- > 0;)
                if (t->edges[i].a == MIN(a, b) && t->edges[i].b == MAX(a, b))
                        return true;

        return false;
}

static int add_edge(Topology *t, uint32_t a, uint32_t b) {
        if (t->n_edges == t->n_allocated) {
                size_t n = t->n_allocated > 0 ? 2 * t->n_allocated : 64;
                TopologyEdge *edges;

                edges = realloc(t->edges, n * sizeof(*edges));
                if (!edges)
                        return -ENOMEM;

                t->edges = edges;
                t->n_allocated = n;
        }

        t->edges[t->n_edges++] = (TopologyEdge) { .a = MIN(a, b), .b = MAX(a, b) };
        return 0;
}

static int make_line(Topology *t, bool closed) {
        int r = 0;

        for (uint32_t i = 1; i < t->n_members && r >= 0; i++)
                r = add_edge(t, i - 1, i);
        if (r >= 0 && closed && t->n_members > 2)
                r = add_edge(t, 0, t->n_members - 1);

        return r;
}

static int make_grid(Topology *t) {
        uint32_t width = 1;
        int r = 0;

        while (width * width < t->n_members)
                width++;

        for (uint32_t i = 1; i < t->n_members && r >= 0; i++) {
                if (i % width != 0)
                        r = add_edge(t, i - 1, i);
                if (r >= 0 && i >= width)
                        r = add_edge(t, i - width, i);
        }

        return r;
}

static int make_random(Topology *t, Dice *dice) {
        uint64_t possible = (uint64_t) t->n_members * (t->n_members - 1) / 2;
        uint64_t wanted = MIN(possible, (uint64_t) 2 * t->n_members);
        int r;

        for (uint32_t i = 1; i < t->n_members; i++) {
                r = add_edge(t, (uint32_t) dice_below(dice, i), i);
                if (r < 0)
                        return r;
        }

        while (t->n_edges < wanted) {
                uint32_t a = (uint32_t) dice_below(dice, t->n_members), b = (uint32_t) dice_below(dice, t->n_members);

                if (a == b || has_edge(t, a, b))
                        continue;
                r = add_edge(t, a, b);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* An end of a random link is a member with a probability that grows with its links. */
static int make_scale_free(Topology *t, Dice *dice) {
        int r;

        if (t->n_members > 1) {
                r = add_edge(t, 0, 1);
                if (r < 0)
                        return r;
        }

        for (uint32_t i = 2; i < t->n_members; i++) {
                size_t n_before = t->n_edges;

                while (t->n_edges < n_before + 2) {
                        const TopologyEdge *edge = &t->edges[dice_below(dice, n_before)];
                        uint32_t to = dice_below(dice, 2) == 0 ? edge->a : edge->b;

                        if (t->n_edges > n_before && t->edges[n_before].a == to)
                                continue;
                        r = add_edge(t, to, i);
                        if (r < 0)
                                return r;
                }
        }

        return 0;
}

int topology_make(Topology *t, TopologyShape shape, uint32_t n_members, Dice *dice) {
        if (n_members == 0)
                return -EINVAL;

        *t = (Topology) { .n_members = n_members };

        switch (shape) {

        case TOPOLOGY_LINE:
                return make_line(t, false);

        case TOPOLOGY_RING:
                return make_line(t, true);

        case TOPOLOGY_GRID:
                return make_grid(t);

        case TOPOLOGY_RANDOM:
                return make_random(t, dice);

        case TOPOLOGY_SCALE_FREE:
                return make_scale_free(t, dice);

        case _TOPOLOGY_SHAPE_MAX:
        case _TOPOLOGY_SHAPE_INVALID:
                break;
        }

        return -EINVAL;
}

void topology_done(Topology *t) {
        free(t->edges);
        *t = (Topology) {};
}

/* Rounds over all links until nothing gets nearer: as many as the graph is wide, and no lists of neighbours needed. */
static uint32_t farthest_from(const Topology *t, uint32_t from, uint32_t *distance) {
        uint32_t farthest = 0;
        bool changed = true;

        for (uint32_t i = 0; i < t->n_members; i++)
                distance[i] = UINT32_MAX;
        distance[from] = 0;

        while (changed) {
                changed = false;
                for (size_t i = 0; i < t->n_edges; i++) {
                        uint32_t *a = &distance[t->edges[i].a], *b = &distance[t->edges[i].b];

                        if (*a != UINT32_MAX && *a + 1 < *b) {
                                *b = *a + 1;
                                changed = true;
                        } else if (*b != UINT32_MAX && *b + 1 < *a) {
                                *a = *b + 1;
                                changed = true;
                        }
                }
        }

        for (uint32_t i = 0; i < t->n_members; i++)
                if (distance[i] != UINT32_MAX)
                        farthest = MAX(farthest, distance[i]);

        return farthest;
}

uint32_t topology_diameter(const Topology *t) {
        uint32_t step = t->n_members > 1000 ? t->n_members / DIAMETER_SAMPLES : 1, diameter = 0;
        _cleanup_free_ uint32_t *distance = NULL;

        distance = calloc(t->n_members, sizeof(*distance));
        if (!distance)
                return 0;

        for (uint32_t i = 0; i < t->n_members; i += step)
                diameter = MAX(diameter, farthest_from(t, i, distance));

        return diameter;
}
