/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two ends of a protected flow, and a path that loses, doubles and reorders: what arrives must open, once, and be
 * what was sent, whatever became of the packets around it. One end may be the reference's own
 * (tests/support/reference-seal.h), and both, which is how a test shows that the reference's way does not survive
 * what ours does.
 */

#include "libo7s/seal.h"

typedef struct SealRunOptions {
        const char *name;
        SealSuite suite;
        bool mac_only;
        bool references[2];             /* that end is the reference's */
        bool forgets_early;             /* and forgets its previous key as early as it may be read to */
        uint64_t seed;
        uint64_t n_packets;             /* both ways */
        double share;                   /* of them that the first end sends */
        double loss[2];                 /* of what each end sends */
        double duplicate;
        double reorder;
        nsec_t gap;                     /* between packets, on average */
        nsec_t delay;                   /* of the path, one way */
        nsec_t jitter;                  /* more, for those that are late */
        uint64_t black_every;           /* packets from one black-out to the next, 0: none; of one direction at a
                                         * time */
        uint64_t black_packets;
        SealLimits limits;
} SealRunOptions;

typedef struct SealRunResult {
        uint64_t n_sent[2];             /* by each end */
        uint64_t n_arrived[2];          /* first copies of them */
        uint64_t n_opened[2];
        uint64_t n_undecryptable[2];    /* arrived, and not opened */
        uint64_t n_late[2];             /* of those: called too old */
        uint64_t n_dark[2];             /* of those: during a black-out, and until both ends opened something after
                                         * it */
        uint64_t n_twice;               /* opened again */
        uint64_t n_altered;
        uint64_t n_refused;             /* that an end refused to send */
        uint64_t n_control;
        uint64_t n_rotations;           /* of the reference's ends */
        SealCounters counters[2];
        uint64_t digest;
} SealRunResult;

/* Returns: 0; < 0: it could not be run. */
int seal_run(const SealRunOptions *options, SealRunResult *ret);
