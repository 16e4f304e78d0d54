/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Protected flows that have to survive what a path can do: runs of seal-run.h with a name, and what must come of
 * each. */

#include "tests/sim/verdict.h"

typedef struct SealSuiteResult {
        uint64_t n_runs;
        uint64_t n_sent, n_opened;
        uint64_t digest;
} SealSuiteResult;

/* n_packets: each way of the longest run. sabotage: also the reference's own at both ends, which does not survive.
 * Prints a line for each run; what is wrong goes into the verdict. Returns: 0; < 0: it could not be run. */
int seal_suite_run(uint64_t seed, uint64_t n_packets, bool sabotage, Verdict *verdict, SealSuiteResult *ret);
