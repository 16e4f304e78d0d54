/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The graph (spf-graph.c), the tree of our own shortest paths (spf-tree.c), and the routes that follow from them.
 * Only the routes of members that the tree reports as changed are written anew.
 *
 * Alternates. A neighbour N is a loop-free alternate from S to D if
 *
 *      dist(N, D) < dist(N, S) + dist(S, D)
 *
 * because then no shortest path of N to D leads back through S: the packet is not returned (RFC 5286, inequality 1).
 * Where costs differ by direction dist(N, S) is not dist(S, N), so it is taken from N's tree, like dist(N, D). N may
 * be D itself where another way to D is cheaper than the direct one. Such trees have distances only; there is one for
 * each neighbour, up to a limit, made when it is first needed and kept up to date like ours. A distance in one of
 * these trees may matter to any route, so with alternates all routes are compared after each computation.
 */

#include "services/ipcp-unicast/spf.h"
#include "services/ipcp-unicast/spf-tree.h"

#define ROUTES_MIN 16U

struct Spf {
        SpfGraph graph;
        uint32_t root;
        SpfTree *tree;
        bool with_alternates;
        SpfTree *neighbours[SPF_ALTERNATES_NEIGHBOURS_MAX];
        /* from us to them; valid while routes are made */
        uint64_t neighbour_costs[SPF_ALTERNATES_NEIGHBOURS_MAX];
        unsigned n_neighbours;

        Route *routes;
        uint32_t *route_nodes;          /* whose route it is */
        uint32_t n_routes;
        uint32_t *places;               /* by member: place in routes[] + 1; 0: none */
        uint32_t n_allocated;           /* of all three: one for each member */
};

typedef struct Alternates {
        uint64_t addresses[FORWARDING_HOPS_MAX];
        uint64_t costs[FORWARDING_HOPS_MAX];    /* of the way through them */
        uint8_t n;
} Alternates;

int spf_new(uint64_t root, bool alternates, Spf **ret) {
        _cleanup_(spf_freep) Spf *s = NULL;
        int r;

        assert(root != 0);
        assert(ret);

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (Spf) { .with_alternates = alternates };
        r = spf_graph_init(&s->graph);
        if (r < 0)
                return r;

        r = spf_graph_add(&s->graph, root, &s->root);
        if (r < 0)
                return r;

        r = spf_tree_new(&s->graph, s->root, true, &s->tree);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Spf *spf_free(Spf *s) {
        if (!s)
                return NULL;

        for (unsigned i = 0; i < s->n_neighbours; i++)
                spf_tree_free(s->neighbours[i]);
        spf_tree_free(s->tree);
        spf_graph_done(&s->graph);
        free(s->routes);
        free(s->route_nodes);
        free(s->places);
        return mfree(s);
}

/* -- changes -- */

static int member(Spf *s, uint64_t address, uint32_t *ret) {
        int r;

        r = spf_graph_add(&s->graph, address, ret);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < s->n_neighbours; i++) {
                r = spf_tree_reserve(s->neighbours[i]);
                if (r < 0)
                        return r;
        }

        return spf_tree_reserve(s->tree);
}

static void edge_changed(Spf *s, uint32_t from, uint32_t to, uint32_t cost_before, uint32_t cost_now) {
        spf_tree_edge_changed(s->tree, from, to, cost_before, cost_now);
        for (unsigned i = 0; i < s->n_neighbours; i++)
                spf_tree_edge_changed(s->neighbours[i], from, to, cost_before, cost_now);
}

int spf_set_link(Spf *s, uint64_t a, uint64_t b, uint32_t cost_ab, uint32_t cost_ba) {
        uint32_t node_a, node_b, before_ab, before_ba;
        const SpfEdge *edge;
        int r;

        assert(s);
        assert(a != b);

        node_a = spf_graph_find(&s->graph, a);
        node_b = spf_graph_find(&s->graph, b);
        edge = node_a == SPF_NOBODY || node_b == SPF_NOBODY ? NULL : spf_graph_edge(&s->graph, node_a, node_b);
        before_ab = edge ? edge->cost_out : 0;
        before_ba = edge ? edge->cost_in : 0;
        if (before_ab == cost_ab && before_ba == cost_ba)
                return 0;

        if (!edge) {
                r = member(s, a, &node_a);
                if (r >= 0)
                        r = member(s, b, &node_b);
                if (r < 0)
                        return r;
        }

        r = spf_graph_set(&s->graph, node_a, node_b, cost_ab, cost_ba);
        if (r < 0)
                return r;

        edge_changed(s, node_a, node_b, before_ab, cost_ab);
        edge_changed(s, node_b, node_a, before_ba, cost_ba);
        return 1;
}

