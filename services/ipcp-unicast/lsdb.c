/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entries by key, the living ones also in an array (to be walked by those who look), and all by age on one of three
 * lists: since every entry of a list lives equally long, its first is the next to expire and no sweep is needed.
 *
 * The log of changes is what makes flooding cheap: an entry that changes again leaves its old place in the log empty
 * and gets a new one at the end, so whoever reads on from the version where he was sees each link once, in its newest
 * state, however often it changed meanwhile. Empty places are squeezed out when they are the majority.
 */

#include "services/ipcp-unicast/lsdb.h"
#include "services/ipcp-unicast/routing.h"

#define LOG_MIN 64U

typedef struct LsdbSource {
        uint64_t address;
        size_t n_entries;
} LsdbSource;

typedef struct LsdbPeer {
        uint64_t number;
        size_t n_introduced;
} LsdbPeer;

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

/* -- the log -- */

/* The first place whose version is above this one. */
static size_t log_find(const Lsdb *db, uint64_t version) {
        size_t low = 0, high = db->n_log;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (db->log[middle].version > version)
                        high = middle;
                else
                        low = middle + 1;
        }

        return low;
}

static void log_squeeze(Lsdb *db) {
        size_t n = 0;

        for (size_t i = 0; i < db->n_log; i++)
                if (db->log[i].entry)
                        db->log[n++] = db->log[i];

        db->n_log = n;
        db->n_log_gone = 0;
}

/* Room for one more, so that a change that has begun cannot fail any more. */
static int log_reserve(Lsdb *db) {
        LsdbChange *log;
        size_t n;

        if (db->n_log < db->n_log_allocated)
                return 0;

        if (db->n_log_gone > db->n_log / 2) {
                log_squeeze(db);
                return 0;
        }

        n = MAX(2 * db->n_log_allocated, LOG_MIN);
        log = realloc(db->log, n * sizeof(*log));
        if (!log)
                return -ENOMEM;

        db->log = log;
        db->n_log_allocated = n;
        return 0;
}

static void log_drop(Lsdb *db, LsdbEntry *e) {
        size_t i;

        if (e->version == 0)
                return;

        i = log_find(db, e->version - 1);
        assert(i < db->n_log && db->log[i].entry == e);
        db->log[i].entry = NULL;
        db->n_log_gone++;
        e->version = 0;
}

/* plain: a prototype can be told, too. */
static void log_change(Lsdb *db, LsdbEntry *e, uint64_t peer, bool plain, bool news, usec_t now) {
        log_drop(db, e);
        e->version = ++db->version;
        if (plain)
                e->plain_version = e->version;
        e->news = news;
        e->changed = now;
        e->learned_from = peer;
        db->log[db->n_log++] = (LsdbChange) { .version = e->version, .entry = e };
}

LsdbEntry *lsdb_changed_after(const Lsdb *db, uint64_t version) {
        for (size_t i = log_find(db, version); i < db->n_log; i++)
                if (db->log[i].entry)
                        return db->log[i].entry;

        return NULL;
}

/* -- entries -- */

LsdbEntry *lsdb_get(const Lsdb *db, uint64_t from, uint64_t to) {
        const uint64_t key[2] = { from, to };

        return map_get(db->entries, key, sizeof(key));
}

static int alive_reserve(Lsdb *db) {
        LsdbEntry **alive;
        size_t n;

        if (db->n_alive < db->n_alive_allocated)
                return 0;

        n = MAX(2 * db->n_alive_allocated, LOG_MIN);
        alive = realloc(db->alive, n * sizeof(LsdbEntry *));
        if (!alive)
                return -ENOMEM;

        db->alive = alive;
        db->n_alive_allocated = n;
        return 0;
}

/* Moves the entry to where its state belongs, at the young end. Room among the living was reserved. */
static void entry_set_state(Lsdb *db, LsdbEntry *e, LsdbState state, bool is_new) {
        if (!is_new && e->state == LSDB_ALIVE && state != LSDB_ALIVE) {
                db->alive[e->place] = db->alive[--db->n_alive];
                db->alive[e->place]->place = e->place;
        }
        if (state == LSDB_ALIVE && (is_new || e->state != LSDB_ALIVE)) {
                e->place = db->n_alive;
                db->alive[db->n_alive++] = e;
        }

        e->state = state;
        list_unlink(&e->by_age);
        list_append(e->own ? &db->own : state == LSDB_ALIVE ? &db->fresh : &db->dead, &e->by_age);
}

