/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The object that joins the parts: what comes in goes to the database (lsdb.c) or, if it is about links of our own, to
 * own-link.c; where that changed whether two members are linked, the graph (spf.c) hears of it; at the end of each
 * call the neighbours are told (flood.c), after the database was walked and never within.
 *
 * A link counts if it is known in both directions, at the cost that its source announces. Costs are for layers of o7s
 * members alone: a prototype knows none, and where members count differently packets can go round in circles until
 * their TTL ends.
 *
 * When to compute. The first change is computed at once, which means in the next routing_expire(): it is due
 * immediately, so that a burst of messages is one computation, and none happens on the way of a packet. After a
 * computation further changes wait for a while, which doubles from HOLD_MIN_USEC up to recalculate_usec as long as
 * they keep coming, and is short again after a pause of twice its length. That a link of ours went is never held
 * back: it is our own packets that would be lost. (The shape is that of RFC 8405.)
 */

#include "services/ipcp-unicast/flood.h"
#include "services/ipcp-unicast/own-link.h"
#include "services/ipcp-unicast/routing.h"
#include "services/ipcp-unicast/spf.h"

#define HOLD_MIN_USEC (50 * USEC_PER_MSEC)

/* Within two refreshes its source confirms a jump, or contradicts it; see lsdb.h. */
#define FRESH_REFRESHES 2U

struct Routing {
        RoutingConfig config;
        const RoutingEvents *events;
        void *userdata;                 /* not owned */

        Lsdb db;
        OwnLinks own;
        Flood flood;
        Spf *spf;

        usec_t compute;                 /* when to; USEC_INFINITY: nothing changed */
        bool is_incomplete;             /* the graph lacks links for which there was no memory */
        usec_t computed;
        bool has_computed;
        usec_t hold;

        usec_t refresh;                 /* of own links */
        usec_t answer;                  /* claims */
        usec_t send;
        bool has_conflict;
        RoutingStatistics statistics;
};

/* -- what changed, and when to compute it -- */

static void schedule(Routing *r, usec_t now, bool at_once) {
        usec_t due = at_once || !r->has_computed ? now : MAX(now, usec_add(r->computed, r->hold));

        r->compute = MIN(r->compute, due);
}

/* After anything about a link in either direction. Returns whether it counts differently now. */
static bool link_update(Routing *r, uint64_t a, uint64_t b) {
        const LsdbEntry *ab = lsdb_get(&r->db, a, b), *ba = lsdb_get(&r->db, b, a);
        bool counts = ab && ba && ab->state == LSDB_ALIVE && ba->state == LSDB_ALIVE;
        int k;

        k = spf_set_link(r->spf, a, b, counts ? ab->cost : 0, counts ? ba->cost : 0);
        if (k < 0)
                r->is_incomplete = true;

        return k != 0;
}

static void link_changed(Routing *r, uint64_t from, uint64_t to, usec_t now, bool at_once) {
        if (link_update(r, from, to))
                schedule(r, now, at_once);
}

static void complete_graph(Routing *r) {
        r->is_incomplete = false;
        for (size_t i = 0; i < r->db.n_alive; i++)
                (void) link_update(r, lsdb_entry_from(r->db.alive[i]), lsdb_entry_to(r->db.alive[i]));
}

static void compute(Routing *r, usec_t now) {
        bool is_quiet = !r->has_computed || usec_sub(now, r->computed) > 2 * r->hold;
        const Route *routes;
        SpfDelta delta;
        size_t n;

        if (r->is_incomplete)
                complete_graph(r);

        r->hold = MIN(is_quiet ? HOLD_MIN_USEC : 2 * r->hold, r->config.recalculate_usec);
        r->computed = now;
        r->has_computed = true;
        r->compute = USEC_INFINITY;
        if (spf_compute(r->spf, &delta) < 0 || r->is_incomplete)
                schedule(r, now + 1, false);    /* no memory: what we have stays, and we try again */
        else if (delta.n_added + delta.n_removed + delta.n_changed > 0) {
                routes = spf_routes(r->spf, &n);
                r->events->routes(r->userdata, routes, n, delta.n_added, delta.n_removed, delta.n_changed);
        }
        r->statistics.computations++;
}

