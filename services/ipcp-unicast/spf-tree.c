/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dynamic shortest paths, after Ramalingam and Reps (DynamicSWSF-FP). Each member has a settled distance and an
 * estimate: the least of its neighbours' distances plus the cost from there. Where both agree there is nothing to do.
 * A change makes some estimates differ; those are queued by the smaller of the two values and taken out in that
 * order:
 *
 *   distance > estimate    the way became shorter: the estimate is the distance now, and final, since every shorter
 *                          one was settled before; neighbours may profit
 *   distance < estimate    the way that it had is gone: its distance is "unreachable" for now, the estimates of those
 *                          who were reached through it are made anew, and it is queued again with what it has left
 *   neither                only who is before it on shortest paths changed: its next hops are made anew, and where they
 *                          differ, so are those of the members behind it
 *
 * No member is taken out more than twice for a batch of changes, and none whose path was not concerned. On an empty
 * tree this is Dijkstra's algorithm, each member taken out once.
 *
 * Keys taken out never decrease, so a radix queue does: bucket b holds keys whose highest bit that differs from the
 * last key taken out is bit b - 1; a member moves to lower buckets only, and entering and leaving is relinking.
 */

#include "services/ipcp-unicast/spf-tree.h"

#define BUCKET_NONE UINT8_MAX

/* -- the queue -- */

static unsigned bucket_of(const SpfTree *t, uint64_t key) {
        return key == t->last ? 0 : 64U - (unsigned) __builtin_clzll(key ^ t->last);
}

static void queue_push(SpfTree *t, uint32_t node, uint64_t key) {
        SpfTreeNode *n = t->nodes + node;
        unsigned bucket = bucket_of(t, key);
        uint32_t head = t->heads[bucket];

        assert(key >= t->last);

        n->key = key;
        n->bucket = (uint8_t) bucket;
        n->previous = SPF_NOBODY;
        n->next = head;
        if (head != SPF_NOBODY)
                t->nodes[head].previous = node;
        t->heads[bucket] = node;
}

static void queue_unlink(SpfTree *t, uint32_t node) {
        SpfTreeNode *n = t->nodes + node;

        if (n->previous != SPF_NOBODY)
                t->nodes[n->previous].next = n->next;
        else
                t->heads[n->bucket] = n->next;
        if (n->next != SPF_NOBODY)
                t->nodes[n->next].previous = n->previous;
        n->bucket = BUCKET_NONE;
}

/* Makes the smallest key of the first bucket that has any the last one; its members spread over the lower buckets. */
static bool queue_advance(SpfTree *t) {
        uint64_t least = UINT64_MAX;
        uint32_t chain;
        unsigned b = 1;

        while (b < SPF_BUCKETS && t->heads[b] == SPF_NOBODY)
                b++;
        if (b == SPF_BUCKETS)
                return false;

        chain = t->heads[b];
        t->heads[b] = SPF_NOBODY;
        for (uint32_t i = chain; i != SPF_NOBODY; i = t->nodes[i].next)
                least = MIN(least, t->nodes[i].key);

        t->last = least;
        while (chain != SPF_NOBODY) {
                uint32_t node = chain;

                chain = t->nodes[node].next;
                queue_push(t, node, t->nodes[node].key);
        }

        return true;
}

static uint32_t queue_pop(SpfTree *t) {
        uint32_t node;

        if (t->heads[0] == SPF_NOBODY && !queue_advance(t))
                return SPF_NOBODY;

        node = t->heads[0];
        queue_unlink(t, node);

        /* Links of members are all over the memory: those of the next one are on their way while this one's are
         * looked at. */
        if (t->heads[0] != SPF_NOBODY)
                __builtin_prefetch(t->graph->nodes[t->heads[0]].edges);
        return node;
}

/* Puts a member where it belongs after any of its values changed. */
static inline void requeue(SpfTree *t, uint32_t node) {
        SpfTreeNode *n = t->nodes + node;
        uint64_t key = MIN(n->distance, n->estimate);

        if (n->distance == SPF_UNREACHABLE)
                n->stale_hops = false;

        if (n->distance == n->estimate && !n->stale_hops) {
                if (n->bucket != BUCKET_NONE)
                        queue_unlink(t, node);
                return;
        }

        if (n->bucket != BUCKET_NONE) {
                if (n->key == key)
                        return;
                queue_unlink(t, node);
        }
        queue_push(t, node, key);
}

/* -- next hops -- */

static bool hops_equal(const uint64_t *a, unsigned n_a, const uint64_t *b, unsigned n_b) {
        if (n_a != n_b)
                return false;

        for (unsigned i = 0; i < n_a; i++)
                if (a[i] != b[i])
                        return false;

        return true;
}

