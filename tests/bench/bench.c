/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rounds, medians and the probe of where the two processors are: see bench.h. */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "tests/bench/bench.h"

#define PROBE_TURNS 20000U
#define NEAR_NSEC 180.0

/* How often a round may be repeated because the processors moved, in all. */
#define RETRIES_MAX 14U

typedef struct Line {
        uint32_t value __attribute__((aligned(128)));
} Line;

void bench_pin(int cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu < (int) sysconf(_SC_NPROCESSORS_ONLN) ? cpu : 0, &set);
        (void) sched_setaffinity(0, sizeof(set), &set);
}

static void line_wait(const Line *line, uint32_t value) {
        unsigned n = 0;

        while (__atomic_load_n(&line->value, __ATOMIC_ACQUIRE) != value)
                if (++n % 4096 == 0)            /* both sides may be on one processor */
                        (void) sched_yield();
}

static void *line_echo(void *userdata) {
        Line *line = userdata;

        bench_pin(BENCH_CPU_RIGHT);
        for (uint32_t i = 0; i < PROBE_TURNS; i++) {
                line_wait(line, 2 * i + 1);
                __atomic_store_n(&line->value, 2 * i + 2, __ATOMIC_RELEASE);
        }
        return NULL;
}

double bench_line_nsec(void) {
        Line line = {};
        pthread_t thread;
        double start;

        if (pthread_create(&thread, NULL, line_echo, &line) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        __atomic_store_n(&line.value, 1, __ATOMIC_RELEASE);
        line_wait(&line, 2);
        start = bench_nsec();
        for (uint32_t i = 1; i < PROBE_TURNS; i++) {
                __atomic_store_n(&line.value, 2 * i + 1, __ATOMIC_RELEASE);
                line_wait(&line, 2 * i + 2);
        }
        start = bench_nsec() - start;

        (void) pthread_join(thread, NULL);
        return start / (PROBE_TURNS - 1);
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

double bench_median(double *values, size_t n) {
        if (n == 0)
                return -1;

        qsort(values, n, sizeof(*values), compare);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_limit(const char *name, double value, const char *unit, double limit) {
        (void) printf("bench %s %.4f %s ratio %.3f of limit-%g\n", name, value, unit, value / limit, limit);
        (void) fflush(stdout);
}

void bench_figure(const BenchFigure *figure) {
        double ratios[BENCH_ROUNDS], values[BENCH_ROUNDS];
        unsigned n = 0, retries = 0;

        while (n < BENCH_ROUNDS) {
                bool near = bench_line_nsec() < NEAR_NSEC;
                double baseline, subject;

                baseline = figure->baseline(figure->context);
                subject = figure->subject(figure->context);
                if (baseline <= 0 || subject < 0) {
                        (void) fprintf(stderr, "%s could not be measured\n", figure->name);
                        return;
                }
                if (near != (bench_line_nsec() < NEAR_NSEC) && retries++ < RETRIES_MAX)
                        continue;

                values[n] = subject;
                ratios[n++] = subject / baseline;
        }

        (void) printf("bench %s %.3f %s ratio %.3f of %s\n", figure->name, bench_median(values, n), figure->unit,
                      bench_median(ratios, n), figure->baseline_name);
        (void) fflush(stdout);
}
