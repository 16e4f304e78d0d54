/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is still to be sent to which neighbour. Nothing is queued: a neighbour has marks in the database's log of
 * changes, up to which it was told, so what changes often before its turn comes is sent once, in its newest state,
 * and a neighbour costs the same however far behind it is. Sending is paced by a token bucket for each; one that has
 * no room holds up nobody else.
 *
 * In this order:
 *   news     what changed since the neighbour is here, except what it told us itself
 *   dump     what was there before it came
 *   repeats  the dump once more, and twice what appeared, went or changed, a little later. Management flows may lose
 *            messages, and a refresh, which repairs that, can be long in coming. Whoever has it already ignores it.
 */

#include "services/ipcp-unicast/lsdb.h"

#define FLOOD_PEERS_MAX 1024U
#define FLOOD_RATE 5000U                /* messages per second and neighbour */
#define FLOOD_BURST 256U
#define FLOOD_RETRY_MIN_USEC (20 * USEC_PER_MSEC)       /* doubles as long as there is no room */
#define FLOOD_RETRY_MAX_USEC (640 * USEC_PER_MSEC)
#define FLOOD_REPEATS 2U
#define FLOOD_REPEAT_USEC (1 * USEC_PER_SEC)    /* the first; the second after three times that */

typedef bool (*FloodSend)(void *userdata, uint64_t peer, const uint8_t *message, size_t size);

typedef struct FloodPeer {
        ListNode by_flood;
        uint64_t number;
        bool extended;
        uint64_t news;                  /* versions up to which it was told */
        uint64_t dump;
        uint64_t dump_end;
        uint64_t repeats[FLOOD_REPEATS];
        usec_t repeats_due[FLOOD_REPEATS];      /* not looked at before: all that follow are due later */
        usec_t since;                   /* when it came */
        usec_t tokens_usec;             /* time saved up; a message costs 1 s / FLOOD_RATE */
        usec_t filled;
        usec_t retry;                   /* 0: it has room */
        usec_t retry_usec;              /* how long to wait should it have none */
} FloodPeer;

typedef struct Flood {
        List peers;
        unsigned n_peers;
        Map *by_number;
        uint64_t n_sent;
} Flood;

int flood_init(Flood *f);
void flood_done(Flood *f);

/* It gets the database. Returns: 0; -EEXIST; -ENOSPC; -ENOMEM. */
int flood_add_peer(Flood *f, const Lsdb *db, uint64_t peer, bool extended, usec_t now);
void flood_remove_peer(Flood *f, uint64_t peer);
bool flood_has_peer(const Flood *f, uint64_t peer);

/* Sends what may be sent now. Returns when to call again, were nothing to change until then. */
usec_t flood_run(Flood *f, const Lsdb *db, FloodSend send, void *userdata, usec_t now);

/* The same for news alone, as many as there are: it is the last chance. */
void flood_run_unpaced(Flood *f, const Lsdb *db, FloodSend send, void *userdata);