/* Adds those of an ascending list to another, without repetition; the largest fall off where there is no room. */
static unsigned hops_merge(SpfHops *hops, unsigned n, const SpfHops *more, unsigned n_more) {
        uint64_t *addresses = hops->addresses;

        if (n == 0) {
                *hops = *more;
                return n_more;
        }

        for (unsigned k = 0; k < n_more; k++) {
                uint64_t address = more->addresses[k];
                unsigned i = n;

                while (i > 0 && addresses[i - 1] > address)
                        i--;
                if (i > 0 && addresses[i - 1] == address)
                        continue;
                if (i == FORWARDING_HOPS_MAX)
                        break;

                n = MIN(n + 1, FORWARDING_HOPS_MAX);
                for (unsigned last = n - 1; last > i; last--)
                        addresses[last] = addresses[last - 1];
                addresses[i] = address;
        }

        return n;
}

/* From those before it on shortest paths, which are settled. Returns whether they changed. */
static bool hops_compute(SpfTree *t, uint32_t node) {
        const SpfNode *g = t->graph->nodes + node;
        SpfTreeNode *n = t->nodes + node;
        SpfHops hops = {}, own = { { g->address } };
        uint32_t n_links = node == t->root ? 0 : UINT32_MAX;
        unsigned n_hops = 0;

        n->stale_hops = false;

        /* Nobody is before the root: its distance is 0. */
        for (uint32_t i = 0; i < g->n_edges; i++) {
                const SpfEdge *e = g->edges + i;
                const SpfTreeNode *before = t->nodes + e->node;

                if (before->distance + e->cost_in != n->distance)
                        continue;

                if (e->node == t->root)
                        n_hops = hops_merge(&hops, n_hops, &own, 1);
                else
                        n_hops = hops_merge(&hops, n_hops, t->hops + e->node, before->n_hops);
                n_links = MIN(n_links, before->n_links + 1);
        }

        if (n_links == n->n_links && hops_equal(hops.addresses, n_hops, t->hops[node].addresses, n->n_hops))
                return false;

        t->hops[node] = hops;
        n->n_hops = (uint8_t) n_hops;
        n->n_links = n_links;
        return true;
}

/*
 * An offer better than all before: who makes it is alone before the other on shortest paths, until somebody makes the
 * same. Had anybody who is settled already made one as good, the estimate would have shown it, so what is gathered
 * like this is complete when the other's turn comes, and its neighbours need not be looked at again. Not so for one
 * that keeps its distance, because the offer makes good for what it lost: whether its hops differ is to be found out,
 * with settle_hops().
 */
static void hops_gather(SpfTree *t, uint32_t node, uint32_t other, bool is_first) {
        const SpfTreeNode *n = t->nodes + node;
        SpfTreeNode *o = t->nodes + other;

        if (node == t->root) {
                t->hops[other] = (SpfHops) { { t->graph->nodes[other].address } };
                o->n_hops = 1;
        } else
                o->n_hops = (uint8_t) hops_merge(t->hops + other, is_first ? 0 : o->n_hops, t->hops + node, n->n_hops);
        o->n_links = is_first ? n->n_links + 1 : MIN(o->n_links, n->n_links + 1);
        o->gathers = true;
}

/* -- distances -- */

static void note_change(SpfTree *t, uint32_t node) {
        if (t->nodes[node].changed)
                return;

        t->nodes[node].changed = true;
        t->changed[t->n_changed++] = node;
}

static uint64_t estimate_compute(const SpfTree *t, uint32_t node) {
        const SpfNode *g = t->graph->nodes + node;
        uint64_t least = SPF_UNREACHABLE;

        for (uint32_t i = 0; i < g->n_edges; i++)
                least = MIN(least, t->nodes[g->edges[i].node].distance + g->edges[i].cost_in);

        return least;
}

/* One that is not worse than what the other has. */
static void take_offer(SpfTree *t, uint32_t node, uint32_t to, uint64_t offer) {
        SpfTreeNode *other = t->nodes + to;

        if (offer < other->estimate) {
                other->estimate = offer;
                if (t->with_hops && offer < other->distance)
                        hops_gather(t, node, to, true);
                else
                        other->stale_hops = t->with_hops;
        } else if (other->gathers) {
                hops_gather(t, node, to, false);
                return;
        } else if (t->with_hops && other->distance == offer)
                other->stale_hops = true;
        else
                return;

        requeue(t, to);
}

/* The way became shorter: others profit, or have one more way of the same length. */
static void settle_shorter(SpfTree *t, uint32_t node) {
        const SpfNode *g = t->graph->nodes + node;
        SpfTreeNode *nodes = t->nodes, *n = nodes + node;
        uint64_t distance = n->estimate;

        n->distance = distance;
        note_change(t, node);
        if (t->with_hops && !n->gathers)
                (void) hops_compute(t, node);
        n->stale_hops = false;
        n->gathers = false;

        /* The root's estimate is 0, below any offer. Most offers are none: this is where the time of a computation
         * goes. */
        for (const SpfEdge *e = g->edges, *end = e ? e + g->n_edges : e; e < end; e++) {
                uint64_t offer = distance + e->cost_out;

                if (offer <= nodes[e->node].estimate)
                        take_offer(t, node, e->node, offer);
        }
}

