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
        double max_loss_percent;        /* more than this is a failure; negative: none on reliable flows, any on
                                         * others */
        uint64_t interval_usec;
        o7s_qos qos;
        PerfRequest request;
} PerfOptions;

#define PERF_OPTIONS_INIT                                                                                      \
        (PerfOptions) {                                                                                        \
                .parallel = 1, .max_loss_percent = -1, .interval_usec = 1000000ULL, .qos = O7S_QOS_RAW,        \
                .request = { .mode = PERF_FORWARD },                                                           \
        }

/* Complains by itself. Returns: > 0: go on; 0: done, after --help; negative: the exit status to end with, negated. */
int perf_options_parse(PerfOptions *options, int argc, char *argv[]);
