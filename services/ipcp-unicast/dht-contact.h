/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Members that we know, sorted into buckets by how many leading bits of their id are those of ours: few of the many far
 * away, all of the few close by. A bucket holds k contacts, and up to k spares that wait for a place in it.
 *
 *   unverified   we have a message that says it is from there, and no more; anybody can write that
 *   verified     it answered a request of ours, so what is sent to that address arrives at who has that id
 *
 * One contact per address. Who is there stays: a newcomer gets a place in a full bucket only when one in it fails. A
 * contact that does not answer several times in a row is evicted; that no route leads to it for a moment is no reason:
 * links flap, and who forgets half of the members then finds no names afterwards. Nobody that we only heard of from
 * others is a contact: it becomes one by answering.
 */

#include "basic/time.h"
#include "services/ipcp-unicast/dht-message.h"

#define DHT_CONTACTS_MAX 1024U          /* in all buckets, spares included */
#define DHT_CONTACT_FAILURES_MAX 3U     /* in a row */
#define DHT_K_MAX 20U

typedef struct DhtContact {
        DhtPeer peer;
        usec_t seen_usec;               /* when it last answered; before it ever did: when we heard of it */
        usec_t asked_usec;              /* when we last sent a request to see whether it is there; 0: never */
        uint16_t bucket;
        uint8_t n_failures;             /* requests without an answer since it was last seen */
        bool verified;
        bool spare;
} DhtContact;

typedef struct DhtBucket {
        uint16_t n;                     /* without spares */
        uint16_t n_spares;
        usec_t looked_up_usec;          /* when a lookup last went there; 0: never */
} DhtBucket;

typedef struct DhtContacts {
        DhtPeer own;
        size_t id_size;
        unsigned k;
        DhtContact *contacts;           /* in no order; pointers into it last until the next change */
        size_t n, n_allocated;
        DhtBucket *buckets;             /* by leading bits in common; as far as there were ever contacts */
        size_t n_buckets;
        uint64_t n_evicted;
} DhtContacts;

void dht_contacts_init(DhtContacts *contacts, const DhtPeer *own, size_t id_size, unsigned k);
void dht_contacts_done(DhtContacts *contacts);

DhtContact *dht_contacts_get(const DhtContacts *contacts, uint64_t address);

/* A message that says it is from this member, verified: in answer to a request of ours. Returns: > 0: a new contact,
 * or for the first time a verified one; 0: nothing new; -EEXIST: that address or id is another's as far as we know;
 * only a verified message can change that, so the address is worth asking; -ENOSPC: no place, its bucket is full;
 * -EINVAL: ourselves; -ENOMEM. */
int dht_contacts_seen(DhtContacts *contacts, const DhtPeer *peer, bool verified, usec_t now);

/* A request to it met no answer. Returns whether it was evicted. */
bool dht_contacts_failed(DhtContacts *contacts, uint64_t address);

/* Those closest to the key, closest first, at most max, spares excepted. healthy: only those that answered and
 * did not fail since, which is who others should hear of. Returns how many. */
size_t dht_contacts_closest(const DhtContacts *contacts, const uint8_t *key, bool healthy, size_t max, DhtPeer *ret);

/* How many contacts, up to max, are closer to the key than this id is. */
size_t dht_contacts_closer(const DhtContacts *contacts, const uint8_t *key, const uint8_t *id, size_t max);

/* Who should show that it is there, the one that waits the longest; it counts as asked at now. NULL: nobody. Those
 * are who never answered or failed since, every retry_usec, and everybody who has been silent for silent_usec. */
DhtContact *dht_contacts_doubtful(DhtContacts *contacts, usec_t retry_usec, usec_t silent_usec, usec_t now);

/* The longest silent one of the bucket that this id would have to get into: to be asked before it gives way. NULL:
 * not full. */
DhtContact *dht_contacts_oldest(DhtContacts *contacts, const uint8_t *id);

/* Notes that the key is being looked up. */
void dht_contacts_looked_up(DhtContacts *contacts, const uint8_t *key, usec_t now);

/* -- distance -- */

/* Leading bits that two ids have in common. */
size_t dht_common_bits(const uint8_t *a, const uint8_t *b, size_t id_size);

/* Compares the distances of a and b to the key, over the whole id: < 0: a is closer. */
int dht_distance_compare(const uint8_t *key, const uint8_t *a, const uint8_t *b, size_t id_size);
