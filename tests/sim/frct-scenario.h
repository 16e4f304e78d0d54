/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths and peers with a name, and what must come of them. */

#include <stdio.h>

#include "tests/sim/frct-run.h"

typedef enum FrctOutcome {
        FRCT_OUTCOME_WHOLE,             /* everything arrives */
        FRCT_OUTCOME_GIVEN_UP,          /* both ends are told */
        FRCT_OUTCOME_EITHER,
        FRCT_OUTCOME_SPEED,             /* neither: as much as goes through in the time given */
} FrctOutcome;

typedef struct FrctScenario {
        const char *name;
        FrctRunOptions options;
        FrctOutcome outcome;
        double least_used;              /* of the path's rate, in the second half */
        double least_fair;              /* Jain's index of the pairs, in the second half */
        double least_got;               /* of the messages */
        size_t memory_max;              /* for everything; 0: any */
} FrctScenario;

/* Without a name all of them. Each prints a line. Returns: 0; -ENOENT: there is none of that name; -ENOMEM. */
int frct_scenario_run(const char *name, uint64_t seed, Verdict *verdict, uint64_t *ret_digest);

void frct_scenario_list(FILE *to);
