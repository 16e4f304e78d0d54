/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log of changes is what makes flooding cheap: an entry that changes again leaves its old place in the log empty
 * and gets a new one at the end, so whoever reads on from the version where he was sees each link once, in its newest
 * state, however often it changed meanwhile. Empty places are squeezed out when they are the majority.
 */

#include "services/ipcp-unicast/lsdb-internal.h"

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

int lsdb_log_reserve(Lsdb *db) {
        LsdbChange *log;
        size_t n;

        if (db->n_log < db->n_log_allocated)
                return 0;

        if (db->n_log_gone > db->n_log / 2) {
                log_squeeze(db);
                return 0;
        }

        n = MAX(2 * db->n_log_allocated, LSDB_ALLOCATED_MIN);
        log = realloc(db->log, n * sizeof(*log));
        if (!log)
                return -ENOMEM;

        db->log = log;
        db->n_log_allocated = n;
        return 0;
}

void lsdb_log_drop(Lsdb *db, LsdbEntry *e) {
        size_t i;

        if (e->version == 0)
                return;

        i = log_find(db, e->version - 1);
        assert(i < db->n_log && db->log[i].entry == e);
        db->log[i].entry = NULL;
        db->n_log_gone++;
        e->version = 0;
}

void lsdb_log_change(Lsdb *db, LsdbEntry *e, uint64_t peer, bool plain, bool news, usec_t now) {
        lsdb_log_drop(db, e);
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
