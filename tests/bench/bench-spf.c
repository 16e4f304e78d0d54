/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shortest paths against a textbook Dijkstra: arrays, and a binary heap that allows decreasing a key. It is measured
 * twice: with the same result as ours, which is all next hops of equal cost and a set of routes, and for distances
 * alone, where ours is the tree alone. Random connected graphs of 500 and 5 000 links at unit costs, four links for
 * each member; several, in turn, because processors learn the branches of one small graph by heart.
 *
 *   spf.ms.N                    everything from nothing
 *   spf.distances.ms.N          the same, distances alone
 *   spf.change.ms.N             one link goes, or is back: the same result, from what there was
 *   spf.costs.ms.N              as the first, at costs from 1 to 100
 *   spf.change.costs.ms.N       as the third
 *   spf.change.alternates.ms.N  as the third, with loop-free alternates for all destinations
 */

#include <stdio.h>

#include "services/ipcp-unicast/spf.h"
#include "services/ipcp-unicast/spf-tree.h"
#include "tests/bench/bench.h"

#define LINKS_PER_MEMBER 2U             /* each counts for two members */
#define REPEAT_NSEC 40e6
#define CHANGES 64U
#define GRAPHS 16U

typedef struct Link {
        uint32_t a, b, cost;
} Link;

typedef struct Edge {
        uint32_t node, cost;
} Edge;

typedef struct Bench Bench;

struct Bench {
        Bench *next;                    /* graph; the last one's is the first */
        uint32_t n, n_links;
        Link *links;
        uint32_t *first;                /* per member, into edges; one more at the end */
        Edge *edges;
        uint64_t *distance;
        uint32_t *heap, *place;
        Route *routes;                  /* of the textbook, by member */
        Spf *spf;                       /* kept for changes */
        SpfGraph graph;                 /* for distances alone */
        SpfTree *tree;
        uint64_t random;
};

static uint64_t draw(Bench *b, uint64_t below) {
        b->random = b->random * 6364136223846793005U + 1442695040888963407U;
        return (b->random >> 33) % below;
}

static bool has_link(const Bench *b, uint32_t n_links, uint32_t a, uint32_t c) {
        for (uint32_t i = 0; i < n_links; i++)
                if ((b->links[i].a == a && b->links[i].b == c) || (b->links[i].a == c && b->links[i].b == a))
                        return true;

        return false;
}

/* A random tree, and random links on top. */
static void make_graph(Bench *b, uint32_t cost_max) {
        uint32_t n = 0;

        for (; n + 1 < b->n; n++)
                b->links[n] = (Link) { n + 1, (uint32_t) draw(b, n + 1), (uint32_t) draw(b, cost_max) + 1 };
        while (n < b->n_links) {
                uint32_t a = (uint32_t) draw(b, b->n), c = (uint32_t) draw(b, b->n);

                if (a != c && !has_link(b, n, a, c))
                        b->links[n++] = (Link) { a, c, (uint32_t) draw(b, cost_max) + 1 };
        }

        memset(b->first, 0, (b->n + 1) * sizeof(*b->first));
        for (uint32_t i = 0; i < b->n_links; i++) {
                b->first[b->links[i].a]++;
                b->first[b->links[i].b]++;
        }
        for (uint32_t i = 1; i <= b->n; i++)
                b->first[i] += b->first[i - 1];
        for (uint32_t i = 0; i < b->n_links; i++) {
                const Link *l = b->links + i;

                b->edges[--b->first[l->a]] = (Edge) { l->b, l->cost };
                b->edges[--b->first[l->b]] = (Edge) { l->a, l->cost };
        }
}

/* -- the textbook -- */

static void heap_up(Bench *b, uint32_t i) {
        uint32_t node = b->heap[i];

        for (; i > 0 && b->distance[b->heap[(i - 1) / 2]] > b->distance[node]; i = (i - 1) / 2) {
                b->heap[i] = b->heap[(i - 1) / 2];
                b->place[b->heap[i]] = i;
        }
        b->heap[i] = node;
        b->place[node] = i;
}

static void heap_down(Bench *b, uint32_t n) {
        uint32_t node = b->heap[n], i = 0;

        for (;;) {
                uint32_t child = 2 * i + 1;

                if (child + 1 < n && b->distance[b->heap[child + 1]] < b->distance[b->heap[child]])
                        child++;
                if (child >= n || b->distance[b->heap[child]] >= b->distance[node])
                        break;
                b->heap[i] = b->heap[child];
                b->place[b->heap[i]] = i;
                i = child;
        }
        b->heap[i] = node;
        b->place[node] = i;
}

