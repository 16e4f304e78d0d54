/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/invariants.h"
#include "tests/sim/scenario.h"
#include "tests/sim/traffic.h"

#define START_SPREAD_USEC (2 * USEC_PER_SEC)
#define IDLE_USEC (30 * USEC_PER_SEC)
#define PAUSE_USEC (30 * USEC_PER_SEC)          /* in two parts, at least */
#define FAILURE_PAUSE_USEC (10 * USEC_PER_SEC)  /* hold-down of one failure is over before the next */
#define TRAFFIC_USEC (12 * USEC_PER_SEC)        /* three attempts, and the messages */
#define EXCHANGE_MESSAGES 20U
#define STORM_STEP_USEC (200 * USEC_PER_MSEC)
#define FAILURES_MAX 64U
#define MANY 300U                               /* members from which refreshes are fewer */

typedef struct Scenario {
        const ScenarioOptions *options;
        ScenarioResult result;
        World *world;
        Traffic *traffic;
} Scenario;

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static usec_t median(usec_t *times, size_t n) {
        if (n == 0)
                return 0;

        qsort(times, n, sizeof(*times), compare_usec);
        return times[n / 2];
}

static double per_member(const Scenario *s, uint64_t n) {
        return (double) n / s->world->n_members;
}

/* -- start and idle -- */

static int phase_start(Scenario *s) {
        World *w = s->world;
        size_t memory = memory_used();
        uint64_t n_carried;
        int r;

        world_disturb(w);
        for (uint32_t i = 0; i < w->n_members; i++) {
                r = member_start(&w->members[i], i == 0);
                if (r < 0)
                        return r;
                world_run_for(w, START_SPREAD_USEC / w->n_members);
        }

        s->result.start_usec = invariants_await(
                w, "at the start", s->options->deadline_usec + 10 * USEC_PER_SEC * (s->result.diameter + 1));
        s->result.start_messages = per_member(s, w->network.n_carried);
        world_run_for(w, 2 * FAILURE_PAUSE_USEC);
        invariants_check_tables(w, "at the start", true);

        n_carried = w->network.n_carried;
        s->result.idle_bytes = (double) w->network.bytes_carried;
        world_run_for(w, IDLE_USEC);
        s->result.idle_messages = per_member(s, w->network.n_carried - n_carried) * 60 * USEC_PER_SEC /
                                  (double) IDLE_USEC;
        s->result.idle_bytes = ((double) w->network.bytes_carried - s->result.idle_bytes) / w->n_members * 60 *
                               USEC_PER_SEC / (double) IDLE_USEC;
        s->result.memory_bytes = ((double) memory_used() - (double) memory) / w->n_members;
        return 0;
}

/* -- single failures -- */

static Link *random_link(World *w) {
        return w->topology.n_edges > 0 ? &w->links[dice_below(&w->dice, w->topology.n_edges)] : NULL;
}

static void phase_failures(Scenario *s) {
        World *w = s->world;
        usec_t noticed[FAILURES_MAX], silent[FAILURES_MAX];
        size_t n_noticed = 0, n_silent = 0;
        uint64_t n_messages = 0;

        for (unsigned i = 0; i < MIN(s->options->n_failures, FAILURES_MAX) && w->topology.n_edges > 0; i++) {
                bool is_noticed = i % 3 != 2;
                Link *link = random_link(w);
                uint64_t n_before = w->network.n_carried;
                usec_t usec;

                link_set_up(link, false, is_noticed);
                world_disturb(w);
                usec = invariants_await(w, "after a link failed", s->options->deadline_usec);
                if (usec != USEC_INFINITY)
                        *(is_noticed ? &noticed[n_noticed++] : &silent[n_silent++]) = usec;
                world_run_for(w, FAILURE_PAUSE_USEC);

                link_set_up(link, true, true);
                world_disturb(w);
                (void) invariants_await(w, "after a link came back", s->options->deadline_usec);
                world_run_for(w, FAILURE_PAUSE_USEC);
                if (is_noticed)
                        n_messages += w->network.n_carried - n_before;
        }

        s->result.failure_usec = median(noticed, n_noticed);
        s->result.failure_max_usec = n_noticed > 0 ? noticed[n_noticed - 1] : 0;
        s->result.silent_usec = median(silent, n_silent);
        s->result.failure_messages = n_noticed > 0 ? per_member(s, n_messages) / (double) n_noticed : 0;
}

