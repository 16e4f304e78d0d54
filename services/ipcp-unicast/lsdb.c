/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is believed of links, and for how long, see lsdb.h; lsdb-internal.h says where the rest is.
 */

#include "services/ipcp-unicast/lsdb-internal.h"
#include "services/ipcp-unicast/routing.h"

/* -- life -- */

int lsdb_init(Lsdb *db, size_t n_max, usec_t timeout_usec, usec_t fresh_usec) {
        int r;

        assert(db);
        assert(n_max > 0);

        *db = (Lsdb) { .n_max = n_max, .timeout_usec = timeout_usec, .fresh_usec = fresh_usec };
        list_init(&db->fresh);
        list_init(&db->dead);
        list_init(&db->own);

        r = map_new(&db->entries);
        if (r >= 0)
                r = map_new(&db->sources);
        if (r >= 0)
                r = map_new(&db->peers);
        if (r < 0)
                lsdb_done(db);

        return r;
}

static void map_done(Map **map) {
        size_t position;
        void *value;

        if (!*map)
                return;

        map_for_each(value, *map, position)
                free(value);
        *map = map_free(*map);
}

void lsdb_done(Lsdb *db) {
        assert(db);

        map_done(&db->entries);
        map_done(&db->sources);
        map_done(&db->peers);
        free(db->alive);
        free(db->log);
        *db = (Lsdb) {};
}

/* -- who told us -- */

int lsdb_add_peer(Lsdb *db, uint64_t peer) {
        _cleanup_free_ LsdbPeer *p = NULL;
        int r;

        assert(db);
        assert(peer != LSDB_LOCAL);

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (LsdbPeer) { .number = peer };
        r = map_put(db->peers, &p->number, sizeof(p->number), p);
        if (r < 0)
                return r;

        (void) TAKE_PTR(p);
        return 0;
}

/* What he introduced stays, and counts against nobody any more. */
static void list_disown(List *list, uint64_t peer) {
        LsdbEntry *e;

        list_for_each(e, list, by_age)
                if (e->introduced_by == peer)
                        e->introduced = false;
}

void lsdb_remove_peer(Lsdb *db, uint64_t peer) {
        LsdbPeer *p;

        assert(db);

        p = map_remove(db->peers, &peer, sizeof(peer));
        if (!p)
                return;

        list_disown(&db->fresh, peer);
        list_disown(&db->dead, peer);
        free(p);
}

/* -- what is said about links -- */

static int reserve(Lsdb *db) {
        int r;

        r = lsdb_log_reserve(db);
        if (r < 0)
                return r;

        return lsdb_entry_reserve(db);
}

/* Takes over what is newer than the entry. Returns whether the link appeared, went or changed its cost. */
static bool entry_adopt(Lsdb *db, LsdbEntry *e, const Lsa *lsa, uint64_t peer, bool is_new, usec_t now) {
        bool plain = is_new || lsa->sequence != e->sequence, news = is_new;
        LsdbState state = lsa->withdrawn ? LSDB_WITHDRAWN : LSDB_ALIVE;

        e->sequence = lsa->sequence;
        e->restarts = false;
        if (lsa->extended) {
                e->extended = true;
                e->extended_sequence = lsa->sequence;
                if (!lsa->withdrawn) {
                        news |= e->cost != lsa->cost;
                        e->cost = lsa->cost;
                }
        }

        news |= state != e->state;
        e->heard = now;
        lsdb_entry_set_state(db, e, state, is_new);
        lsdb_log_change(db, e, peer, plain && !lsa->withdrawn, news, now);
        return news;
}

/* Whether this says anything that the entry does not. Returns: 1; 0; -ERANGE: it is not believed. */
static int entry_is_behind(const Lsdb *db, const LsdbEntry *e, const Lsa *lsa, usec_t now) {
        if (lsa->sequence < e->sequence)
                return e->restarts && !lsa->extended;
        if (lsa->sequence == e->sequence)
                return lsa->extended && e->state != LSDB_AGED && !(e->extended && e->extended_sequence == e->sequence);
        if (lsa->sequence - e->sequence > LSDB_JUMP_MAX &&
            (e->state != LSDB_ALIVE || usec_sub(now, e->heard) < db->fresh_usec))
                return -ERANGE;

        return 1;
}

