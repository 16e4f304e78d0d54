/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Staying a member: the neighbours that we want. Each target is looked at whenever flows come and go: what is missing
 * is opened, management before data transfer, what fails is tried again after a pause that grows.
 *
 * A target that the file or an operator names wants that member. An implicit one, the layer's own name over one layer
 * below, is content with any neighbour there; who answers to that name may be another one each time, so its second
 * flow goes to the member's own name where that is known.
 *
 * Contentment has a price: where many members share a layer below, they may end up content in two groups that know
 * nothing of each other. So a content implicit target asks now and then who answers to the layer's name, soon at
 * first and then seldom (a probe). A member to which there is no way becomes a neighbour too, and the groups are one.
 * Among members that are not o7s nobody probes: they would hold the flow for minutes after we let it go.
 */

#include <stdio.h>

#include "libo7s/error.h"
#include "services/ipcp-unicast/unicast.h"

static void set_problem(JoinTarget *t, const char *problem) {
        (void) copy_string(t->problem, sizeof(t->problem), problem);
        utf8_mend(t->problem);
}

/* -- what is there, and what is missing -- */

static bool is_named(const JoinTarget *t, const Neighbour *n) {
        return (t->address != ADDRESS_NONE && n->address == t->address) || (n->extended && streq(n->member, t->name));
}

static bool is_complete(const JoinTarget *t, const Neighbour *n) {
        return (!t->management || neighbour_has(n, LOWER_MANAGEMENT, t->lower)) &&
               (!t->data || neighbour_has(n, LOWER_DATA, t->lower));
}

static bool is_begun(const JoinTarget *t, const Neighbour *n) {
        return neighbour_has(n, LOWER_MANAGEMENT, t->lower) || neighbour_has(n, LOWER_DATA, t->lower);
}

/* The neighbour that satisfies a target, or that comes nearest to it; NULL: there is none. */
static const Neighbour *best_neighbour(const Join *join, const JoinTarget *t) {
        const Neighbour *n, *best = NULL;

        if (t->stray != ADDRESS_NONE && (n = neighbour_find(join->unicast, t->stray)))
                return n;

        list_for_each(n, &join->unicast->neighbours, by_unicast) {
                if (!t->implicit && !is_named(t, n))
                        continue;
                if (is_complete(t, n))
                        return n;
                if (is_begun(t, n) && (!best || n->address == t->address))
                        best = n;
        }

        return best;
}

static void target_lost(Join *join, JoinTarget *t, usec_t now) {
        /* What does not last is no better than what fails. */
        if (usec_sub(now, t->since) < JOIN_STEADY_USEC) {
                t->retry = usec_add(now, join_back_off(join, &t->backoff_usec, true));
                return;
        }

        t->backoff_usec = 0;
        t->n_attempts = 0;
        t->retry = t->implicit ? usec_add(now, join_jitter(join, JOIN_SPREAD_USEC)) : now;
}

static void probe_later(Join *join, JoinTarget *t, usec_t now) {
        t->probe = t->implicit ? usec_add(now, t->probe_pause_usec - join_jitter(join, t->probe_pause_usec / 4))
                               : USEC_INFINITY;
        t->probe_pause_usec = MIN(2 * t->probe_pause_usec, JOIN_PROBE_MAX_USEC);
}

void join_target_look(Join *join, JoinTarget *t, usec_t now) {
        bool was_satisfied = t->satisfied;
        const Neighbour *n;

        if (t->flow)
                return;

        n = best_neighbour(join, t);
        t->satisfied = n && is_complete(t, n);
        if (t->satisfied) {
                t->address = n->address;
                t->stray = ADDRESS_NONE;
                t->retry = USEC_INFINITY;
                t->problem[0] = '\0';
                if (!was_satisfied) {
                        t->since = now;
                        t->probe_pause_usec = JOIN_PROBE_USEC;
                        probe_later(join, t, now);
                }
        } else if (was_satisfied)
                target_lost(join, t, now);
        else if (t->retry == USEC_INFINITY)
                t->retry = now;
}

