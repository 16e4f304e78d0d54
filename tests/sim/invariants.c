/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/invariants.h"

#define WAYS_MAX 4096U                  /* of a survey; fewer members have all their ways followed */
#define STEP_MIN_USEC (2 * USEC_PER_MSEC)
#define STEP_MAX_USEC USEC_PER_SEC
#define STEP_PART 20U                   /* of the time since: the longer it takes, the less often it is looked at */

/* Per link: towards an o7s member management and three cubes, opened from either end, and as many that just end. */
#define LOWER_FLOWS_PER_LINK_MAX 20U
#define CONTACTS_PER_BIT_MAX 64U

typedef enum Walk {
        WALK_REACHED,
        WALK_HOLE,
        WALK_LOOP,
} Walk;

static bool is_linked(const Member *a, const Member *b) {
        for (size_t i = 0; i < a->n_ports; i++)
                if (a->ports[i].link->up && a->ports[i].link->members[1 - a->ports[i].end] == b)
                        return true;

        return false;
}

static const Member *next_member(const World *w, const Member *at, uint64_t destination, uint64_t flow) {
        const Unicast *u = &at->unicast;
        const Member *next;
        Neighbour *n;
        uint32_t hop;

        hop = forwarding_lookup(u->forwarding[CUBE_BEST_EFFORT], destination, flow);
        n = hop == FORWARDING_NONE ? NULL : neighbour_by_hop(u, hop);
        if (!n || !neighbour_data_flow(n, CUBE_BEST_EFFORT))
                return NULL;

        next = world_by_address(w, n->address);
        return next && is_linked(at, next) ? next : NULL;
}

static Walk walk(const World *w, const Member *from, const Member *to, uint64_t flow, uint64_t *hops) {
        const Member *at = from;

        for (uint32_t i = 0; i <= w->n_members; i++) {
                if (at == to) {
                        *hops += i;
                        return WALK_REACHED;
                }

                at = next_member(w, at, to->address, flow);
                if (!at)
                        return WALK_HOLE;
        }

        return WALK_LOOP;
}

static bool is_inside(const Member *m) {
        return m->alive && m->address != ADDRESS_NONE && m->unicast.is_member;
}

static void follow(World *w, const uint32_t *piece, Member *from, Member *to, uint64_t flow, Survey *s) {
        bool can = piece[from->number] == piece[to->number];
        Walk result;

        if (from == to || !is_inside(from) || !is_inside(to))
                return;

        result = walk(w, from, to, flow, &s->n_hops);
        s->n_ways += can || result == WALK_LOOP;
        s->n_reached += can && result == WALK_REACHED;
        s->n_holes += can && result == WALK_HOLE;
        s->n_loops += result == WALK_LOOP;
        if (result == WALK_LOOP || (can && result == WALK_HOLE && !s->loop)) {
                s->from = from;
                s->to = to;
                s->loop = result == WALK_LOOP;
        }
}

static uint32_t count_outside(const World *w, const uint32_t *piece, Survey *s) {
        _cleanup_free_ bool *has_member = NULL;
        uint32_t n = 0;

        has_member = calloc(w->n_members, sizeof(*has_member));
        if (!has_member)
                return UINT32_MAX;

        for (uint32_t i = 0; i < w->n_members; i++)
                if (is_inside(&w->members[i]))
                        has_member[piece[i]] = true;
        for (uint32_t i = 0; i < w->n_members; i++)
                if (w->members[i].alive && !is_inside(&w->members[i]) && has_member[piece[i]]) {
                        s->from = s->to = &w->members[i];
                        n++;
                }

        return n;
}

void survey_take(World *w, Dice *dice, Survey *ret) {
        _cleanup_free_ uint32_t *piece = NULL;
        Survey s = {};

        piece = calloc(w->n_members, sizeof(*piece));
        if (!piece)
                return;

        world_pieces(w, piece);
        if ((uint64_t) w->n_members * w->n_members <= WAYS_MAX)
                for (uint32_t i = 0; i < w->n_members * w->n_members; i++)
                        follow(w, piece, &w->members[i / w->n_members], &w->members[i % w->n_members], dice_next(dice),
                               &s);
        else
                for (uint32_t i = 0; i < WAYS_MAX; i++)
                        follow(w, piece, &w->members[dice_below(dice, w->n_members)],
                               &w->members[dice_below(dice, w->n_members)], dice_next(dice), &s);

        s.n_outside = count_outside(w, piece, &s);
        *ret = s;
}

