/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inside the directory: the object, and what its files offer each other.
 *
 *   directory.c             life, time, statistics
 *   directory-receive.c     messages in: requests answered, values kept, answers matched
 *   directory-lookup.c      searches: whom to ask next, who waits for the result
 *   directory-publish.c     own names, and what we keep for others, to the k closest
 *   directory-maintain.c    the way in, pings, refresh
 *
 * Every timer is an Expiry in the heap of its kind, or one of the few times in the object.
 */

#include "services/common/limit.h"
#include "services/ipcp-unicast/dht-cache.h"
#include "services/ipcp-unicast/dht-contact.h"
#include "services/ipcp-unicast/dht-lookup.h"
#include "services/ipcp-unicast/dht-request.h"
#include "services/ipcp-unicast/dht-store.h"
#include "services/ipcp-unicast/directory.h"

#define DIRECTORY_PEERS_MAX 8U                  /* ways in that we were told */
#define DIRECTORY_FORMER_MAX 4U                 /* evicted contacts that may come back */
#define DIRECTORY_KEEPERS_MAX 32U               /* of a name, remembered */
#define DIRECTORY_MAINTENANCE_MAX 32U           /* lookups of our own at once */
#define DIRECTORY_WAITERS_MAX 4096U

/* A lookup answers by then with what it has: the IRM waits 900 ms for a query. It goes on, for the next who asks. */
#define DIRECTORY_ANSWER_USEC (800 * USEC_PER_MSEC)

/* Requests and values taken per second: from one address, and in all. An address that somebody made us answer to gets
 * no more than the former. */
#define DIRECTORY_SENDER_RATE 1000U
#define DIRECTORY_SENDER_BURST 4000U
#define DIRECTORY_TOTAL_RATE 4000U
#define DIRECTORY_TOTAL_BURST 16000U
#define DIRECTORY_PINGS_PER_SEC 32U

/* An answer to somebody who has not shown that it is there is at most that many times as long as its question. */
#define DIRECTORY_STRANGER_FACTOR 3U

/* A name that we serve. */
typedef struct DirectoryName {
        Expiry expiry;                          /* when it is to be published again */
        ListNode by_directory;
        unsigned n_published;
        bool publishing;                        /* a lookup is under way: nothing to wait for */
        bool has_slot;                          /* waits for its turn among many */
        unsigned n_keepers;
        uint64_t keepers[DIRECTORY_KEEPERS_MAX];        /* whom we gave it to */
        uint8_t hash[];                         /* id_size bytes */
} DirectoryName;

/* Somebody who wants the result of a lookup. */
typedef struct DhtWaiter {
        Expiry expiry;                          /* wants to know by then */
        ListNode by_lookup;
        ListNode by_directory;
        DhtLookup *lookup;                      /* not owned */
        uint64_t number;                        /* the caller's */
        usec_t since;
} DhtWaiter;

struct Directory {
        DirectoryConfig config;
        size_t id_size;
        DhtPeer own;
        const DirectoryEvents *events;
        void *userdata;

        DhtContacts contacts;
        DhtStore store;
        DhtRequests requests;
        DhtCache cache;
        Limit limit;

        /* searches */
        List lookups;                           /* DhtLookup.by_directory */
        ExpiryHeap lookup_expiry;
        Map *resolving;                         /* lookups for others by key */
        size_t n_lookups;
        size_t n_maintenance;                   /* of these, our own */
        List waiters;                           /* DhtWaiter.by_directory */
        ExpiryHeap waiter_expiry;
        size_t n_waiters;

        /* own names */
        Map *names;
        List name_list;                         /* DirectoryName.by_directory */
        ExpiryHeap name_expiry;
        usec_t publish_usec;                    /* before that nothing more is published */

        /* acquaintances */
        uint64_t peers[DIRECTORY_PEERS_MAX];
        size_t n_peers, next_peer;
        uint64_t former[DIRECTORY_FORMER_MAX];
        size_t n_former;
        bool bootstrapping;
        usec_t bootstrap_usec;                  /* when to try the way in */
        usec_t bootstrap_delay;
        usec_t tick_usec;                       /* when to look after contacts */
        usec_t self_usec;                       /* when to look our own id up */
        usec_t self_delay;
        usec_t way_usec;                        /* when to knock at a way in that is no contact */
        size_t next_way;
        usec_t ping_usec;                       /* the second that n_pings counts */
        unsigned n_pings;

        DirectoryStatistics statistics;
};

/* -- directory.c -- */

void directory_send(Directory *d, uint64_t address, const DhtMessage *message);

/* Fresh bits for a cookie or a key. Returns: 0; < 0. */
int directory_random(Directory *d, uint64_t *ret);

/* Between three and four quarters of it. */
usec_t directory_jitter(Directory *d, usec_t usec);

bool directory_address_is_valid(const Directory *d, uint64_t address);
bool directory_key_is_valid(const Directory *d, const uint8_t *hash, size_t hash_size);

/* -- directory-lookup.c -- */

/* A lookup of our own; ends in directory_searched(), possibly from within. Returns: 0; -EBUSY; -ENOMEM. */
int directory_search(Directory *d, DhtPurpose purpose, const uint8_t *key, usec_t now);

/* Asks somebody something. Returns: 0; < 0: nothing was sent. */
int directory_ask(Directory *d, DhtRequestKind kind, DhtCode code, uint64_t address, const uint8_t *key,
                  DhtLookup *lookup, usec_t now);

/* A request of this lookup was answered; sees to the next ones. */
void directory_lookup_answered(Directory *d, DhtLookup *lookup, const DhtMessage *response, usec_t now);
void directory_lookups_expire(Directory *d, usec_t now);
void directory_lookups_done(Directory *d);

/* -- directory-publish.c -- */

/* Such a lookup ended. */
void directory_published(Directory *d, const DhtLookup *lookup, usec_t now);
void directory_replicated(Directory *d, const DhtLookup *lookup, usec_t now);

/* A STORE from outside. */
void directory_keep(Directory *d, const DhtMessage *message, usec_t now);

/* Somebody is there who was not before: what belongs there goes there. */
void directory_newcomer(Directory *d, const DhtPeer *peer, usec_t now);
void directory_publish_expire(Directory *d, usec_t now);
void directory_publish_all(Directory *d, usec_t now);
void directory_names_done(Directory *d);

/* -- directory-maintain.c -- */

/* Somebody showed (verified) or said that it is there. */
void directory_seen(Directory *d, const DhtPeer *peer, bool verified, usec_t now);

/* A request met no answer. */
void directory_unanswered(Directory *d, uint64_t address, usec_t now);
void directory_bootstrapped(Directory *d, const DhtLookup *lookup, usec_t now);
void directory_maintain(Directory *d, usec_t now);
