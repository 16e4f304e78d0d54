/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One run: pairs of ends that share a path there and a path back, until everything written was read, or both ends
 * were told that it cannot be, or time is over. Everything in it follows from the options, the seed among them.
 */

#include "tests/sim/frct-end.h"

#define FRCT_PAIRS_MAX 8U

typedef struct FrctRunOptions {
        uint64_t seed;
        unsigned n_pairs;
        nsec_t stagger;                 /* each pair begins that much after the one before */
        FrctEndOptions ends[2];
        FrctPathOptions paths[2];       /* of what the first of each pair sends, and the second */
        nsec_t span;                    /* time is over */
        bool endless;                   /* and that is how it ends */
        bool idle;                      /* at the end look whether the ends come to rest */
} FrctRunOptions;

typedef struct FrctRunResult {
        unsigned n_whole, n_given_up;   /* pairs */
        uint64_t n_packets, n_events;
        uint64_t bytes;                 /* read */
        nsec_t took;
        uint64_t late_bytes[FRCT_PAIRS_MAX];    /* of each pair's second end, in the second half of the span */
        uint64_t n_got, n_sent;         /* messages */
        FrctStats stats[2];             /* of the first pair */
        int errors[2];
        size_t memory;                  /* largest, bytes of the program */
        uint64_t digest;
} FrctRunResult;

/* What is wrong goes into the verdict. Returns: 0; -ENOMEM. */
int frct_run(const FrctRunOptions *options, Verdict *verdict, FrctRunResult *ret);
