/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of o7s-perf. */

#include "apps/common.h"
#include "apps/perf-message.h"

#define PERF_PARALLEL_MAX 64U

typedef struct PerfOptions {
        const char *name;       /* borrowed from argv */
        bool serve;
        bool json;
        bool quiet;
        unsigned parallel;
        PerfRequest request;
} PerfOptions;

#define PERF_OPTIONS_INIT                                                                                      \
        (PerfOptions) {                                                                                        \
                .parallel = 1, .request = { .mode = PERF_FORWARD, .duration_usec = 10 * 1000000ULL },          \
        }

/* Complains by itself. Returns: > 0: go on; 0: done, after --help; negative: the exit status to end with, negated. */
int perf_options_parse(PerfOptions *options, int argc, char *argv[]);