/* A shorter way replaces the next hops of the member, one as long adds to them. */
static void improve_route(Bench *b, uint32_t node, uint32_t other, uint64_t through) {
        const Route *before = b->routes + node;
        Route *route = b->routes + other;
        const uint64_t address = other, *more = node == 0 ? &address : before->hops;
        unsigned n_more = node == 0 ? 1 : before->n_hops;

        if (through < b->distance[other]) {
                route->destination = other;
                route->cost = through;
                route->n_links = before->n_links + 1;
                route->n_hops = 0;
                route->n_alternates = 0;
        }

        for (unsigned i = 0; i < n_more && route->n_hops < FORWARDING_HOPS_MAX; i++) {
                unsigned k = 0;

                while (k < route->n_hops && route->hops[k] != more[i])
                        k++;
                if (k == route->n_hops)
                        route->hops[route->n_hops++] = more[i];
        }
        route->n_links = MIN(route->n_links, before->n_links + 1);
}

static void dijkstra(Bench *b, bool with_routes) {
        uint32_t n = 1;

        for (uint32_t i = 0; i < b->n; i++) {
                b->distance[i] = UINT64_MAX;
                b->place[i] = UINT32_MAX;
        }
        b->distance[0] = 0;
        b->heap[0] = 0;

        while (n > 0) {
                uint32_t node = b->heap[0];

                if (--n > 0)
                        heap_down(b, n);
                for (uint32_t i = b->first[node]; i < b->first[node + 1]; i++) {
                        const Edge *e = b->edges + i;
                        uint64_t through = b->distance[node] + e->cost;

                        if (through > b->distance[e->node])
                                continue;
                        if (with_routes)
                                improve_route(b, node, e->node, through);
                        if (through == b->distance[e->node])
                                continue;
                        b->distance[e->node] = through;
                        if (b->place[e->node] == UINT32_MAX) {
                                b->heap[n] = e->node;
                                b->place[e->node] = n++;
                        }
                        heap_up(b, b->place[e->node]);
                }
        }
}

static double repeat_dijkstra(Bench *b, bool with_routes) {
        double start = bench_nsec(), now;
        unsigned n = 0;

        do {
                dijkstra(b, with_routes);
                b = b->next;
                n++;
                now = bench_nsec();
        } while (now - start < REPEAT_NSEC);

        return (now - start) / n / 1e6;
}

static double textbook_routes(void *context) {
        return repeat_dijkstra(context, true);
}

static double textbook_distances(void *context) {
        return repeat_dijkstra(context, false);
}

/* -- ours -- */

static int make_spf(const Bench *b, bool alternates, Spf **ret) {
        int r;

        r = spf_new(1, alternates, ret);
        for (uint32_t i = 0; r >= 0 && i < b->n_links; i++)
                r = spf_set_link(*ret, 1 + b->links[i].a, 1 + b->links[i].b, b->links[i].cost, b->links[i].cost);

        return r;
}

/* Sets all links of the root, without which there is nothing to be reached. */
static int set_root_links(Bench *b, bool there) {
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < b->n_links; i++) {
                const Link *l = b->links + i;
                uint32_t cost = there ? l->cost : 0;

                if (l->a == 0 || l->b == 0)
                        r = spf_set_link(b->spf, 1 + l->a, 1 + l->b, cost, cost);
        }

        return r;
}

/* Only the computation, in memory that is there: so has it the textbook. */
static double full(void *context) {
        Bench *b = context;
        double spent = 0;
        unsigned n = 0;

        while (spent < REPEAT_NSEC) {
                SpfDelta delta;
                double start;

                if (set_root_links(b, false) < 0 || spf_compute(b->spf, &delta) < 0 || set_root_links(b, true) < 0)
                        return -1;

                start = bench_nsec();
                if (spf_compute(b->spf, &delta) < 0 || delta.n_added != b->n - 1)
                        return -1;
                spent += bench_nsec() - start;
                b = b->next;
                n++;
        }

        return spent / n / 1e6;
}

/* -- distances alone -- */

static int make_tree(Bench *b) {
        int r;

        r = spf_graph_init(&b->graph);
        for (uint32_t i = 0, node; r >= 0 && i < b->n; i++)
                r = spf_graph_add(&b->graph, 1 + i, &node);
        for (uint32_t i = 0; r >= 0 && i < b->n_links; i++)
                r = spf_graph_set(&b->graph, b->links[i].a, b->links[i].b, b->links[i].cost, b->links[i].cost);
        if (r >= 0)
                r = spf_tree_new(&b->graph, 0, false, &b->tree);

        return r;
}

static int tree_set_root_links(Bench *b, bool there) {
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < b->n_links; i++) {
                const Link *l = b->links + i;
                uint32_t now = there ? l->cost : 0, before = there ? 0 : l->cost;

                if (l->a != 0 && l->b != 0)
                        continue;
                r = spf_graph_set(&b->graph, l->a, l->b, now, now);
                spf_tree_edge_changed(b->tree, l->a, l->b, before, now);
                spf_tree_edge_changed(b->tree, l->b, l->a, before, now);
        }

        return r;
}