static void tell_neighbours(Routing *r, usec_t now) {
        r->send = flood_run(&r->flood, &r->db, r->events->send, r->userdata, now);
}

/* -- life -- */

int routing_new(const RoutingConfig *config, const RoutingEvents *events, void *userdata, usec_t now, Routing **ret) {
        _cleanup_(routing_freep) Routing *r = NULL;
        int k;

        assert(config);
        assert(config->address != 0);
        assert(events);
        assert(ret);

        r = malloc(sizeof(*r));
        if (!r)
                return -ENOMEM;

        *r = (Routing) {
                .config = *config,
                .events = events,
                .userdata = userdata,
                .compute = USEC_INFINITY,
                .hold = MIN(HOLD_MIN_USEC, config->recalculate_usec),
                .refresh = usec_add(now, config->update_usec),
                .answer = USEC_INFINITY,
                .send = USEC_INFINITY,
        };

        k = lsdb_init(&r->db, ROUTING_LINKS_MAX, config->timeout_usec, FRESH_REFRESHES * config->update_usec);
        if (k < 0)
                return k;

        own_links_init(&r->own, &r->db, config->address, config->sequence);
        k = flood_init(&r->flood);
        if (k < 0)
                return k;

        k = spf_new(config->address, config->alternates, &r->spf);
        if (k < 0)
                return k;

        *ret = TAKE_PTR(r);
        return 0;
}

Routing *routing_free(Routing *r) {
        if (!r)
                return NULL;

        spf_free(r->spf);
        flood_done(&r->flood);
        own_links_done(&r->own);
        lsdb_done(&r->db);
        return mfree(r);
}

/* -- neighbours -- */

int routing_link_up(Routing *r, uint64_t neighbour, uint32_t cost, usec_t now) {
        int k;

        assert(r);
        assert(neighbour != 0);

        if (neighbour == r->config.address)
                return 0;               /* no link, and whoever says so has our address: CEP has seen to it */

        k = own_links_set(&r->own, neighbour, CLAMP(cost, ROUTING_COST_DEFAULT, ROUTING_COST_MAX), now);
        if (k < 0)
                return k;

        link_changed(r, r->config.address, neighbour, now, false);
        tell_neighbours(r, now);
        return 0;
}

void routing_link_down(Routing *r, uint64_t neighbour, usec_t now) {
        assert(r);

        if (own_links_set(&r->own, neighbour, 0, now) <= 0)
                return;

        lsdb_expect_restart(&r->db, neighbour, r->config.address);
        r->statistics.withdrawn++;
        link_changed(r, r->config.address, neighbour, now, true);
        tell_neighbours(r, now);
}

int routing_peer_up(Routing *r, uint64_t peer, bool extended, usec_t now) {
        int k;

        assert(r);

        k = lsdb_add_peer(&r->db, peer);
        if (k < 0)
                return k;

        k = flood_add_peer(&r->flood, &r->db, peer, extended, now);
        if (k < 0) {
                lsdb_remove_peer(&r->db, peer);
                return k;
        }

        tell_neighbours(r, now);
        return 0;
}

void routing_peer_down(Routing *r, uint64_t peer, usec_t now) {
        assert(r);

        flood_remove_peer(&r->flood, peer);
        lsdb_remove_peer(&r->db, peer);
}

/* -- messages -- */

static void count_result(Routing *r, int result) {
        if (result < 0)
                r->statistics.refused++;
        else if (result == 0)
                r->statistics.stale++;
}

static void receive_claim(Routing *r, const Lsa *lsa, usec_t now) {
        int k;

        k = own_links_claimed(&r->own, lsa, now);
        count_result(r, k);
        if (k <= 0)
                return;

        r->answer = own_links_answer(&r->own, now);
        if (k == 2 && !r->has_conflict) {
                r->has_conflict = true;
                if (r->events->conflict)
                        r->events->conflict(r->userdata);
        }
}

