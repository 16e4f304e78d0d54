/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Links that we announce, and their sequence numbers, which only rise: over re-adjacency, and over a restart where the
 * number to begin with says what was used before.
 *
 * A withdrawn link is announced as such until every copy of it must have timed out. It is withdrawn anew with each
 * refresh: there is nothing else that would tell those who missed it.
 *
 * Fight-back. What others say about links of ours is a claim: left over from an earlier life, a lie, or of another
 * member with our address. One that is not older than what we say is answered with one more than its number, with the
 * truth: a link that we do not have is withdrawn. Two members with one address would go on for ever, so each link is
 * answered once a second at most, and a claim that has been answered too often is a conflict of addresses. A claim
 * with the largest number that there is cannot be answered; it is of no use for long, since it cannot be refreshed
 * either: once it timed out what we say is believed again. Our own numbers would begin anew there.
 */

#include "services/ipcp-unicast/lsdb.h"

#define OWN_LINKS_MAX 1024U
#define OWN_LINKS_CLAIMED_MAX 256U      /* links that we never made, and deny */
#define OWN_LINK_ANSWER_USEC (1 * USEC_PER_SEC)
#define OWN_LINK_CLAIMS_MAX 5U          /* answered ones; with the next, within a minute, it is a conflict */
#define OWN_LINK_CLAIMS_USEC (60 * USEC_PER_SEC)

typedef struct OwnLink {
        ListNode by_links;
        LsdbEntry *entry;               /* of the database */
        usec_t gone;                    /* since when it is withdrawn; USEC_INFINITY: it is there */
        bool denied;                    /* was never there */

        bool contested;                 /* there is a claim to be answered */
        uint64_t claimed;               /* the highest */
        usec_t answer;                  /* not before */
        unsigned n_claims;
        usec_t claims_since;
} OwnLink;

typedef struct OwnLinks {
        Lsdb *db;                       /* not owned */
        uint64_t address;
        uint64_t first;                 /* numbers begin with it */
        uint64_t highest;               /* used so far; valid if any was */
        bool used;
        List links;                     /* OwnLink.by_links */
        unsigned n_links;
        unsigned n_denied;
} OwnLinks;

void own_links_init(OwnLinks *o, Lsdb *db, uint64_t address, uint64_t first);
void own_links_done(OwnLinks *o);

/* The link is there at this cost, or (0) no longer. Returns: 1; 0: it was like that; -ENOSPC; -ENOMEM. */
int own_links_set(OwnLinks *o, uint64_t to, uint32_t cost, usec_t now);

/* Announces all of them anew. */
void own_links_refresh(OwnLinks *o, usec_t now);

/* Withdraws all of them. */
void own_links_withdraw(OwnLinks *o, usec_t now);

/* Somebody else's message about a link from our address. Returns: 0: it is no news to us; 1: it is contradicted, now
 * or in own_links_answer(); 2: again, and in vain: a conflict; -ENOSPC; -ENOMEM. */
int own_links_claimed(OwnLinks *o, const Lsa *lsa, usec_t now);

/* Answers what waited. Returns when there is more to do. */
usec_t own_links_answer(OwnLinks *o, usec_t now);