/* -- traffic -- */

static Member *random_member(World *w) {
        for (unsigned i = 0; i < 100; i++) {
                Member *m = &w->members[dice_below(&w->dice, w->n_members)];

                if (m->alive && m->unicast.is_member)
                        return m;
        }

        return NULL;
}

static int start_exchange(Scenario *s, Member *server) {
        Member *client = random_member(s->world);

        return client && server && client != server ? traffic_start(s->traffic, client, server, EXCHANGE_MESSAGES) : 0;
}

static uint64_t sum_rounds(const World *w) {
        uint64_t n = 0;

        for (uint32_t i = 0; i < w->n_members; i++)
                if (w->members[i].alive && w->members[i].unicast.is_member)
                        n += directory_statistics(w->members[i].unicast.directory)->lookup_rounds;

        return n;
}

/* Everything must be found, got, carried and closed; of few members, the name of each. */
static int phase_traffic(Scenario *s, const char *when) {
        World *w = s->world;
        uint64_t n_rounds;
        TrafficResult result;
        int r;

        if (s->options->n_exchanges == 0 || w->n_members < 2)
                return 0;

        n_rounds = sum_rounds(w);
        for (unsigned i = 0; i < s->options->n_exchanges; i++) {
                r = start_exchange(s, &w->members[i % w->n_members]);
                if (r < 0)
                        return r;
                world_run_for(w, USEC_PER_SEC / s->options->n_exchanges);
        }
        world_run_for(w, TRAFFIC_USEC);

        n_rounds = sum_rounds(w) - n_rounds;
        traffic_finish(s->traffic, true, &result);
        s->result.allocation_usec = result.allocation_median_usec;
        s->result.hops = result.n_found > 0 ? (double) n_rounds / result.n_found : 0;

        verdict_checked(&w->verdict);
        if (result.n_returned != result.n_sent || result.n_closed != result.n_allocated)
                verdict_fail(&w->verdict, w->timeline.now,
                             "%s: of %u flows %u were closed at the other end, of %" PRIu64 " messages %" PRIu64
                             " arrived and %" PRIu64 " came back",
                             when, result.n_allocated, result.n_closed, result.n_sent, result.n_arrived,
                             result.n_returned);
        if (result.n_overtaken > 0 || result.n_duplicates > 0)
                verdict_fail(&w->verdict, w->timeline.now,
                             "%s: %" PRIu64 " messages out of order, %" PRIu64 " doubled", when, result.n_overtaken,
                             result.n_duplicates);
        return 0;
}

/* -- storm -- */

/* How many of n happen in this step, at a rate per one and minute: chance decides about the fraction. */
static unsigned how_many(World *w, double per_minute, size_t n) {
        double expected = per_minute * (double) n * (double) STORM_STEP_USEC / (60.0 * USEC_PER_SEC);
        unsigned whole = (unsigned) expected;

        return whole + dice_chance(&w->dice, expected - whole);
}

static int storm_step(Scenario *s) {
        World *w = s->world;
        unsigned n_flaps = how_many(w, s->options->flaps, w->topology.n_edges);
        unsigned n_deaths = how_many(w, s->options->deaths, w->n_members);
        int r;

        for (unsigned i = 0; i < n_flaps; i++) {
                Link *link = random_link(w);

                link_set_up(link, !link->up, dice_below(&w->dice, 2) == 0);
                world_disturb(w);
        }

        for (unsigned i = 0; i < n_deaths; i++) {
                Member *m = &w->members[dice_below(&w->dice, w->n_members)];

                if (!m->alive) {
                        r = member_start(m, false);
                        if (r < 0)
                                return r;
                } else if (dice_below(&w->dice, 4) == 0) {
                        member_leave(m);
                } else {
                        member_kill(m);
                }
                world_disturb(w);
        }

        return start_exchange(s, random_member(w));
}