int lsdb_merge(Lsdb *db, const Lsa *lsa, uint64_t peer, usec_t now, LsdbEntry **ret) {
        LsdbEntry *e;
        bool is_new;
        int r;

        assert(db);
        assert(lsa);
        assert(ret);

        e = lsdb_get(db, lsa->from, lsa->to);
        is_new = !e;
        if (e) {
                assert(!e->own);

                r = entry_is_behind(db, e, lsa, now);
                if (r <= 0)
                        return r;
        }

        r = reserve(db);
        if (r < 0)
                return r;

        if (is_new) {
                r = lsdb_entry_introduce(db, lsa, peer, &e);
                if (r < 0)
                        return r;
        }

        *ret = e;
        return entry_adopt(db, e, lsa, peer, is_new, now) ? 2 : 1;
}

int lsdb_set_own(Lsdb *db, uint64_t from, uint64_t to, uint64_t sequence, uint32_t cost, usec_t now, LsdbEntry **ret) {
        const Lsa lsa = { .to = to, .from = from, .sequence = sequence, .extended = true, .withdrawn = cost == 0,
                          .cost = cost };
        LsdbEntry *e;
        bool is_new;
        int r;

        assert(db);
        assert(ret);

        r = reserve(db);
        if (r < 0)
                return r;

        e = lsdb_get(db, from, to);
        is_new = !e;
        if (is_new) {
                r = lsdb_entry_new(db, from, to, true, &e);
                if (r < 0)
                        return r;
        }

        (void) entry_adopt(db, e, &lsa, LSDB_LOCAL, is_new, now);
        *ret = e;
        return 0;
}

void lsdb_expect_restart(Lsdb *db, uint64_t from, uint64_t to) {
        LsdbEntry *e = lsdb_get(db, from, to);

        if (e && !e->own && !e->extended)
                e->restarts = true;
}

bool lsdb_entry_lsa(const LsdbEntry *entry, bool extended, Lsa *ret) {
        bool longer = extended && entry->extended && entry->extended_sequence == entry->sequence;

        assert(entry->state != LSDB_AGED);

        if (entry->state == LSDB_WITHDRAWN && !longer)
                return false;

        *ret = (Lsa) {
                .to = lsdb_entry_to(entry),
                .from = lsdb_entry_from(entry),
                .sequence = entry->sequence,
                .extended = longer,
                .withdrawn = entry->state == LSDB_WITHDRAWN,
                .cost = entry->state == LSDB_WITHDRAWN ? 0 : longer ? entry->cost : ROUTING_COST_DEFAULT,
        };
        return true;
}

/* -- ageing -- */

static usec_t list_due(const List *list, usec_t keep_usec) {
        const LsdbEntry *e = list_first(list, LsdbEntry, by_age);

        return e ? usec_add(e->heard, keep_usec) : USEC_INFINITY;
}

usec_t lsdb_next(const Lsdb *db) {
        return MIN(list_due(&db->fresh, db->timeout_usec),
                   list_due(&db->dead, usec_add(db->timeout_usec, db->timeout_usec)));
}

bool lsdb_expire(Lsdb *db, usec_t now, uint64_t *ret_from, uint64_t *ret_to) {
        LsdbEntry *e;

        assert(db);

        while (list_due(&db->dead, usec_add(db->timeout_usec, db->timeout_usec)) <= now)
                lsdb_forget(db, list_first(&db->dead, LsdbEntry, by_age));

        if (list_due(&db->fresh, db->timeout_usec) > now)
                return false;

        e = list_first(&db->fresh, LsdbEntry, by_age);
        *ret_from = lsdb_entry_from(e);
        *ret_to = lsdb_entry_to(e);
        if (!e->extended || e->sequence == LSA_SEQUENCE_MAX) {
                lsdb_forget(db, e);
                return true;
        }

        lsdb_log_drop(db, e);
        e->heard = now;
        lsdb_entry_set_state(db, e, LSDB_AGED, false);
        return true;
}
