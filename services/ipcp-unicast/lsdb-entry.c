/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entries by key, the living ones also in an array (to be walked by those who look), and all by age on one of three
 * lists: since every entry of a list lives equally long, its first is the next to expire and no sweep is needed. Those
 * of others are counted by their source and by the neighbour that first told us.
 */

#include "services/ipcp-unicast/lsdb-internal.h"
#include "services/ipcp-unicast/routing.h"

LsdbEntry *lsdb_get(const Lsdb *db, uint64_t from, uint64_t to) {
        const uint64_t key[2] = { from, to };

        return map_get(db->entries, key, sizeof(key));
}

int lsdb_entry_reserve(Lsdb *db) {
        LsdbEntry **alive;
        size_t n;

        if (db->n_alive < db->n_alive_allocated)
                return 0;

        n = MAX(2 * db->n_alive_allocated, LSDB_ALLOCATED_MIN);
        alive = realloc(db->alive, n * sizeof(LsdbEntry *));
        if (!alive)
                return -ENOMEM;

        db->alive = alive;
        db->n_alive_allocated = n;
        return 0;
}

void lsdb_entry_set_state(Lsdb *db, LsdbEntry *e, LsdbState state, bool is_new) {
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

        lsdb_log_drop(db, entry);
        lsdb_entry_set_state(db, entry, LSDB_AGED, false);
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

int lsdb_entry_new(Lsdb *db, uint64_t from, uint64_t to, bool own, LsdbEntry **ret) {
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

int lsdb_entry_introduce(Lsdb *db, const Lsa *lsa, uint64_t peer, LsdbEntry **ret) {
        LsdbPeer *p = map_get(db->peers, &peer, sizeof(peer));
        LsdbSource *s = map_get(db->sources, &lsa->from, sizeof(lsa->from));
        LsdbEntry *e;
        int r;

        if (!has_room(db, p) || (s && s->n_entries >= LSDB_PER_SOURCE_MAX))
                return -ENOSPC;

        r = lsdb_entry_new(db, lsa->from, lsa->to, false, &e);
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