void join_targets_look(Join *join, usec_t now) {
        JoinTarget *t;

        if (!join->unicast->is_member)
                return;
        list_for_each(t, &join->targets, by_join)
                join_target_look(join, t, now);
}

/* -- opening -- */

/* Layers take turns where any will do. Returns whether one is up. */
static bool choose_lower(const Unicast *u, const JoinTarget *t, unsigned *ret) {
        if (t->lower >= 0) {
                *ret = (unsigned) t->lower;
                return u->lower_is_up[t->lower];
        }

        for (unsigned i = 0; i < u->config.n_lower; i++) {
                unsigned lower = (t->n_attempts + i) % u->config.n_lower;

                if (!u->lower_is_up[lower])
                        continue;
                *ret = lower;
                return true;
        }

        return false;
}

/* The other flow of the same member may be over a layer that we did not choose first. */
static unsigned lower_of(const Neighbour *n, const JoinTarget *t, unsigned lower) {
        const List *lists[] = { &n->management, &n->data[CUBE_BEST_EFFORT] };
        const LowerFlow *flow;

        for (size_t i = 0; t->lower < 0 && t->n_attempts == 0 && i < ELEMENTSOF(lists); i++)
                list_for_each(flow, lists[i], by_neighbour)
                        if (n->unicast->lower_is_up[flow->lower])
                                return flow->lower;

        return lower;
}

static void target_failed(Join *join, JoinTarget *t, const char *problem, bool reached, usec_t now) {
        t->n_attempts++;
        if (problem)
                set_problem(t, problem);
        t->retry = usec_add(now, join_back_off(join, &t->backoff_usec, reached));
}

static void target_try(Join *join, JoinTarget *t, usec_t now) {
        const Neighbour *n = best_neighbour(join, t);
        Unicast *u = join->unicast;
        const char *name = t->name;
        LowerPurpose purpose;
        unsigned lower = 0;
        int r;

        t->retry = USEC_INFINITY;
        if (!choose_lower(u, t, &lower))
                return set_problem(t, "the layer below is down");       /* join_targets_lower_up() goes on */

        if (n)
                lower = lower_of(n, t, lower);

        /* In turns with the target's name, should the member's own not be known below. */
        if (n && n->extended && strlen(n->member) < CEP_MEMBER_BYTES_MAX && t->n_attempts % 2 == 0)
                name = n->member;

        purpose = t->management && !(n && neighbour_has(n, LOWER_MANAGEMENT, t->lower)) ? LOWER_MANAGEMENT : LOWER_DATA;
        r = lower_flow_open(u, purpose, CUBE_BEST_EFFORT, lower, name, now, &t->flow);
        if (r < 0)
                target_failed(join, t, error_row(r)->sentence, false, now);
}

/* Whether those whom we know over this layer are all o7s. */
static bool may_probe(const Join *join, const JoinTarget *t) {
        const Neighbour *n;

        list_for_each(n, &join->unicast->neighbours, by_unicast)
                if (!n->extended && is_begun(t, n))
                        return false;

        return join->unicast->lower_is_up[t->lower];
}

static void target_probe(Join *join, JoinTarget *t, usec_t now) {
        probe_later(join, t, now);
        if (may_probe(join, t) && lower_flow_open(join->unicast, LOWER_MANAGEMENT, CUBE_BEST_EFFORT,
                                                  (unsigned) t->lower, t->name, now, &t->flow) >= 0)
                t->flow->probe = true;
}

void join_targets_expire(Join *join, usec_t now) {
        JoinTarget *t;

        list_for_each(t, &join->targets, by_join) {
                if (!t->flow && !t->satisfied && t->retry <= now)
                        target_try(join, t, now);
                else if (!t->flow && t->satisfied && t->probe <= now)
                        target_probe(join, t, now);
        }
}

usec_t join_targets_next(const Join *join) {
        usec_t next = USEC_INFINITY;
        const JoinTarget *t;

        list_for_each(t, &join->targets, by_join)
                if (!t->flow)
                        next = MIN(next, t->satisfied ? t->probe : t->retry);

        return next;
}

