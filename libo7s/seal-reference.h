/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The packet of Ouroboros 0.23.0, for peers that know no other.
 *
 *     0                        12                  n-16       n
 *     | nonce                  |  content          |   tag    |          bit 7 of the first byte: key phase
 *
 * One key for both directions, and a new one after about 2^20 packets both ways, which the peer counts: those that it
 * sent, and those that arrived at it. Two ends that only count lose each other with the first packet that is lost. So
 * this one follows:
 *
 *   - It opens with any key from the one before the newest that the peer has used to the second after it, and takes
 *     that as the newest only once a tag was right. A peer that ran further ahead during a black-out is looked for,
 *     with pauses.
 *   - It sends with the newest that the peer has used: the peer has that one, as its current or as its previous key.
 *     The phase bit is the parity of that key, so that the peer never takes it for a request to rotate.
 *   - It goes ahead by itself only when the peer is bound to follow: after 2^20 packets both ways of which the peer
 *     itself has sent so many with this key that its own count, lost packets or not, lets it rotate; and not when the
 *     peer is about to rotate by itself. To a peer that says nothing one key serves for long.
 *
 * What the others do not have and cannot see: nonces that were seen are remembered, so that a packet is opened once;
 * and our nonces are a permutation of a counter, so that they never repeat, and a packet of ours that comes back is
 * known as such.
 */

#include "libo7s/seal.h"
#include "libo7s/seal-replay.h"
#include "libo7s/seal-schedule.h"

#define SEAL_REFERENCE_OVERHEAD (SEAL_NONCE_BYTES + SEAL_TAG_BYTES)
#define SEAL_REFERENCE_KEYS 4U          /* previous, newest, and two after it */

typedef struct SealReference {
        SealCipher cipher;
        SealLimits limits;
        SealCounters *counters;         /* not owned */
        uint8_t salt[SEAL_SECRET_BYTES];
        SealAead keys[SEAL_REFERENCE_KEYS];     /* [1] is of .epoch; without a key: forgotten, or there was no memory */
        uint8_t next[SEAL_SECRET_BYTES];        /* the key after them */
        uint32_t epoch;                 /* newest that the peer has used */
        bool ahead;                     /* we send with the one after it */
        uint64_t age;                   /* packets both ways since we send with this key */
        uint64_t n_sent;                /* with this key */
        uint64_t n_proven;              /* of the peer, with its newest */
        bool phase;                     /* of the last of them */
        bool has_turned;                /* it was another one before */
        uint64_t turned_at;             /* age */
        nsec_t previous_until;
        nsec_t look_ahead_from;
        SealNonces nonces;
        uint8_t nonce_key[16];
        uint64_t nonce_counter;
} SealReference;

/* limits: complete. Returns: 0; -ENOMEM; -EINVAL; -EOPNOTSUPP. */
int seal_reference_init(SealReference *s, const SealKeys *keys, const SealLimits *limits,
                        const uint8_t seed[SEAL_SEED_BYTES], SealCounters *counters);
void seal_reference_done(SealReference *s);

/* As those of seal.h. */
ssize_t seal_reference_protect(SealReference *s, const void *content, size_t content_size, void *packet, size_t size);
ssize_t seal_reference_open(SealReference *s, nsec_t now, const void *packet, size_t packet_size, void *content,
                            size_t size);
