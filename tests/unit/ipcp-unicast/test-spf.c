/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shortest paths: small graphs by hand, and thousands of random changes of random graphs, after each of which
 * everything must be as a plain Dijkstra over a matrix says.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/spf.h"

#define MEMBERS_MAX 40U
#define FAR UINT32_MAX
#define ADDRESS(i) ((uint64_t) (i) *0x1003 % 0xffff + 1)        /* not in the order of the numbers */

/* -- the model -- */

typedef struct Model {
        unsigned n;
        uint32_t cost[MEMBERS_MAX][MEMBERS_MAX];        /* 0: no link */
} Model;

/* Distances from one member to all, and the number of links of the shortest path with the fewest. */
static void model_distances(const Model *m, unsigned root, uint32_t *distance, uint32_t *n_links) {
        bool done[MEMBERS_MAX] = {};

        for (unsigned i = 0; i < m->n; i++)
                distance[i] = n_links[i] = FAR;
        distance[root] = n_links[root] = 0;

        for (;;) {
                unsigned nearest = m->n;

                for (unsigned i = 0; i < m->n; i++)
                        if (!done[i] && distance[i] != FAR &&
                            (nearest == m->n || distance[i] < distance[nearest] ||
                             (distance[i] == distance[nearest] && n_links[i] < n_links[nearest])))
                                nearest = i;
                if (nearest == m->n)
                        return;

                done[nearest] = true;
                for (unsigned i = 0; i < m->n; i++) {
                        uint32_t through = distance[nearest] + m->cost[nearest][i];

                        if (m->cost[nearest][i] == 0 || through > distance[i])
                                continue;
                        n_links[i] = through < distance[i] ? n_links[nearest] + 1
                                                           : MIN(n_links[i], n_links[nearest] + 1);
                        distance[i] = through;
                }
        }
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

/* A neighbour is a next hop to d if the way through it is as short as the shortest: a definition that knows no tree. */
static unsigned model_hops(const Model *m, unsigned d, uint32_t all[MEMBERS_MAX][MEMBERS_MAX], uint64_t *ret) {
        unsigned n = 0;

        for (unsigned i = 1; i < m->n; i++)
                if (m->cost[0][i] > 0 && all[i][d] != FAR && m->cost[0][i] + all[i][d] == all[0][d])
                        ret[n++] = ADDRESS(i);

        qsort(ret, n, sizeof(*ret), compare);
        return MIN(n, FORWARDING_HOPS_MAX);
}

static const Route *find_route(const Spf *s, uint64_t destination) {
        const Route *routes;
        size_t n;

        routes = spf_routes(s, &n);
        for (size_t i = 0; i < n; i++)
                if (routes[i].destination == destination)
                        return routes + i;

        return NULL;
}

static bool contains(const uint64_t *list, unsigned n, uint64_t address) {
        for (unsigned i = 0; i < n; i++)
                if (list[i] == address)
                        return true;
        return false;
}

/* Every alternate is loop-free by definition and none is missing; they are in order of cost. */
static void check_alternates(const Model *m, const Route *route, unsigned d, uint32_t all[MEMBERS_MAX][MEMBERS_MAX]) {
        uint32_t last = 0;
        unsigned n = 0;

        for (unsigned i = 1; i < m->n; i++) {
                bool loop_free = m->cost[0][i] > 0 && all[i][d] != FAR && all[i][d] < all[i][0] + all[0][d];
                bool primary = contains(route->hops, route->n_hops, ADDRESS(i));

                n += loop_free && !primary;
                if (!loop_free || primary)
                        assert_false(contains(route->alternates, route->n_alternates, ADDRESS(i)));
        }
        assert_int_equal(route->n_alternates, MIN(n, FORWARDING_HOPS_MAX));

        for (unsigned k = 0; k < route->n_alternates; k++)
                for (unsigned i = 1; i < m->n; i++)
                        if (ADDRESS(i) == route->alternates[k]) {
                                assert_true(m->cost[0][i] + all[i][d] >= last);
                                last = m->cost[0][i] + all[i][d];
                        }
}

static void check_all(const Spf *s, const Model *m, bool alternates) {
        uint32_t all[MEMBERS_MAX][MEMBERS_MAX], n_links[MEMBERS_MAX][MEMBERS_MAX];
        unsigned n_reached = 0;
        size_t n_routes;

        for (unsigned i = 0; i < m->n; i++)
                model_distances(m, i, all[i], n_links[i]);

        for (unsigned d = 1; d < m->n; d++) {
                const Route *route = find_route(s, ADDRESS(d));
                uint64_t hops[MEMBERS_MAX];

                if (all[0][d] == FAR) {
                        assert_null(route);
                        continue;
                }

                n_reached++;
                assert_non_null(route);
                assert_int_equal(route->cost, all[0][d]);
                assert_int_equal(route->n_links, n_links[0][d]);
                assert_int_equal(route->n_hops, model_hops(m, d, all, hops));
                assert_memory_equal(route->hops, hops, route->n_hops * sizeof(hops[0]));
                if (alternates)
                        check_alternates(m, route, d, all);
                else
                        assert_int_equal(route->n_alternates, 0);
        }

        (void) spf_routes(s, &n_routes);
        assert_int_equal(n_routes, n_reached);
}

/* -- random changes -- */

static uint64_t draw(uint64_t *state, uint64_t below) {
        *state = *state * 6364136223846793005U + 1442695040888963407U;
        return (*state >> 33) % below;
}

/* Each kind of graph: how many members, how likely a link is drawn or taken, how large costs are. */
static const struct {
        const char *name;
        unsigned n;
        unsigned percent;               /* of changes that make or keep a link */
        uint32_t cost_max;
        unsigned batch;                 /* changes before each computation */
        unsigned n_rounds;
        bool alternates;
        bool symmetric;
} kinds[] = {
        { "sparse, unit costs",            20, 35, 1,     1,  1500, false, true },
        { "dense, unit costs",             16, 80, 1,     1,  600,  false, true },
        { "sparse, costs",                 24, 40, 9,     1,  1500, false, false },
        { "dense, large costs",            12, 85, 65535, 1,  600,  false, false },
        { "many changes at once",          30, 50, 4,     25, 500,  false, false },
        { "many ties",                     40, 70, 2,     10, 150,  false, true },
        { "alternates, unit costs",        14, 50, 1,     1,  500,  true,  true },
        { "alternates, one-way costs",     16, 60, 20,    3,  500,  true,  false },
};

static void change(Spf *s, Model *m, uint64_t *random, uint32_t cost_max, unsigned percent, bool symmetric) {
        unsigned a = (unsigned) draw(random, m->n), b = (unsigned) draw(random, m->n);
        uint32_t ab = (uint32_t) draw(random, cost_max) + 1, ba = (uint32_t) draw(random, cost_max) + 1;

        if (a == b)
                return;
        if (draw(random, 100) >= percent)
                ab = ba = 0;
        else if (symmetric)
                ba = ab;

        assert_int_equal(spf_set_link(s, ADDRESS(a), ADDRESS(b), ab, ba), m->cost[a][b] != ab || m->cost[b][a] != ba);
        m->cost[a][b] = ab;
        m->cost[b][a] = ba;
}

static bool is_same(const Route *a, const Route *b) {
        return a->cost == b->cost && a->n_links == b->n_links && a->n_hops == b->n_hops &&
               a->n_alternates == b->n_alternates && memcmp(a->hops, b->hops, a->n_hops * sizeof(a->hops[0])) == 0 &&
               memcmp(a->alternates, b->alternates, a->n_alternates * sizeof(a->alternates[0])) == 0;
}

/* What the delta says is what happened. */
static void check_delta(const Spf *s, const SpfDelta *delta, Route *before, size_t *n_before) {
        unsigned n_added = 0, n_removed = 0, n_changed = 0;
        const Route *routes;
        size_t n;

        routes = spf_routes(s, &n);
        for (size_t i = 0; i < n; i++) {
                const Route *old = NULL;

                for (size_t k = 0; k < *n_before; k++)
                        if (before[k].destination == routes[i].destination)
                                old = before + k;
                if (!old)
                        n_added++;
                else
                        n_changed += !is_same(old, routes + i);
        }
        for (size_t k = 0; k < *n_before; k++)
                n_removed += !find_route(s, before[k].destination);

        assert_int_equal(delta->n_added, n_added);
        assert_int_equal(delta->n_removed, n_removed);
        assert_int_equal(delta->n_changed, n_changed);

        for (size_t i = 0; i < n; i++)
                before[i] = routes[i];
        *n_before = n;
}

static void test_random(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_(spf_freep) Spf *s = NULL;
                Route before[MEMBERS_MAX];
                Model m = { .n = kinds[i].n };
                uint64_t random = 4711 + i;
                size_t n_before = 0;

                print_message("%s\n", kinds[i].name);
                assert_int_equal(spf_new(ADDRESS(0), kinds[i].alternates, &s), 0);
                for (unsigned round = 0; round < kinds[i].n_rounds; round++) {
                        SpfDelta delta;

                        for (unsigned k = 0; k < kinds[i].batch; k++)
                                change(s, &m, &random, kinds[i].cost_max, kinds[i].percent, kinds[i].symmetric);

                        assert_int_equal(spf_compute(s, &delta), 0);
                        check_all(s, &m, kinds[i].alternates);
                        check_delta(s, &delta, before, &n_before);
                }
        }
}