/* -- what became of it -- */

static JoinTarget *target_of(const Join *join, const LowerFlow *flow) {
        JoinTarget *t;

        list_for_each(t, &join->targets, by_join)
                if (t->flow == flow)
                        return t;

        return NULL;
}

void join_target_opened(Join *join, const LowerFlow *flow) {
        JoinTarget *t = target_of(join, flow);

        if (!t)
                return;

        t->flow = NULL;
        if (!flow->probe)
                t->address = flow->cep.peer.address;
        else if (flow->neighbour) {
                t->stray = flow->cep.peer.address;
                t->satisfied = false;
                t->retry = USEC_INFINITY;       /* join_targets_look() sees what is missing */
        }
}

void join_target_ended(Join *join, const LowerFlow *flow, const char *problem, usec_t now) {
        JoinTarget *t = target_of(join, flow);

        if (!t)
                return;

        t->flow = NULL;
        if (!flow->probe)
                target_failed(join, t, problem, flow->packet_max > 0, now);
}

void join_targets_lower_up(Join *join, unsigned lower, usec_t now) {
        JoinTarget *t;

        list_for_each(t, &join->targets, by_join)
                if (!t->flow && !t->satisfied && (t->lower < 0 || t->lower == (int) lower)) {
                        t->backoff_usec = 0;
                        t->retry = now;
                }
}

uint32_t join_cost(const Join *join, const LowerFlow *flow) {
        const JoinTarget *t;

        if (!join->unicast)
                return 0;

        list_for_each(t, &join->targets, by_join) {
                bool named = t->flow == flow || t->address == flow->cep.peer.address ||
                             (flow->cep.peer.member[0] != '\0' && streq(t->name, flow->cep.peer.member));

                if (t->cost > 0 && !t->implicit && named)
                        return t->cost;
        }

        return 0;
}

bool join_targets_describe(const Join *join, char *text, size_t size) {
        const Unicast *u = join->unicast;
        const JoinTarget *t;

        list_for_each(t, &join->targets, by_join) {
                if (t->satisfied)
                        continue;
                (void) snprintf(text, size, "connecting to %s%s%s (attempt %u%s%s)", t->name,
                                t->lower < 0 ? "" : " over ", t->lower < 0 ? "" : u->config.lower[t->lower],
                                t->n_attempts + 1, t->problem[0] != '\0' ? ", last error: " : "", t->problem);
                return true;
        }

        return false;
}

/* -- life -- */

void join_target_free(Join *join, JoinTarget *t) {
        list_unlink(&t->by_join);
        join->n_targets--;
        free(t);
}

int join_target_new(Join *join, const char *name, int lower, usec_t retry, JoinTarget **ret) {
        JoinTarget *t;

        if (join->n_targets >= JOIN_TARGETS_MAX)
                return -ENOSPC;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;

        t->lower = lower;
        t->retry = retry;
        t->probe = USEC_INFINITY;
        (void) copy_string(t->name, sizeof(t->name), name);
        list_append(&join->targets, &t->by_join);
        join->n_targets++;
        *ret = t;
        return 0;
}

void join_targets_make(Join *join, usec_t now) {
        const UnicastConfig *config = &join->unicast->config;
        JoinTarget *t;

        for (unsigned i = 0; i < config->n_neighbours; i++) {
                if (join_target_new(join, config->neighbours[i].name, config->neighbours[i].lower, now, &t) < 0)
                        return;
                t->management = config->neighbours[i].management;
                t->data = config->neighbours[i].data;
                t->cost = config->neighbours[i].cost;
        }

        for (unsigned i = 0; config->keep_neighbours && i < config->n_lower; i++) {
                if (join_target_new(join, config->layer, (int) i, usec_add(now, join_jitter(join, JOIN_SPREAD_USEC)),
                                    &t) < 0)
                        return;
                t->implicit = t->management = t->data = true;
        }

        join_targets_look(join, now);
}

void join_targets_done(Join *join) {
        while (!list_is_empty(&join->targets))
                join_target_free(join, list_first(&join->targets, JoinTarget, by_join));
}