static void source_drop(Lsdb *db, LsdbEntry *e) {
        LsdbSource *s = map_get(db->sources, &e->key[0], sizeof(e->key[0]));
        LsdbPeer *p = map_get(db->peers, &e->introduced_by, sizeof(e->introduced_by));

        if (s && --s->n_entries == 0) {
                (void) map_remove(db->sources, &s->address, sizeof(s->address));
                free(s);
        }
        if (p && e->introduced)
                p->n_introduced--;
        db->n_foreign--;
}

void lsdb_forget(Lsdb *db, LsdbEntry *entry) {
        assert(db);
        assert(entry);

        log_drop(db, entry);
        entry_set_state(db, entry, LSDB_AGED, false);
        list_unlink(&entry->by_age);
        if (!entry->own)
                source_drop(db, entry);

        (void) map_remove(db->entries, entry->key, sizeof(entry->key));
        free(entry);
}

/* The source's count, made where it is not there. */
static int source_get(Lsdb *db, uint64_t address, LsdbSource **ret) {
        _cleanup_free_ LsdbSource *s = NULL;
        int r;

        *ret = map_get(db->sources, &address, sizeof(address));
        if (*ret)
                return 0;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (LsdbSource) { .address = address };
        r = map_put(db->sources, &s->address, sizeof(s->address), s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

/* Whether there is room for one more of this peer; a neighbour never gets the last tenth. */
static bool has_room(const Lsdb *db, const LsdbPeer *peer) {
        return db->n_foreign < db->n_max && (!peer || peer->n_introduced < db->n_max - db->n_max / 10);
}

/* An entry that is on no list yet and has no state. */
static int entry_new(Lsdb *db, uint64_t from, uint64_t to, bool own, LsdbEntry **ret) {
        _cleanup_free_ LsdbEntry *e = NULL;
        int r;

        e = malloc(sizeof(*e));
        if (!e)
                return -ENOMEM;

        *e = (LsdbEntry) { .key = { from, to }, .own = own, .state = LSDB_AGED, .cost = ROUTING_COST_DEFAULT };
        list_init(&e->by_age);

        r = map_put(db->entries, e->key, sizeof(e->key), e);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(e);
        return 0;
}

static int entry_introduce(Lsdb *db, const Lsa *lsa, uint64_t peer, LsdbEntry **ret) {
        LsdbPeer *p = map_get(db->peers, &peer, sizeof(peer));
        LsdbSource *s = map_get(db->sources, &lsa->from, sizeof(lsa->from));
        LsdbEntry *e;
        int r;

        if (!has_room(db, p) || (s && s->n_entries >= LSDB_PER_SOURCE_MAX))
                return -ENOSPC;

        r = entry_new(db, lsa->from, lsa->to, false, &e);
        if (r < 0)
                return r;

        r = source_get(db, lsa->from, &s);
        if (r < 0) {
                (void) map_remove(db->entries, e->key, sizeof(e->key));
                free(e);
                return r;
        }

        s->n_entries++;
        db->n_foreign++;
        e->introduced_by = peer;
        e->introduced = p;
        if (p)
                p->n_introduced++;

        *ret = e;
        return 0;
}

/* -- what is said about links -- */

static int reserve(Lsdb *db) {
        int r;

        r = log_reserve(db);
        if (r < 0)
                return r;

        return alive_reserve(db);
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
        entry_set_state(db, e, state, is_new);
        log_change(db, e, peer, plain && !lsa->withdrawn, news, now);
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
                r = entry_introduce(db, lsa, peer, &e);
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
                r = entry_new(db, from, to, true, &e);
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

        log_drop(db, e);
        e->heard = now;
        entry_set_state(db, e, LSDB_AGED, false);
        return true;
}