static bool is_converged(const Survey *s) {
        return s->n_outside == 0 && s->n_loops == 0 && s->n_holes == 0;
}

static void complain(World *w, const char *when, const Survey *s) {
        usec_t now = w->timeline.now;

        if (s->n_outside > 0)
                verdict_fail(&w->verdict, now, "%s: %" PRIu32 " members are still outside, one is %s: %s", when,
                             s->n_outside, s->from->name, s->from->unicast.state_text);
        else
                verdict_fail(&w->verdict, now,
                             "%s: from %s to %s %s (%" PRIu64 " loops, %" PRIu64 " holes in %" PRIu64 " ways)", when,
                             s->from->name, s->to->name, s->loop ? "packets go in circles" : "there is no way",
                             s->n_loops, s->n_holes, s->n_ways);
}

usec_t invariants_await(World *w, const char *when, usec_t deadline_usec) {
        Survey s;
        Dice dice;

        /* Of its own: how often it looks must not change what happens. */
        dice_init(&dice, w->options.seed, w->timeline.now);

        for (;;) {
                usec_t since = w->timeline.now - w->disturbed;

                verdict_checked(&w->verdict);
                survey_take(w, &dice, &s);
                if (is_converged(&s))
                        return since;
                if (since >= deadline_usec)
                        break;

                world_run_for(w, CLAMP(since / STEP_PART, STEP_MIN_USEC, STEP_MAX_USEC));
        }

        complain(w, when, &s);
        return USEC_INFINITY;
}

/* -- tables -- */

static void check_member(World *w, const char *when, Member *m, size_t links_max, size_t contacts_max) {
        Verdict *v = &w->verdict;
        Unicast *u = &m->unicast;
        const RoutingStatistics *routing;
        const DirectoryStatistics *directory;
        usec_t now = w->timeline.now;

        verdict_checked(v);
        if (u->n_neighbours > m->n_ports)
                verdict_fail(v, now, "%s: %s has %u neighbours on %zu links", when, m->name, u->n_neighbours,
                             m->n_ports);
        if (u->n_lower_flows > LOWER_FLOWS_PER_LINK_MAX * (m->n_ports + 1))
                verdict_fail(v, now, "%s: %s has %u lower flows on %zu links", when, m->name, u->n_lower_flows,
                             m->n_ports);
        if (!u->is_member)
                return;

        routing = routing_statistics(u->routing);
        if (routing->n_links > links_max)
                verdict_fail(v, now, "%s: %s knows %zu links, there are at most %zu", when, m->name, routing->n_links,
                             links_max);

        directory = directory_statistics(u->directory);
        if (directory->n_contacts > contacts_max)
                verdict_fail(v, now, "%s: %s has %zu contacts, more than %zu", when, m->name, directory->n_contacts,
                             contacts_max);
        if (directory->n_entries > 2U * w->n_members + 64U)
                verdict_fail(v, now, "%s: %s keeps %zu entries of %" PRIu32 " names", when, m->name,
                             directory->n_entries, w->n_members);
}

void invariants_check_tables(World *w, const char *when, bool quiet) {
        size_t links_max = 2 * w->topology.n_edges, bits = 1, n_lives = 0;

        while (1U << bits < w->n_members)
                bits++;
        for (uint32_t i = 0; i < w->n_members; i++)
                n_lives += w->members[i].life;
        if (!quiet)             /* links of past lives are remembered until they time out */
                links_max = links_max * (n_lives + w->n_members) / w->n_members;

        for (uint32_t i = 0; i < w->n_members; i++)
                if (w->members[i].alive)
                        check_member(w, when, &w->members[i], links_max, CONTACTS_PER_BIT_MAX * (bits + 8));
}
