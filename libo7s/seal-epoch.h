/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Epochs of the o7s suite. A sender has one, and goes on to the next when it likes. A receiver does not know when: it
 * has the one that packets came in last, the next one ready, a few old ones for a short while, and, while a key
 * agreement is going on, the first two of the next generation. Nothing moves before the tag of a packet was verified.
 *
 *      old[1]   old[0]   chain.current   chain.next
 *                        pending.current pending.next
 *
 * Packets of epochs further on are looked for (SealAhead), but seldom, because whoever forges them makes us derive
 * keys.
 */

#include "basic/time.h"
#include "libo7s/seal-replay.h"
#include "libo7s/seal-schedule.h"

/* Label 16, generation 4, epoch 4, header 5, zero 3: whole blocks, because the library takes a fifth longer for a
 * small packet else. */
#define SEAL_ASSOCIATED_BYTES 32U
#define SEAL_ASSOCIATED_HEADER 24U      /* where in it the header is */
#define SEAL_OLD_NSEC ((nsec_t) 3 * NSEC_PER_SEC)
#define SEAL_AHEAD_MAX 4096U            /* epochs: 2^32 packets that were all lost */
/* Pause for each step of looking ahead, which takes about a hundredth of it. */
#define SEAL_AHEAD_STEP_NSEC ((nsec_t) 50 * NSEC_PER_USEC)

typedef struct SealEpoch {
        uint32_t generation, epoch;
        SealAead aead;
        uint8_t iv[SEAL_NONCE_BYTES];
        uint8_t associated[SEAL_ASSOCIATED_BYTES];      /* all but the header; zero at first */
} SealEpoch;

/* What epochs of a flow have in common. */
typedef struct SealEpochKind {
        SealCipher cipher;
        uint8_t label[SEAL_LABEL_BYTES];
} SealEpochKind;

typedef struct SealSender {
        SealEpoch epoch;
        uint8_t next[SEAL_SECRET_BYTES];        /* of the epoch after it */
        uint64_t counter;               /* of the next packet */
        nsec_t since;                   /* of the first packet */
} SealSender;

typedef struct SealIncoming {
        SealEpoch epoch;
        nsec_t until;                   /* forgotten then */
        SealReplay replay;
} SealIncoming;

typedef struct SealChain {
        SealIncoming current;
        SealIncoming next;              /* without a key where there was no memory for one */
        uint8_t secret[SEAL_SECRET_BYTES];      /* of .next */
} SealChain;

typedef struct SealReceiver {
        SealChain chain;
        SealChain pending;              /* of the next generation; without a key: none */
        SealIncoming old[3];            /* newest first */
        nsec_t ahead_from;              /* no looking ahead before */
} SealReceiver;

static inline bool seal_epoch_is_set(const SealEpoch *e) {
        return e->aead.handle;
}

/* secret: of epoch 0. Returns: 0; -ENOMEM; -EOPNOTSUPP. */
int seal_sender_init(SealSender *s, const SealEpochKind *kind, uint32_t generation,
                     const uint8_t secret[SEAL_SECRET_BYTES]);
void seal_sender_done(SealSender *s);
/* The next epoch. Returns: 0; -ENOMEM, and nothing changed. */
int seal_sender_advance(SealSender *s, const SealEpochKind *kind);

int seal_chain_init(SealChain *c, const SealEpochKind *kind, uint32_t generation, uint32_t epoch,
                    const uint8_t secret[SEAL_SECRET_BYTES]);
void seal_chain_done(SealChain *c);

void seal_receiver_done(SealReceiver *r);

/* Looks for the epoch of a packet by what its header says of it: generation modulo 8, and the low bits of the epoch.
 * Returns: 0; -EALREADY: long gone; -ENOENT: further ahead; -EBADMSG: no such generation. */
int seal_receiver_find(SealReceiver *r, const SealEpochKind *kind, uint8_t generation, uint8_t epoch,
                       SealIncoming **ret);

/* A packet of that epoch was authentic: it is the current one from now on, where it was ahead. Returns: 0; 1: so is
 * its generation. */
int seal_receiver_commit(SealReceiver *r, const SealEpochKind *kind, SealIncoming *incoming, nsec_t now);

/* Epochs that a packet from further ahead may be of, one after the other. Owns what it holds until it is taken. */
typedef struct SealAhead {
        SealChain *chain;               /* not owned */
        SealIncoming incoming;          /* the candidate */
        uint8_t secret[SEAL_SECRET_BYTES];
        uint32_t epoch;                 /* of the secret */
        uint32_t candidate;
} SealAhead;

/* Returns: 0; -EBADMSG: not now. */
int seal_ahead_begin(SealAhead *a, SealReceiver *r, uint8_t generation, uint8_t epoch, nsec_t now);
/* The next candidate, in .incoming. Returns: 1; 0: there is none; -ENOMEM. */
int seal_ahead_next(SealAhead *a, const SealEpochKind *kind);
/* The candidate is it: its chain goes on from there. Returns: the epoch; NULL: no memory. */
SealIncoming *seal_ahead_take(SealAhead *a, SealReceiver *r, const SealEpochKind *kind, nsec_t now);
/* What it cost is paid for with a pause. */
void seal_ahead_end(SealAhead *a, SealReceiver *r, nsec_t now);

/* Forgets what is old enough. Returns: when there will be something to forget; NSEC_INFINITY. */
nsec_t seal_receiver_expire(SealReceiver *r, nsec_t now);
nsec_t seal_receiver_next(const SealReceiver *r);
