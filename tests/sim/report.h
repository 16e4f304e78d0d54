/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs found out, for people: a line of a table each, and charts over the number of members. */

#include "tests/sim/chart.h"
#include "tests/sim/directory-run.h"
#include "tests/sim/frct-exchange.h"
#include "tests/sim/handshake-sequence.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seal-suite.h"

typedef struct Report {
        bool has_heading;
        const char *directory;          /* where charts go; NULL: nowhere */
        unsigned n_runs;
        unsigned n_failed;              /* findings of all runs */
        uint64_t n_checked;
        uint64_t digest;                /* of all traces so far, in order */
        Chart convergence;
        Chart messages;
        Chart memory;
        Chart hops;
} Report;

void report_init(Report *r, const char *directory);
void report_scenario(Report *r, const ScenarioOptions *options, const ScenarioResult *result);
void report_directory(Report *r, const DirectoryRun *run);

void report_exchanges(Report *r, uint64_t seed, const FrctExchanges *exchanges, const Verdict *verdict);
void report_seals(Report *r, const SealSuiteResult *result, const Verdict *verdict);
void report_handshakes(Report *r, uint64_t seed, const HandshakeSequences *sequences, const Verdict *verdict);
/* What has said it all already. */
void report_verdict(Report *r, uint64_t digest, const Verdict *verdict);

/* The last line, and the charts. Returns: 0; 1: something was found wrong; < 0: a chart could not be written. */
int report_end(Report *r);