static int end_storm(Scenario *s) {
        World *w = s->world;
        int r;

        for (size_t i = 0; i < w->topology.n_edges; i++)
                link_set_up(&w->links[i], true, true);
        for (uint32_t i = 0; i < w->n_members; i++)
                if (!w->members[i].alive) {
                        r = member_start(&w->members[i], false);
                        if (r < 0)
                                return r;
                }

        world_disturb(w);
        return 0;
}

static int phase_storm(Scenario *s) {
        World *w = s->world;
        usec_t end = w->timeline.now + s->options->storm_usec;
        TrafficResult result;
        int r;

        w->network.conditions = s->options->bad;
        while (w->timeline.now < end) {
                r = storm_step(s);
                if (r < 0)
                        return r;
                world_run_for(w, STORM_STEP_USEC);
        }
        invariants_check_tables(w, "in the storm", false);

        r = end_storm(s);
        if (r < 0)
                return r;
        s->result.storm_usec = invariants_await(w, "after the storm", s->options->deadline_usec);

        world_run_for(w, TRAFFIC_USEC);
        traffic_finish(s->traffic, false, &result);
        s->result.storm_allocated = result.n > 0 ? (double) result.n_allocated / result.n : 0;
        s->result.storm_delivered = result.n_sent > 0 ? (double) result.n_returned / (double) result.n_sent : 0;
        return 0;
}

/* -- partition -- */

/* The first members against the others: in most topologies that cuts many links at once. */
static void cut(Scenario *s, bool up) {
        World *w = s->world;
        uint32_t n = (uint32_t) (s->options->partition * w->n_members);

        for (size_t i = 0; i < w->topology.n_edges; i++) {
                const TopologyEdge *edge = &w->topology.edges[i];

                if ((edge->a < n) != (edge->b < n))
                        link_set_up(&w->links[i], up, i % 2 == 0);
        }

        world_disturb(w);
}

static void phase_partition(Scenario *s) {
        World *w = s->world;

        cut(s, false);
        s->result.partition_usec = invariants_await(w, "in two parts", s->options->deadline_usec);
        world_run_for(w, MAX(s->options->patience_usec, PAUSE_USEC));

        cut(s, true);
        s->result.heal_usec = invariants_await(w, "after the parts met again", s->options->deadline_usec);
}

/* Nothing is wrong any more. What the directory lost comes back with its next refresh; what routing knew too much of,
 * it forgets. */
static int phase_calm(Scenario *s) {
        World *w = s->world;
        const LayerConfig *layer = &s->options->world.member.layer;

        w->network.conditions = (NetworkConditions) {};
        world_run_for(w, MAX(s->options->patience_usec + layer->update_sec * USEC_PER_SEC,
                             2 * layer->refresh_sec * USEC_PER_SEC));
        (void) invariants_await(w, "in the end", 0);
        invariants_check_tables(w, "in the end", s->options->patience_usec > 0);
        return phase_traffic(s, "in the end");
}

/* -- what the checks are worth -- */

/* All routes stay as they are, but the one to the destination. */
static int misdirect(Member *m, const Member *destination, const Member *next) {
        _cleanup_free_ Route *routes = NULL;
        const Route *as_computed;
        size_t n;

        as_computed = routing_routes(m->unicast.routing, &n);
        routes = calloc(n + 1, sizeof(*routes));
        if (!routes)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                routes[i] = as_computed[i];
                if (routes[i].destination != destination->address)
                        continue;
                routes[i].n_hops = 1;
                routes[i].hops[0] = next->address;
                routes[i].n_alternates = 0;
        }

        return forwarding_replace(m->unicast.forwarding[CUBE_BEST_EFFORT], routes, n);
}

