/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Handshakes that are under way: a table of fixed size, each entry for SESSION_LIFE_USEC. Its numbers are never used
 * twice and cannot be guessed: 52 random bits above the slot. Sessions of the asked side, which strangers can cause,
 * leave a quarter of the table to ours; no source, a peer or a user of this host, has more than a quarter.
 */

#include "basic/list.h"
#include "basic/time.h"
#include "services/auth/handshake.h"

#define SESSIONS_MAX 4096U
#define SESSIONS_ASKED_MAX (SESSIONS_MAX / 4U * 3U)
#define SESSIONS_SOURCE_MAX (SESSIONS_MAX / 4U)
#define SESSION_SOURCES 1024U           /* that are counted; by a hash, so that two may share a number */
#define SESSION_LIFE_USEC (60 * USEC_PER_SEC)

typedef struct Session Session;

/* What the files came to when the handshake began. */
typedef struct SessionBasis {
        uint64_t generation;                    /* of the files */
        uint8_t trust[TRUST_CONTENT_BYTES];
        int authentication, encryption, peer;
        bool none;
} SessionBasis;

struct Session {
        uint64_t id;                            /* never 0 */
        usec_t expiry;
        bool server;                            /* we are the asked side */
        uint64_t source;                        /* hash of who causes it; 0: not known, and not counted */
        const void *owner;                      /* who may name it; only compared */
        Handshake *handshake;
        SecurityPolicy policy;                  /* the handshake points at it */
        SessionBasis basis;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char private_key[512];                  /* as o7s-keyd knows it */
        ListNode by_age;
};

typedef struct SessionTable {
        Session *slots[SESSIONS_MAX];
        uint16_t free_slots[SESSIONS_MAX];      /* a stack */
        unsigned n_free;
        unsigned n_asked;
        uint16_t n_of_source[SESSION_SOURCES];
        List by_age;                            /* oldest first: they all live equally long */
} SessionTable;

void session_table_init(SessionTable *table);
void session_table_done(SessionTable *table);

/* An empty session with a number. Returns: 0; -EBUSY: the table is full; -EDQUOT: this source has its share; -ENOMEM,
 * or why there is no randomness. */
int session_new(SessionTable *table, const void *owner, uint64_t source, bool server, usec_t now, Session **ret);

/* Wipes what it has, and frees it. */
Session *session_free(SessionTable *table, Session *session);

/* NULL: there is none of this number, it is another's, or of the other side. */
Session *session_find(const SessionTable *table, uint64_t id, const void *owner, bool server);

/* Ends those that are too old; those of one owner; all. */
void session_table_expire(SessionTable *table, usec_t now);
void session_table_disown(SessionTable *table, const void *owner);
void session_table_clear(SessionTable *table);

/* When the next one is too old; USEC_INFINITY where there is none. */
usec_t session_table_next(const SessionTable *table);

static inline unsigned session_table_count(const SessionTable *table) {
        return SESSIONS_MAX - table->n_free;
}