static double full_distances(void *context) {
        Bench *b = context;
        double spent = 0;
        unsigned n = 0;

        while (spent < REPEAT_NSEC) {
                double start;

                if (tree_set_root_links(b, false) < 0)
                        return -1;
                spf_tree_run(b->tree);
                spf_tree_forget_changes(b->tree);
                if (tree_set_root_links(b, true) < 0)
                        return -1;

                start = bench_nsec();
                spf_tree_run(b->tree);
                spent += bench_nsec() - start;
                n++;

                if (b->tree->n_changed != b->n - 1)
                        return -1;
                spf_tree_forget_changes(b->tree);
                b = b->next;
        }

        return spent / n / 1e6;
}

/* Any link, gone and back: the mean over many, since most concern few members and some concern many. */
static double change(void *context) {
        Bench *b = context;
        double start = bench_nsec(), now;
        unsigned n = 0;

        do {
                for (unsigned i = 0; i < CHANGES; i++) {
                        const Link *l = b->links + draw(b, b->n_links);
                        SpfDelta delta;

                        if (spf_set_link(b->spf, 1 + l->a, 1 + l->b, 0, 0) < 0 || spf_compute(b->spf, &delta) < 0 ||
                            spf_set_link(b->spf, 1 + l->a, 1 + l->b, l->cost, l->cost) < 0 ||
                            spf_compute(b->spf, &delta) < 0)
                                return -1;
                        n += 2;
                }
                b = b->next;
                now = bench_nsec();
        } while (now - start < REPEAT_NSEC);

        return (now - start) / n / 1e6;
}

static void figure(Bench *b, const char *what, const char *than, BenchFunction subject, BenchFunction baseline) {
        char name[64];

        (void) snprintf(name, sizeof(name), "spf.%sms.%" PRIu32, what, b->n_links);
        bench_figure(&(BenchFigure) { name, "ms", than, subject, baseline, b });
}

static void measure(Bench *b) {
        static const struct {
                const char *name;
                BenchFunction subject;
                uint32_t cost_max;
                bool alternates;
        } figures[] = {
                { "", full, 1, false },
                { "change.", change, 1, false },
                { "costs.", full, 100, false },
                { "change.costs.", change, 100, false },
                { "change.alternates.", change, 1, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                bool made = true;

                for (unsigned k = 0; k < GRAPHS; k++, b = b->next) {
                        SpfDelta delta;

                        make_graph(b, figures[i].cost_max);
                        made = made && make_spf(b, figures[i].alternates, &b->spf) >= 0 &&
                               spf_compute(b->spf, &delta) >= 0;
                }
                if (made)
                        figure(b, figures[i].name, "textbook-Dijkstra-same-routes", figures[i].subject,
                               textbook_routes);
                for (unsigned k = 0; k < GRAPHS; k++, b = b->next)
                        b->spf = spf_free(b->spf);
        }
}

static void measure_distances(Bench *b) {
        bool made = true;

        for (unsigned k = 0; k < GRAPHS; k++, b = b->next) {
                make_graph(b, 1);
                made = made && make_tree(b) >= 0;
                if (made)
                        spf_tree_run(b->tree);
        }
        if (made)
                figure(b, "distances.", "textbook-Dijkstra", full_distances, textbook_distances);
        for (unsigned k = 0; k < GRAPHS; k++, b = b->next) {
                b->tree = spf_tree_free(b->tree);
                spf_graph_done(&b->graph);
        }
}

static Bench *bench_free(Bench *b) {
        for (unsigned i = 0; b && i < GRAPHS; i++) {
                free(b[i].links);
                free(b[i].edges);
                free(b[i].first);
                free(b[i].distance);
                free(b[i].heap);
                free(b[i].place);
                free(b[i].routes);
        }

        return mfree(b);
}

DEFINE_CLEANUP(Bench, bench_free);

/* All graphs of one size, in a ring. */
static int bench_new(uint32_t n_links, Bench **ret) {
        _cleanup_(bench_freep) Bench *all = NULL;

        all = calloc(GRAPHS, sizeof(*all));
        if (!all)
                return -ENOMEM;

        for (unsigned i = 0; i < GRAPHS; i++) {
                Bench *b = all + i;

                *b = (Bench) {
                        .next = all + (i + 1) % GRAPHS,
                        .n_links = n_links,
                        .n = n_links / LINKS_PER_MEMBER,
                        .random = i,
                };
                b->links = calloc(b->n_links, sizeof(*b->links));
                b->edges = calloc(2U * b->n_links, sizeof(*b->edges));
                b->first = calloc(b->n + 1, sizeof(*b->first));
                b->distance = calloc(b->n, sizeof(*b->distance));
                b->heap = calloc(b->n, sizeof(*b->heap));
                b->place = calloc(b->n, sizeof(*b->place));
                b->routes = calloc(b->n, sizeof(*b->routes));
                if (!b->links || !b->edges || !b->first || !b->distance || !b->heap || !b->place || !b->routes)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(all);
        return 0;
}

int main(void) {
        static const uint32_t sizes[] = { 500, 5000 };

        bench_pin(BENCH_CPU_LEFT);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(bench_freep) Bench *b = NULL;

                if (bench_new(sizes[i], &b) < 0)
                        return EXIT_FAILURE;

                measure(b);
                measure_distances(b);
        }

        return EXIT_SUCCESS;
}