/* -- alternates -- */

/* Lets go of the trees of those who are no neighbours any more, and makes those that are missing. */
static int neighbours_update(Spf *s) {
        const SpfNode *root = s->graph.nodes + s->root;
        int r;

        for (unsigned i = 0; i < s->n_neighbours;)
                if (!spf_graph_edge(&s->graph, s->root, s->neighbours[i]->root)) {
                        spf_tree_free(s->neighbours[i]);
                        s->neighbours[i] = s->neighbours[--s->n_neighbours];
                } else
                        i++;

        for (uint32_t i = 0; s->with_alternates && i < root->n_edges; i++) {
                unsigned k = 0;

                while (k < s->n_neighbours && s->neighbours[k]->root != root->edges[i].node)
                        k++;
                if (k < s->n_neighbours)
                        continue;
                if (s->n_neighbours == SPF_ALTERNATES_NEIGHBOURS_MAX)
                        break;

                r = spf_tree_new(&s->graph, root->edges[i].node, false, &s->neighbours[s->n_neighbours]);
                if (r < 0)
                        return r;
                s->n_neighbours++;
        }

        return 0;
}

static bool route_has_hop(const Route *route, uint64_t address) {
        for (unsigned i = 0; i < route->n_hops; i++)
                if (route->hops[i] == address)
                        return true;

        return false;
}

/* Keeps the list in order, best first; the last falls off where it is full. */
static void alternates_insert(Alternates *a, uint64_t address, uint64_t cost) {
        unsigned i = a->n;

        while (i > 0 && (a->costs[i - 1] > cost || (a->costs[i - 1] == cost && a->addresses[i - 1] > address))) {
                if (i < FORWARDING_HOPS_MAX) {
                        a->costs[i] = a->costs[i - 1];
                        a->addresses[i] = a->addresses[i - 1];
                }
                i--;
        }
        if (i == FORWARDING_HOPS_MAX)
                return;

        a->costs[i] = cost;
        a->addresses[i] = address;
        a->n = (uint8_t) MIN(a->n + 1U, FORWARDING_HOPS_MAX);
}

static void find_alternates(const Spf *s, uint32_t node, const Route *route, Alternates *ret) {
        ret->n = 0;
        for (unsigned i = 0; i < s->n_neighbours; i++) {
                const SpfTree *t = s->neighbours[i];
                uint64_t distance = t->nodes[node].distance, address = s->graph.nodes[t->root].address;

                /* Those of equal cost for which a route has no room are no alternates either, but loop-free. */
                if (distance < t->nodes[s->root].distance + route->cost && !route_has_hop(route, address))
                        alternates_insert(ret, address, s->neighbour_costs[i] + distance);
        }
}

/* -- routes -- */

static int routes_reserve(Spf *s) {
        uint32_t n = s->graph.n_nodes_allocated, *route_nodes, *places;
        Route *routes;

        if (n <= s->n_allocated)
                return 0;

        routes = realloc(s->routes, n * sizeof(*routes));
        if (!routes)
                return -ENOMEM;
        s->routes = routes;

        route_nodes = realloc(s->route_nodes, n * sizeof(*route_nodes));
        if (!route_nodes)
                return -ENOMEM;
        s->route_nodes = route_nodes;

        places = realloc(s->places, n * sizeof(*places));
        if (!places)
                return -ENOMEM;
        s->places = places;

        memset(places + s->n_allocated, 0, (n - s->n_allocated) * sizeof(*places));
        s->n_allocated = n;
        return 0;
}

