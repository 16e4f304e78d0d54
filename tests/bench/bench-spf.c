/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shortest paths against a textbook Dijkstra: distances and one next hop for each member, over arrays, with a binary heap
 * that allows decreasing a key. Random connected graphs of 500 and 5 000 links at unit costs, four links for each member.
 *
 *   spf.ms.N                    everything from nothing: distances, all next hops of equal cost, the set of routes
 *   spf.change.ms.N             one link goes, or is back: the same result, from what there was
 *   spf.costs.ms.N              as the first, at costs from 1 to 100
 *   spf.change.costs.ms.N       as the second
 *   spf.change.alternates.ms.N  as the second, with loop-free alternates for all destinations
 */

#include <stdio.h>

#include "services/ipcp-unicast/spf.h"
#include "tests/bench/bench.h"

#define LINKS_PER_MEMBER 2U             /* each counts for two members */
#define REPEAT_NSEC 40e6
#define CHANGES 64U

typedef struct Link {
        uint32_t a, b, cost;
} Link;

typedef struct Edge {
        uint32_t node, cost;
} Edge;

typedef struct Bench {
        uint32_t n, n_links;
        Link *links;
        uint32_t *first;                /* per member, into edges; one more at the end */
        Edge *edges;
        uint64_t *distance;
        uint32_t *hop, *heap, *place;
        Spf *spf;                       /* kept for changes */
        uint64_t random;
} Bench;

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

static void dijkstra(Bench *b) {
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

                        if (through >= b->distance[e->node])
                                continue;
                        b->distance[e->node] = through;
                        b->hop[e->node] = node == 0 ? e->node : b->hop[node];
                        if (b->place[e->node] == UINT32_MAX) {
                                b->heap[n] = e->node;
                                b->place[e->node] = n++;
                        }
                        heap_up(b, b->place[e->node]);
                }
        }
}

static double baseline(void *context) {
        double start = bench_nsec(), now;
        unsigned n = 0;

        do {
                dijkstra(context);
                n++;
                now = bench_nsec();
        } while (now - start < REPEAT_NSEC);

        return (now - start) / n / 1e6;
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
                n++;
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
                            spf_set_link(b->spf, 1 + l->a, 1 + l->b, l->cost, l->cost) < 0 || spf_compute(b->spf, &delta) < 0)
                                return -1;
                        n += 2;
                }
                now = bench_nsec();
        } while (now - start < REPEAT_NSEC);

        return (now - start) / n / 1e6;
}

static void figure(Bench *b, const char *what, BenchFunction subject) {
        char name[64];

        (void) snprintf(name, sizeof(name), "spf.%sms.%" PRIu32, what, b->n_links);
        bench_figure(&(BenchFigure) { name, "ms", "textbook-Dijkstra", subject, baseline, b });
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
                SpfDelta delta;

                make_graph(b, figures[i].cost_max);
                if (make_spf(b, figures[i].alternates, &b->spf) >= 0 && spf_compute(b->spf, &delta) >= 0)
                        figure(b, figures[i].name, figures[i].subject);
                b->spf = spf_free(b->spf);
        }
}

int main(void) {
        static const uint32_t sizes[] = { 500, 5000 };

        bench_pin(BENCH_CPU_LEFT);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                Bench b = { .n_links = sizes[i], .n = sizes[i] / LINKS_PER_MEMBER, .random = 4711 };

                b.links = calloc(b.n_links, sizeof(*b.links));
                b.edges = calloc(2U * b.n_links, sizeof(*b.edges));
                b.first = calloc(b.n + 1, sizeof(*b.first));
                b.distance = calloc(b.n, sizeof(*b.distance));
                b.hop = calloc(b.n, sizeof(*b.hop));
                b.heap = calloc(b.n, sizeof(*b.heap));
                b.place = calloc(b.n, sizeof(*b.place));
                if (b.links && b.edges && b.first && b.distance && b.hop && b.heap && b.place)
                        measure(&b);

                free(b.links);
                free(b.edges);
                free(b.first);
                free(b.distance);
                free(b.hop);
                free(b.heap);
                free(b.place);
        }

        return EXIT_SUCCESS;
}
