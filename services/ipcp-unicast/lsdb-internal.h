/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of the link-state database. lsdb.c decides what is believed and for how long, lsdb-entry.c keeps entries
 * and counts whose they are, lsdb-log.c keeps the order of changes.
 */

#include "services/ipcp-unicast/lsdb.h"

#define LSDB_ALLOCATED_MIN 64U

typedef struct LsdbSource {
        uint64_t address;
        size_t n_entries;
} LsdbSource;

typedef struct LsdbPeer {
        uint64_t number;
        size_t n_introduced;
} LsdbPeer;

/* -- lsdb-entry.c -- */

/* Room among the living for one more, so that a change that has begun cannot fail any more. Returns: 0; -ENOMEM. */
int lsdb_entry_reserve(Lsdb *db);

/* An entry that is on no list yet and has no state. */
int lsdb_entry_new(Lsdb *db, uint64_t from, uint64_t to, bool own, LsdbEntry **ret);

/* The same for a link of others. Returns: 0; -ENOSPC: a bound; -ENOMEM. */
int lsdb_entry_introduce(Lsdb *db, const Lsa *lsa, uint64_t peer, LsdbEntry **ret);

/* Moves the entry to where its state belongs, at the young end. Room among the living was reserved. */
void lsdb_entry_set_state(Lsdb *db, LsdbEntry *entry, LsdbState state, bool is_new);

/* -- lsdb-log.c -- */

/* Room for one more, likewise. */
int lsdb_log_reserve(Lsdb *db);

void lsdb_log_drop(Lsdb *db, LsdbEntry *entry);

/* plain: a prototype can be told, too. */
void lsdb_log_change(Lsdb *db, LsdbEntry *entry, uint64_t peer, bool plain, bool news, usec_t now);