/* -- by hand -- */

static void link_both(Spf *s, uint64_t a, uint64_t b, uint32_t cost) {
        assert_int_equal(spf_set_link(s, a, b, cost, cost), 1);
}

/* 1 - 2 - 3 - 4 in a line, then a ring, then cut. */
static void test_line_and_ring(void **state) {
        _cleanup_(spf_freep) Spf *s = NULL;
        const Route *route;
        SpfDelta delta;
        size_t n;

        assert_int_equal(spf_new(1, true, &s), 0);
        assert_int_equal(spf_compute(s, &delta), 0);
        assert_int_equal(delta.n_added, 0);

        link_both(s, 1, 2, 1);
        link_both(s, 2, 3, 1);
        link_both(s, 3, 4, 1);
        assert_int_equal(spf_compute(s, &delta), 0);
        assert_int_equal(delta.n_added, 3);
        route = find_route(s, 4);
        assert_int_equal(route->cost, 3);
        assert_int_equal(route->n_links, 3);
        assert_int_equal(route->hops[0], 2);
        assert_int_equal(route->n_alternates, 0);

        link_both(s, 4, 1, 1);
        assert_int_equal(spf_compute(s, &delta), 0);
        assert_int_equal(delta.n_added, 0);
        route = find_route(s, 3);
        assert_int_equal(route->n_hops, 2);
        assert_int_equal(route->hops[0], 2);
        assert_int_equal(route->hops[1], 4);

        /* In a ring of four the other neighbour of 1 is two away from 2: its way back to us is as long. No
         * alternate. */
        assert_int_equal(find_route(s, 2)->n_alternates, 0);

        assert_int_equal(spf_set_link(s, 1, 2, 0, 0), 1);
        assert_int_equal(spf_set_link(s, 4, 3, 0, 0), 1);
        assert_int_equal(spf_compute(s, &delta), 0);
        assert_int_equal(delta.n_removed, 2);
        (void) spf_routes(s, &n);
        assert_int_equal(n, 1);
        assert_non_null(find_route(s, 4));
}

