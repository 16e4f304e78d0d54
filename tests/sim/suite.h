/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The runs that tests are made of. */

#include "tests/sim/report.h"

typedef enum Suite {
        SUITE_FIFTY,                    /* 50 members, each topology, everything bad at once */
        SUITE_THOUSAND,                 /* 1 000 members */
        SUITE_DIRECTORY,                /* 10 000 directories */
        SUITE_GROWTH,                   /* from few members to many, for the charts */
        SUITE_FRCT,                     /* ordered flows: short exchanges, each seed another one */
        SUITE_PATHS,                    /* ordered flows: paths and peers with a name */
        SUITE_HANDSHAKE,                /* handshakes, and Mallory: each seed another sequence */
        SUITE_SEAL,                     /* protected flows */
        _SUITE_MAX,
        _SUITE_INVALID = -EINVAL,
} Suite;

DECLARE_ENUM_NAMES(suite, Suite);       /* "fifty", "thousand", "directory", "growth", "frct", "paths", "handshake",
                                         * "seal" */

/* The storm of the suites: flapping links, dying members and a network that spares nothing. */
void suite_storm(ScenarioOptions *options);

/* Runs and reports. Returns: 0; < 0: it could not be run. */
int suite_scenario(const ScenarioOptions *options, Report *report);
int suite_directory(uint32_t n_members, uint64_t seed, double loss, double duplicate, double churn, Report *report);

/* One of the paths, or all of them without a name. Returns: 0; -ENOENT; < 0. */
int suite_path(const char *name, uint64_t seed, Report *report);

/* sabotage: Mallory has what she must not have, and has to be found out. Returns: 0; < 0. */
/* n_packets: each way. */
int suite_seals(uint64_t seed, uint64_t n_packets, bool sabotage, Report *report);

int suite_handshakes(uint64_t seed, unsigned n_seeds, bool sabotage, Report *report);

/* shape: of the layer, where the suite has several; _TOPOLOGY_SHAPE_INVALID: all of them. seed: of the first of
 * n_seeds runs. */
int suite_run(Suite suite, TopologyShape shape, uint64_t seed, unsigned n_seeds, Report *report);
