/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What o7s-perf shows while it runs and at its end. */

#include "apps/perf-stream.h"

typedef struct PerfTotals {
        uint64_t tx_messages;
        uint64_t tx_bytes;
        uint64_t rx_messages;
        uint64_t rx_bytes;
        uint64_t cpu_permille;          /* of this process, since the beginning */
} PerfTotals;

typedef struct PerfView {
        PerfRequest request;
        bool json;
        bool quiet;
        bool bar;                       /* standard output is a terminal */
        bool bar_drawn;
        uint64_t begun_nsec;
        uint64_t last_nsec;             /* of the last interval line */
        PerfTotals last;
} PerfView;

PerfTotals perf_totals(PerfStream *const *streams, size_t n, uint64_t now_nsec);

/* One line for the time since the last one. */
void perf_show_interval(PerfView *view, const PerfTotals *totals, uint64_t now_nsec);

/* Draws the progress bar over itself, where there is one. */
void perf_show_progress(PerfView *view, const PerfTotals *totals, uint64_t now_nsec);

/* Returns whether everything is known, that is, whether all reports came. */
bool perf_show_summary(PerfView *view, PerfStream *const *streams, size_t n, uint64_t now_nsec);

/* The asked side: one line for each test that ended. */
void perf_show_served(const PerfStream *stream);
