/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Measuring on a machine that is not quiet. A figure is always taken against a baseline in the same second: rounds of
 * baseline and subject alternate, and what counts is the median of the ratios of the rounds. Before and after each
 * round a cache line is bounced between the two processors: near (they share a cache) or far. A round during which
 * that changed is thrown away and repeated.
 *
 * A benchmark prints one line for each figure and does not fail:  bench NAME VALUE UNIT ratio R of BASELINE
 */

#include <time.h>

#include "basic/time.h"

#define BENCH_ROUNDS 7U

/* One measurement, in the unit of the figure. Negative: it could not be taken. */
typedef double (*BenchFunction)(void *context);

typedef struct BenchFigure {
        const char *name;
        const char *unit;
        const char *baseline_name;
        BenchFunction subject;
        BenchFunction baseline;
        void *context;
} BenchFigure;

/* Alternates baseline and subject, and prints the line. */
void bench_figure(const BenchFigure *figure);

/* For a figure that is held against a limit instead of a baseline. */
void bench_limit(const char *name, double value, const char *unit, double limit);

/* Processors of the two sides; the same one where there is only one. */
#define BENCH_CPU_LEFT 0
#define BENCH_CPU_RIGHT 1

/* Binds the calling thread. Best effort. */
void bench_pin(int cpu);

/* Round trip of a cache line between the two processors. */
double bench_line_nsec(void);

double bench_median(double *values, size_t n);

static inline double bench_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static inline void bench_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("" ::: "memory");
#endif
}