/* In a triangle each neighbour is the other's alternate; with an expensive direct link it is the other way round. */
static void test_triangle(void **state) {
        _cleanup_(spf_freep) Spf *s = NULL;
        const Route *route;
        SpfDelta delta;

        assert_int_equal(spf_new(1, true, &s), 0);
        link_both(s, 1, 2, 1);
        link_both(s, 1, 3, 1);
        link_both(s, 2, 3, 1);
        assert_int_equal(spf_compute(s, &delta), 0);
        route = find_route(s, 2);
        assert_int_equal(route->n_hops, 1);
        assert_int_equal(route->hops[0], 2);
        assert_int_equal(route->n_alternates, 1);
        assert_int_equal(route->alternates[0], 3);

        link_both(s, 1, 2, 10);
        assert_int_equal(spf_compute(s, &delta), 0);
        route = find_route(s, 2);
        assert_int_equal(route->cost, 2);
        assert_int_equal(route->hops[0], 3);
        assert_int_equal(route->n_alternates, 1);
        assert_int_equal(route->alternates[0], 2);
}

/* Members come and go for ever; numbers are used again and nobody is forgotten. */
static void test_members_come_and_go(void **state) {
        _cleanup_(spf_freep) Spf *s = NULL;
        SpfDelta delta;
        size_t n;

        assert_int_equal(spf_new(1, false, &s), 0);
        for (uint64_t i = 0; i < 5000; i++) {
                link_both(s, 1, 100 + i, 1);
                if (i >= 3)
                        assert_int_equal(spf_set_link(s, 1, 100 + i - 3, 0, 0), 1);
                assert_int_equal(spf_compute(s, &delta), 0);
                assert_int_equal(delta.n_added, 1);
                assert_int_equal(delta.n_removed, i >= 3);
                (void) spf_routes(s, &n);
                assert_int_equal(n, MIN(i + 1, 3U));
                assert_int_equal(find_route(s, 100 + i)->hops[0], 100 + i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_line_and_ring),
                cmocka_unit_test(test_triangle),
                cmocka_unit_test(test_members_come_and_go),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
