/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Protection of the packets of one flow, between FRCT and the lane. Pure: no I/O, no clock, no lock, no source of
 * randomness of its own; nothing is written where another process can write (packets are copied on their way
 * through), nothing is shown before its tag was verified.
 *
 * Two suites:
 *
 *   SEAL_REFERENCE    the packet of Ouroboros 0.23.0: random nonce with a key phase, one key for both directions. To
 *                     others the bytes are exactly theirs; here replays and reflections are dropped, and keys are
 *                     tried across epochs, so that loss does not break the flow.
 *   SEAL_O7S          between two o7s hosts: keys of their own per direction and purpose, explicit counters, a replay
 *                     window, the epoch inside the authenticated header; a new epoch every 2^20 packets or 120 s of
 *                     traffic, a new key agreement every 10 minutes or 2^32 packets, in control packets of the flow
 *                     itself. With mac_only the content stays readable.
 *
 *     0      1        2              5                     n-16       n
 *     | kind | epoch  |  counter     |  content ...        |   tag    |      docs/WIRE.md has each bit
 *
 * FRCT ──► seal_protect() ──► lane            lane ──► seal_open() ──► FRCT
 *                 seal_transmit(): control packets of its own, when seal_next() says so
 */

#include "basic/time.h"
#include "libo7s/seal-keys.h"

#define SEAL_SEED_BYTES 32U             /* random bytes that a seal takes from its owner at once */
#define SEAL_OVERHEAD_MAX 48U           /* room that a packet needs beyond its content */
#define SEAL_CONTROL_MAX 64U            /* room that a control packet needs */

/* Limits, for tests that cannot wait; 0 is the default. */
typedef struct SealLimits {
        uint64_t epoch_packets;                 /* 2^20; reference suite: a power of two, both ends agree on it */
        nsec_t epoch_nsec;                      /* 120 s */
        uint64_t generation_packets;            /* 2^32 */
        nsec_t generation_nsec;                 /* 600 s */
} SealLimits;

typedef struct SealCounters {
        uint64_t n_protected;
        uint64_t n_opened;
        uint64_t n_forged;                      /* whose tag was wrong, or that were no packet of the suite */
        uint64_t n_replayed;                    /* by their number seen before, or too old to tell */
        uint64_t n_epochs;                      /* begun by us */
        uint64_t n_generations;
} SealCounters;

typedef struct Seal Seal;

/* limits: NULL for the defaults. Returns: 0; -ENOMEM; -EINVAL: keys that make no sense; -EOPNOTSUPP: a cipher that
 * our libraries do not carry. */
int seal_new(const SealKeys *keys, const SealLimits *limits, const uint8_t seed[SEAL_SEED_BYTES], nsec_t now,
             Seal **ret);

/* Wipes all keys. NULL is fine. */
Seal *seal_free(Seal *seal);
DEFINE_CLEANUP(Seal, seal_free);

/* Bytes that a packet grows by. */
size_t seal_overhead(const Seal *seal);

/* content → packet; they do not overlap. Returns: bytes of the packet; -ENOBUFS; -EKEYEXPIRED: the peer does not take
 * part in the key agreement, and the keys may not be used any longer; -EIO, -ENOMEM: the library failed. Reference
 * suite: no content, no packet: 0. */
ssize_t seal_protect(Seal *seal, nsec_t now, const void *content, size_t content_size, void *packet, size_t size);

/* packet → content; they do not overlap; packet is private memory. Returns: bytes of the content; 0: it was one of
 * the seal's own, or has no content; -EBADMSG: not authentic; -EALREADY: seen before, or too old; -ENOBUFS; -ENOMEM: it
 * is lost. What is not good changes nothing but counters. */
ssize_t seal_open(Seal *seal, nsec_t now, const void *packet, size_t packet_size, void *content, size_t size);

/* When seal_transmit() has something to send or to forget, or NSEC_INFINITY. Changes with each packet. Reference
 * suite: never. */
nsec_t seal_next(const Seal *seal);

/* A control packet, ready for the lane; random: fresh for each call, may be used for a key agreement. Returns: its
 * bytes; 0: none is due; -ENOBUFS. Calls until 0. */
ssize_t seal_transmit(Seal *seal, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], void *packet, size_t size);

/* Half of what an agreement on new keys may take is used up: what the peer says about it should not be kept waiting
 * behind what nobody reads. */
bool seal_is_starving(const Seal *seal, nsec_t now);

const SealCounters *seal_counters(const Seal *seal);
