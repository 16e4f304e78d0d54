/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members and links as arrays. Numbers of members that lost all links are used again, but only once spf.c says that no
 * tree refers to them any more. */

#include "services/ipcp-unicast/spf-graph.h"

#define NODES_MIN 16U
#define EDGES_MIN 4U

int spf_graph_init(SpfGraph *g) {
        assert(g);

        *g = (SpfGraph) { .free = SPF_NOBODY, .idle = SPF_NOBODY };
        return map_new(&g->by_address);
}

void spf_graph_done(SpfGraph *g) {
        assert(g);

        for (uint32_t i = 0; i < g->n_nodes; i++) {
                free(g->nodes[i].edges);
                free(g->nodes[i].name);
        }

        map_free(g->by_address);
        free(g->nodes);
        *g = (SpfGraph) { .free = SPF_NOBODY, .idle = SPF_NOBODY };
}

uint32_t spf_graph_find(const SpfGraph *g, uint64_t address) {
        const SpfName *name = map_get(g->by_address, &address, sizeof(address));

        return name ? name->node : SPF_NOBODY;
}

static int nodes_reserve(SpfGraph *g) {
        SpfNode *nodes;
        uint32_t n;

        if (g->free != SPF_NOBODY || g->n_nodes < g->n_nodes_allocated)
                return 0;

        n = MAX(2 * g->n_nodes_allocated, NODES_MIN);
        nodes = realloc(g->nodes, n * sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;

        g->nodes = nodes;
        g->n_nodes_allocated = n;
        return 0;
}

int spf_graph_add(SpfGraph *g, uint64_t address, uint32_t *ret) {
        _cleanup_free_ SpfName *name = NULL;
        uint32_t node;
        int r;

        assert(g);
        assert(address != 0);

        node = spf_graph_find(g, address);
        if (node != SPF_NOBODY) {
                *ret = node;
                return 0;
        }

        r = nodes_reserve(g);
        if (r < 0)
                return r;

        name = malloc(sizeof(*name));
        if (!name)
                return -ENOMEM;

        node = g->free != SPF_NOBODY ? g->free : g->n_nodes;
        *name = (SpfName) { .address = address, .node = node };
        r = map_put(g->by_address, &name->address, sizeof(name->address), name);
        if (r < 0)
                return r;

        if (g->free != SPF_NOBODY)
                g->free = g->nodes[node].next;
        else
                g->n_nodes++;

        g->nodes[node] = (SpfNode) { .address = address, .name = TAKE_PTR(name), .next = SPF_NOBODY };
        *ret = node;
        return 0;
}

SpfEdge *spf_graph_edge(const SpfGraph *g, uint32_t a, uint32_t b) {
        SpfNode *n = g->nodes + a;

        for (uint32_t i = 0; i < n->n_edges; i++)
                if (n->edges[i].node == b)
                        return n->edges + i;

        return NULL;
}

static int edges_reserve(SpfNode *n) {
        SpfEdge *edges;
        uint32_t n_edges;

        if (n->n_edges < n->n_edges_allocated)
                return 0;

        n_edges = MAX(2 * n->n_edges_allocated, EDGES_MIN);
        edges = realloc(n->edges, n_edges * sizeof(*edges));
        if (!edges)
                return -ENOMEM;

        n->edges = edges;
        n->n_edges_allocated = n_edges;
        return 0;
}

static void edge_drop(SpfGraph *g, uint32_t node, SpfEdge *edge) {
        SpfNode *n = g->nodes + node;

        *edge = n->edges[--n->n_edges];
        if (n->n_edges > 0 || n->idle)
                return;

        n->idle = true;
        n->next = g->idle;
        g->idle = node;
}

int spf_graph_set(SpfGraph *g, uint32_t a, uint32_t b, uint32_t cost_ab, uint32_t cost_ba) {
        SpfEdge *ab, *ba;
        int r;

        assert(g);
        assert(a != b);
        assert((cost_ab == 0) == (cost_ba == 0));

        ab = spf_graph_edge(g, a, b);
        ba = spf_graph_edge(g, b, a);
        assert(!ab == !ba);

        if (cost_ab == 0) {
                if (ab) {
                        edge_drop(g, a, ab);
                        edge_drop(g, b, ba);
                }
                return 0;
        }

        if (!ab) {
                r = edges_reserve(g->nodes + a);
                if (r >= 0)
                        r = edges_reserve(g->nodes + b);
                if (r < 0)
                        return r;

                ab = g->nodes[a].edges + g->nodes[a].n_edges++;
                ba = g->nodes[b].edges + g->nodes[b].n_edges++;
        }

        *ab = (SpfEdge) { .node = b, .cost_out = cost_ab, .cost_in = cost_ba };
        *ba = (SpfEdge) { .node = a, .cost_out = cost_ba, .cost_in = cost_ab };
        return 0;
}

uint32_t spf_graph_pop_idle(SpfGraph *g) {
        uint32_t node = g->idle;

        if (node == SPF_NOBODY)
                return SPF_NOBODY;

        g->idle = g->nodes[node].next;
        g->nodes[node].idle = false;
        return node;
}

void spf_graph_remove(SpfGraph *g, uint32_t node) {
        SpfNode *n = g->nodes + node;

        assert(n->address != 0);
        assert(n->n_edges == 0);
        assert(!n->idle);

        (void) map_remove(g->by_address, &n->name->address, sizeof(n->name->address));
        free(n->name);
        free(n->edges);
        *n = (SpfNode) { .next = g->free };
        g->free = node;
}