/* Two neighbours that know no way to a third member but through each other. The links of the last member come last. */
static int phase_sabotage(Scenario *s) {
        World *w = s->world;
        Member *a = w->links[0].members[0], *b = w->links[0].members[1], *c = &w->members[w->n_members - 1];
        int r;

        if (w->n_members < 3)
                return -EINVAL;

        r = misdirect(a, c, b);
        if (r >= 0)
                r = misdirect(b, c, a);
        if (r < 0)
                return r;

        world_disturb(w);
        (void) invariants_await(w, "after sabotage", USEC_PER_SEC);
        return 0;
}

static int run_phases(Scenario *s) {
        int r;

        r = phase_start(s);
        if (r < 0)
                return r;
        if (s->options->sabotage)
                return phase_sabotage(s);

        phase_failures(s);
        r = phase_traffic(s, "before the storm");
        if (r < 0 || s->options->storm_usec == 0)
                return r;

        r = phase_storm(s);
        if (r < 0)
                return r;

        phase_partition(s);
        return phase_calm(s);
}

/* -- the run -- */

/* With a thousand members everything that is flooded is carried thousands of times: fewer refreshes, or a run would
 * consist of nothing else. */
static void spare_refreshes(LayerConfig *layer) {
        layer->update_sec = 120;
        layer->timeout_sec = 400;
}

void scenario_options_init(ScenarioOptions *o, uint32_t n_members, TopologyShape shape, uint64_t seed) {
        *o = (ScenarioOptions) {
                .world = {
                        .seed = seed,
                        .n_members = n_members,
                        .shape = shape,
                        .member.retry_max_usec = 4 * USEC_PER_SEC,
                        .link_delay_min_usec = 500,
                        .link_delay_max_usec = 5 * USEC_PER_MSEC,
                },
                .flaps = 2,
                .deaths = 1,
                .partition = 0.5,
                .n_failures = 6,
                .n_exchanges = 100,
                .deadline_usec = 60 * USEC_PER_SEC,
        };

        layer_config_init(&o->world.member.layer, MEMBER_LAYER);
        o->world.member.layer.ttl_max = (uint32_t) CLAMP(n_members, 60U, 255U);
        o->world.member.layer.forwarding = FORWARDING_ALTERNATES;
        if (n_members >= MANY)
                spare_refreshes(&o->world.member.layer);
        else
                o->patience_usec = (o->world.member.layer.timeout_sec + 10) * USEC_PER_SEC;
        o->world.member.layer.refresh_sec = 30;
        o->world.member.layer.replicate_sec = 30;
}

int scenario_run(const ScenarioOptions *options, ScenarioResult *ret) {
        _cleanup_(world_freep) World *w = NULL;
        _cleanup_(traffic_freep) Traffic *traffic = NULL;
        Scenario s = { .options = options };
        int r;

        r = world_new(&options->world, &w);
        if (r < 0)
                return r;
        r = traffic_new(w, &traffic);
        if (r < 0)
                return r;

        s.world = w;
        s.traffic = traffic;
        s.result.diameter = topology_diameter(&w->topology);
        s.result.degree = 2.0 * (double) w->topology.n_edges / w->n_members;

        r = run_phases(&s);
        if (r < 0)
                return r;

        s.result.digest = w->trace.digest;
        s.result.n_traced = w->trace.n;
        s.result.n_failed = w->verdict.n_failed;
        s.result.n_checked = w->verdict.n_checked;
        s.result.n_ttl = world_drops(w, DROP_TTL);
        s.result.n_packets = w->network.n_carried;
        s.result.duration_usec = w->timeline.now;
        *ret = s.result;
        return 0;
}
