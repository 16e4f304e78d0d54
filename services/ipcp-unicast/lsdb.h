/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The link-state database: one entry for each directed link that we heard of, or have. Pure; it is told the time.
 *
 * What is newer: the higher sequence; of the same sequence, the longer form over the shorter. A refresh in the
 * shorter form keeps the cost that the longer one told, which usually follows by another way a moment later.
 *
 * A withdrawn link stays as a tombstone for twice the time-out: longer than any copy of it can be alive somewhere. So
 * does a link that timed out, where its source is an o7s member (it never goes back in its sequence). A prototype
 * starts at 0 again, so its links are forgotten at once when they time out, as it expects.
 *
 * Defence. None of this is authenticated, so it bounds what a liar can do:
 *   - a sequence beyond LSA_SEQUENCE_MAX is nonsense (lsa.h): 2^64 - 1 cannot be placed here at all
 *   - a jump by more than LSDB_JUMP_MAX is not believed while the entry is fresh, nor over a tombstone; two refreshes
 *     later, when its source was not heard, it is. So nobody lifts a living link out of its source's reach in one
 *     message, and a member that restarted far ahead is still heard. Who is lied about answers with one more than the
 *     lie (own-link.h); the largest number, which has no answer, leaves no tombstone, so that after the time-out the
 *     truth is believed
 *   - bounds per source and in all; one neighbour never fills the last tenth; links of our own are not counted, there
 *     is always room for them
 */

#include "basic/list.h"
#include "basic/map.h"
#include "basic/time.h"
#include "services/ipcp-unicast/lsa.h"

#define LSDB_PER_SOURCE_MAX 1024U
#define LSDB_JUMP_MAX (UINT64_C(1) << 40)       /* more than a week, for those who begin with microseconds */
#define LSDB_LOCAL UINT64_MAX           /* "peer" of what we say ourselves */

typedef enum LsdbState {
        LSDB_ALIVE,
        LSDB_WITHDRAWN,                 /* a tombstone that others are told about */
        LSDB_AGED,                      /* a tombstone of our own: timed out */
} LsdbState;

typedef struct LsdbEntry {
        uint64_t key[2];                /* from, to */
        uint64_t sequence;
        uint64_t extended_sequence;     /* of the last longer form; valid if extended */
        bool extended;
        bool own;
        bool news;                      /* the last change was more than a refresh */
        bool introduced;                /* counts against introduced_by */
        bool restarts;                  /* its source may begin anew, below this sequence: see lsdb_expect_restart() */
        LsdbState state;
        uint32_t cost;
        usec_t heard;                   /* last refresh; for a tombstone: since when it is one */
        uint64_t version;               /* of the last change, whatever it was */
        uint64_t plain_version;         /* of the last change that a prototype can be told */
        usec_t changed;                 /* when version was drawn */
        uint64_t learned_from;          /* peer of the last change; LSDB_LOCAL: ourselves */
        uint64_t introduced_by;         /* peer that first told us */
        size_t place;                   /* in alive[]; only while alive */
        ListNode by_age;                /* on fresh, dead or own of the database */
} LsdbEntry;

typedef struct LsdbChange {
        uint64_t version;
        LsdbEntry *entry;               /* NULL: it changed again, or is gone */
} LsdbChange;

typedef struct Lsdb {
        usec_t timeout_usec;
        usec_t fresh_usec;              /* for so long a jump is not believed */
        size_t n_max;                   /* entries of others, tombstones included */

        Map *entries;
        Map *sources;                   /* address → LsdbSource */
        Map *peers;                     /* number → LsdbPeer */
        LsdbEntry **alive;
        size_t n_alive;
        size_t n_alive_allocated;
        size_t n_foreign;
        List fresh;                     /* others', alive, oldest first */
        List dead;                      /* others' tombstones, oldest first */
        List own;

        /* Every change has a number; this has the last one of each entry, in order. flood.c reads on from where it
         * was. */
        LsdbChange *log;
        size_t n_log;
        size_t n_log_allocated;
        size_t n_log_gone;              /* of them without an entry */
        uint64_t version;
} Lsdb;

int lsdb_init(Lsdb *db, size_t n_max, usec_t timeout_usec, usec_t fresh_usec);
void lsdb_done(Lsdb *db);

/* A neighbour that may tell us about links, for the bound that is its own. The number is not LSDB_LOCAL.
 * Returns: 0; -EEXIST; -ENOMEM. */
int lsdb_add_peer(Lsdb *db, uint64_t peer);
void lsdb_remove_peer(Lsdb *db, uint64_t peer);

LsdbEntry *lsdb_get(const Lsdb *db, uint64_t from, uint64_t to);

/* What a peer says about a link that is not ours. Returns: 0: nothing new; 1: a refresh; 2: the link appeared, went or
 * changed its cost; -ERANGE: a jump that is not believed; -ENOSPC: a bound; -ENOMEM. In *ret the entry, where > 0. */
int lsdb_merge(Lsdb *db, const Lsa *lsa, uint64_t peer, usec_t now, LsdbEntry **ret);

/* Sets a link of our own: there with this cost, or (cost 0) withdrawn. Sequences are the caller's. Returns: 0;
 * -ENOMEM. */
int lsdb_set_own(Lsdb *db, uint64_t from, uint64_t to, uint64_t sequence, uint32_t cost, usec_t now, LsdbEntry **ret);

/* Packets no longer reach the source of this link, so a prototype has dropped it and will begin at 0 again when they
 * do. Once, a lower sequence will be believed; not from a source that is known to be o7s. */
void lsdb_expect_restart(Lsdb *db, uint64_t from, uint64_t to);

/* Forgets an entry altogether. */
void lsdb_forget(Lsdb *db, LsdbEntry *entry);

/* One link of others that timed out at now: it is dead (or forgotten) on return. In *ret_from and *ret_to whose it was.
 * Returns whether there was one. */
bool lsdb_expire(Lsdb *db, usec_t now, uint64_t *ret_from, uint64_t *ret_to);

/* When lsdb_expire() has something to do. */
usec_t lsdb_next(const Lsdb *db);

/* The first entry that changed after this version; NULL: none. */
LsdbEntry *lsdb_changed_after(const Lsdb *db, uint64_t version);

/* The message that says what we know, for a member that knows the longer form, or not. Returns false where there is
 * nothing that it would understand. */
bool lsdb_entry_lsa(const LsdbEntry *entry, bool extended, Lsa *ret);

static inline uint64_t lsdb_entry_from(const LsdbEntry *entry) {
        return entry->key[0];
}

static inline uint64_t lsdb_entry_to(const LsdbEntry *entry) {
        return entry->key[1];
}
