/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line chart as SVG: numbers of members along a logarithmic axis, a few series above it. */

#include "basic/macro.h"

#define CHART_POINTS_MAX 32U
#define CHART_SERIES_MAX 6U

typedef struct ChartSeries {
        const char *label;
        double x[CHART_POINTS_MAX];
        double y[CHART_POINTS_MAX];
        size_t n;
} ChartSeries;

typedef struct Chart {
        const char *title;
        const char *x_label;
        const char *y_label;
        bool log_y;                     /* then every y is > 0 */
        ChartSeries series[CHART_SERIES_MAX];
        size_t n_series;
} Chart;

/* The series with this label, which comes into being. Labels outlive the chart. NULL: there are too many. */
ChartSeries *chart_series(Chart *chart, const char *label);

/* Points go from left to right; those beyond CHART_POINTS_MAX, and on a logarithmic axis those that have no place on
 * it, are left out. */
void chart_add(Chart *chart, const char *label, double x, double y);

/* Returns: 0; -errno of the file. */
int chart_write(const Chart *chart, const char *path);
