/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What o7s-perf shows while it runs and at its end. */

#include "apps/perf-stream.h"

typedef struct PerfTotals {
        uint64_t tx_messages;
        uint64_t tx_bytes;
        uint64_t rx_messages;
        uint64_t rx_bytes;
        uint64_t cpu_usec;              /* of this process, since the beginning */
        uint64_t cpu_permille;
        uint64_t n_retransmitted;       /* packets, by us */
        uint64_t rtt_nsec;              /* mean of the flows; 0: not known */
        uint64_t window;                /* packets that the other sides still take */
        bool ordered;                   /* the last three mean something */
} PerfTotals;

typedef struct PerfView {
        PerfRequest request;
        size_t n_streams;
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

/* Takes the progress bar away. */
void perf_show_end_progress(PerfView *view);

/* In perf-summary.c. Returns whether everything is known, that is, whether all reports came; then *ret_loss_percent is
 * of the worse direction. */
bool perf_show_summary(PerfView *view, PerfStream *const *streams, size_t n, uint64_t now_nsec,
                       double *ret_loss_percent);

/* The asked side: one line for each test that ended. */
void perf_show_served(const PerfStream *stream);
