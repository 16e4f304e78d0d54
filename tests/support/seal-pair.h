/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Both ends of a protected flow, in one process and in virtual time. */

#include "libo7s/seal.h"

#define SEAL_PAIR_PACKET 2048U

typedef struct SealPair {
        Seal *ends[2];                  /* the client first */
        nsec_t now;
        uint8_t random;                 /* first of the random bytes for the next control packet */
} SealPair;

/* Keys of both ends: of bytes that tests know. */
void seal_pair_keys(SealSuite suite, SealCipher cipher, bool mac_only, SealKeys ret[2]);

void seal_pair_init(SealPair *p, const SealKeys keys[2], const SealLimits *limits);
void seal_pair_done(SealPair *p);

/* One packet from an end to its peer. Returns: bytes that the peer saw, which are those that were sent; < 0. */
ssize_t seal_pair_pass(SealPair *p, unsigned from, size_t size);

/* The next control packet of an end that is due. Returns: its bytes; 0. */
ssize_t seal_pair_control(SealPair *p, unsigned from, uint8_t packet[SEAL_CONTROL_MAX]);

/* Lets time pass until neither end has anything to say, but no longer than that. lost: a bit for each control packet
 * in turn, from the lowest; set: it is lost. Returns how many control packets were sent. */
unsigned seal_pair_talk(SealPair *p, uint32_t lost, nsec_t patience);