/* The way that it had is gone. */
static void settle_lost(SpfTree *t, uint32_t node) {
        const SpfNode *g = t->graph->nodes + node;
        SpfTreeNode *n = t->nodes + node;
        uint64_t before = n->distance;

        n->distance = SPF_UNREACHABLE;
        n->n_hops = 0;
        n->n_links = UINT32_MAX;
        note_change(t, node);

        for (uint32_t i = 0; i < g->n_edges; i++) {
                SpfTreeNode *other = t->nodes + g->edges[i].node;
                uint64_t offered = before + g->edges[i].cost_out;

                if (g->edges[i].node == t->root || (other->estimate != offered && other->distance != offered))
                        continue;

                if (other->estimate == offered)
                        other->estimate = estimate_compute(t, g->edges[i].node);
                other->stale_hops = t->with_hops;
                other->gathers = false;
                requeue(t, g->edges[i].node);
        }

        requeue(t, node);
}

static void settle_hops(SpfTree *t, uint32_t node) {
        const SpfNode *g = t->graph->nodes + node;
        SpfTreeNode *n = t->nodes + node;

        if (!hops_compute(t, node))
                return;

        note_change(t, node);
        for (uint32_t i = 0; i < g->n_edges; i++) {
                SpfTreeNode *other = t->nodes + g->edges[i].node;

                if (other->distance != n->distance + g->edges[i].cost_out)
                        continue;
                other->stale_hops = true;
                requeue(t, g->edges[i].node);
        }
}

/* -- life and operations -- */

int spf_tree_new(const SpfGraph *graph, uint32_t root, bool with_hops, SpfTree **ret) {
        _cleanup_(spf_tree_freep) SpfTree *t = NULL;
        int r;

        assert(graph);
        assert(root < graph->n_nodes);

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;

        *t = (SpfTree) { .graph = graph, .root = root, .with_hops = with_hops };
        for (unsigned i = 0; i < SPF_BUCKETS; i++)
                t->heads[i] = SPF_NOBODY;

        r = spf_tree_reserve(t);
        if (r < 0)
                return r;

        t->nodes[root].estimate = 0;
        requeue(t, root);
        *ret = TAKE_PTR(t);
        return 0;
}

SpfTree *spf_tree_free(SpfTree *t) {
        if (!t)
                return NULL;

        free(t->nodes);
        free(t->hops);
        free(t->changed);
        return mfree(t);
}

int spf_tree_reserve(SpfTree *t) {
        uint32_t n = t->graph->n_nodes_allocated;
        SpfTreeNode *nodes;
        uint32_t *changed;
        SpfHops *hops;

        if (n <= t->n_nodes)
                return 0;

        nodes = realloc(t->nodes, n * sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        t->nodes = nodes;

        changed = realloc(t->changed, n * sizeof(*changed));
        if (!changed)
                return -ENOMEM;
        t->changed = changed;

        if (t->with_hops) {
                hops = realloc(t->hops, n * sizeof(*hops));
                if (!hops)
                        return -ENOMEM;
                memset(hops + t->n_nodes, 0, (n - t->n_nodes) * sizeof(*hops));
                t->hops = hops;
        }

        for (uint32_t i = t->n_nodes; i < n; i++)
                t->nodes[i] = (SpfTreeNode) {
                        .distance = SPF_UNREACHABLE,
                        .estimate = SPF_UNREACHABLE,
                        .bucket = BUCKET_NONE,
                        .n_links = UINT32_MAX,
                };
        t->n_nodes = n;
        return 0;
}

void spf_tree_edge_changed(SpfTree *t, uint32_t from, uint32_t to, uint32_t cost_before, uint32_t cost_now) {
        SpfTreeNode *n = t->nodes + to;
        uint64_t distance = t->nodes[from].distance;
        uint64_t before = cost_before > 0 ? distance + cost_before : SPF_UNREACHABLE;
        uint64_t offer = cost_now > 0 ? distance + cost_now : SPF_UNREACHABLE;

        if (to == t->root || distance == SPF_UNREACHABLE || cost_before == cost_now)
                return;

        if (offer < n->estimate)
                n->estimate = offer;
        else if (before == n->estimate)
                n->estimate = estimate_compute(t, to);

        if (t->with_hops && (before == n->distance || offer == n->distance))
                n->stale_hops = true;
        assert(!n->gathers);            /* only while it runs */
        requeue(t, to);
}

void spf_tree_run(SpfTree *t) {
        uint32_t node;

        while ((node = queue_pop(t)) != SPF_NOBODY) {
                const SpfTreeNode *n = t->nodes + node;

                if (n->distance > n->estimate)
                        settle_shorter(t, node);
                else if (n->distance < n->estimate)
                        settle_lost(t, node);
                else
                        settle_hops(t, node);
        }

        t->last = 0;
}

void spf_tree_forget_changes(SpfTree *t) {
        for (uint32_t i = 0; i < t->n_changed; i++)
                t->nodes[t->changed[i]].changed = false;

        t->n_changed = 0;
}
