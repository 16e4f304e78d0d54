/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random sequences of what can happen to handshakes: each seed another one. */

#include "tests/sim/handshake-world.h"

typedef struct HandshakeSequences {
        uint64_t n_runs;
        uint64_t n_agreed;                      /* both ends accepted the same */
        uint64_t n_refused;                     /* messages that an end refused */
        uint64_t n_unproven;                    /* an end without certificates took what nobody had said */
        uint64_t deeds[_DEED_MAX];
        uint64_t digest;
} HandshakeSequences;

/* n of them, from this seed on. Returns: 0; -EIO: no certificates; -ENOMEM. */
int handshake_sequences_run(uint64_t seed, uint64_t n, bool sabotage, Verdict *verdict, HandshakeSequences *ret);