static void receive_link(Routing *r, uint64_t peer, const Lsa *lsa, usec_t now) {
        LsdbEntry *e;
        int k;

        k = lsdb_merge(&r->db, lsa, peer, now, &e);
        count_result(r, k);
        if (k < 2)
                return;

        if (e->state == LSDB_WITHDRAWN)
                r->statistics.withdrawn++;
        link_changed(r, lsa->from, lsa->to, now, false);
}

void routing_receive(Routing *r, uint64_t peer, const uint8_t *message, size_t size, usec_t now) {
        Lsa lsa;

        assert(r);

        r->statistics.received++;
        if (!flood_has_peer(&r->flood, peer)) {
                r->statistics.refused++;
                return;
        }
        if (lsa_parse(message, size, &lsa) < 0) {
                r->statistics.malformed++;
                return;
        }

        if (lsa.from == r->config.address)
                receive_claim(r, &lsa, now);
        else
                receive_link(r, peer, &lsa, now);

        tell_neighbours(r, now);
}

/* -- time -- */

void routing_expire(Routing *r, usec_t now) {
        uint64_t from, to;

        assert(r);

        if (r->answer <= now)
                r->answer = own_links_answer(&r->own, now);

        if (r->refresh <= now) {
                own_links_refresh(&r->own, now);
                r->refresh = usec_add(now, r->config.update_usec);
        }

        while (lsdb_expire(&r->db, now, &from, &to))
                link_changed(r, from, to, now, false);

        if (r->compute <= now)
                compute(r, now);

        tell_neighbours(r, now);
}

usec_t routing_next(const Routing *r) {
        usec_t next;

        assert(r);

        next = MIN(MIN(r->answer, r->refresh), MIN(r->compute, r->send));
        return MIN(next, lsdb_next(&r->db));
}

void routing_leave(Routing *r, usec_t now) {
        assert(r);

        own_links_withdraw(&r->own, now);
        flood_run_unpaced(&r->flood, &r->db, r->events->send, r->userdata);
}

void routing_recompute(Routing *r, usec_t now) {
        assert(r);

        compute(r, now);
}

/* -- to be looked at -- */

uint64_t routing_sequence(const Routing *r) {
        return r->own.used ? r->own.highest : r->own.first;
}

const RoutingStatistics *routing_statistics(Routing *r) {
        r->statistics.flooded = r->flood.n_sent;
        r->statistics.n_links = r->db.n_alive;
        (void) spf_routes(r->spf, &r->statistics.n_members);
        return &r->statistics;
}

/* The time of the last computation is a fact, not a count: it stays. */
void routing_reset_statistics(Routing *r) {
        r->statistics = (RoutingStatistics) { .last_computation_usec = r->statistics.last_computation_usec };
        r->flood.n_sent = 0;
}

void routing_set_computation_time(Routing *r, usec_t usec) {
        r->statistics.last_computation_usec = usec;
        durations_add(&r->statistics.computation_usec, usec);
}

bool routing_link(const Routing *r, size_t i, usec_t now, RoutingLink *ret) {
        const LsdbEntry *e, *back;

        if (i >= r->db.n_alive)
                return false;

        e = r->db.alive[i];
        back = lsdb_get(&r->db, lsdb_entry_to(e), lsdb_entry_from(e));
        *ret = (RoutingLink) {
                .from = lsdb_entry_from(e),
                .to = lsdb_entry_to(e),
                .sequence = e->sequence,
                .cost = e->cost,
                .age_usec = usec_sub(now, e->heard),
                .two_way = back && back->state == LSDB_ALIVE,
                .own = e->own,
        };
        return true;
}

const Route *routing_routes(const Routing *r, size_t *ret_n) {
        return spf_routes(r->spf, ret_n);
}