/* Copies addresses. Returns whether they were others. */
static bool addresses_replace(uint64_t *to, uint8_t *n_to, const uint64_t *from, uint8_t n_from) {
        bool different = *n_to != n_from;

        for (unsigned i = 0; i < n_from; i++) {
                different = different || to[i] != from[i];
                to[i] = from[i];
        }

        *n_to = n_from;
        return different;
}

static void route_remove(Spf *s, uint32_t node, SpfDelta *delta) {
        uint32_t place = s->places[node], last = s->n_routes - 1;

        if (place == 0)
                return;

        s->routes[place - 1] = s->routes[last];
        s->route_nodes[place - 1] = s->route_nodes[last];
        s->places[s->route_nodes[last]] = place;
        s->places[node] = 0;
        s->n_routes--;
        delta->n_removed++;
}

/* The route of a member that can be reached, as it is or with room for it to be written. */
static Route *route_get(Spf *s, uint32_t node, SpfDelta *delta, bool *ret_is_new) {
        Route *route;

        *ret_is_new = s->places[node] == 0;
        if (!*ret_is_new)
                return s->routes + s->places[node] - 1;

        route = s->routes + s->n_routes;
        route->destination = s->graph.nodes[node].address;
        route->cost = SPF_UNREACHABLE;
        route->n_links = 0;
        route->n_hops = 0;
        route->n_alternates = 0;
        s->route_nodes[s->n_routes] = node;
        s->places[node] = ++s->n_routes;
        delta->n_added++;
        return route;
}

static void route_update(Spf *s, uint32_t node, SpfDelta *delta) {
        const SpfTreeNode *n = s->tree->nodes + node;
        Alternates alternates;
        bool is_new, different;
        Route *route;

        if (node == s->root)
                return;
        if (n->distance == SPF_UNREACHABLE) {
                route_remove(s, node, delta);
                return;
        }

        route = route_get(s, node, delta, &is_new);
        different = route->cost != n->distance || route->n_links != n->n_links;
        route->cost = n->distance;
        route->n_links = n->n_links;
        if (is_new) {
                /* All that there is room for: that is quicker than to count. */
                memcpy(route->hops, s->tree->hops[node].addresses, sizeof(route->hops));
                route->n_hops = n->n_hops;
        } else
                different |= addresses_replace(route->hops, &route->n_hops, s->tree->hops[node].addresses, n->n_hops);

        if (s->with_alternates) {
                find_alternates(s, node, route, &alternates);
                different |= addresses_replace(route->alternates, &route->n_alternates, alternates.addresses,
                                               alternates.n);
        }

        delta->n_changed += !is_new && different;
}

/* No tree refers to them any more once all have run. */
static void forget_idle(Spf *s) {
        uint32_t node;

        while ((node = spf_graph_pop_idle(&s->graph)) != SPF_NOBODY)
                if (node != s->root && s->graph.nodes[node].n_edges == 0)
                        spf_graph_remove(&s->graph, node);
}

int spf_compute(Spf *s, SpfDelta *ret) {
        SpfDelta delta = {};
        int r;

        assert(s);
        assert(ret);

        r = routes_reserve(s);
        if (r < 0)
                return r;

        r = neighbours_update(s);
        if (r < 0)
                return r;

        spf_tree_run(s->tree);
        for (unsigned i = 0; i < s->n_neighbours; i++) {
                spf_tree_run(s->neighbours[i]);
                spf_tree_forget_changes(s->neighbours[i]);
                s->neighbour_costs[i] = spf_graph_edge(&s->graph, s->root, s->neighbours[i]->root)->cost_out;
        }

        if (s->with_alternates)
                for (uint32_t node = 0; node < s->graph.n_nodes; node++)
                        route_update(s, node, &delta);
        else
                for (uint32_t i = 0; i < s->tree->n_changed; i++)
                        route_update(s, s->tree->changed[i], &delta);

        spf_tree_forget_changes(s->tree);
        forget_idle(s);
        *ret = delta;
        return 0;
}

const Route *spf_routes(const Spf *s, size_t *ret_n) {
        *ret_n = s->n_routes;
        return s->routes;
}
