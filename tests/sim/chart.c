/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <math.h>
#include <stdio.h>

#include "tests/sim/chart.h"

#define WIDTH 960.0
#define HEIGHT 420.0
#define LEFT 76.0
#define RIGHT 260.0             /* with the legend */
#define TOP 48.0
#define BOTTOM 60.0
#define LINES_MAX 6.0           /* about as many lines across */

/* Colours that stay apart for those who see red and green as one. */
static const char *const colours[CHART_SERIES_MAX] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                                       "#56b4e9" };

typedef struct Axis {
        double low;
        double high;
        double step;                    /* linear axis */
        bool logarithmic;
        double from;                    /* on the paper */
        double to;
} Axis;

static double axis_place(const Axis *a, double value) {
        double part;

        if (a->logarithmic)
                part = (log10(value) - log10(a->low)) / (log10(a->high) - log10(a->low));
        else
                part = (value - a->low) / (a->high - a->low);

        return a->from + part * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten. */
static double round_step(double rough) {
        double power = pow(10, floor(log10(rough))), digit = rough / power;

        return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void axis_fit(Axis *a, double low, double high) {
        if (a->logarithmic) {
                a->low = pow(10, floor(log10(low)));
                a->high = pow(10, ceil(log10(high)));
                if (a->high <= a->low)
                        a->high = a->low * 10;
                return;
        }

        a->low = 0;
        a->step = round_step((high > 0 ? high : 1) / LINES_MAX);
        a->high = a->step * ceil((high > 0 ? high : 1) / a->step);
}

static void format_number(char *text, size_t size, double value) {
        if (value >= 1e6)
                snprintf(text, size, "%g M", value / 1e6);
        else if (value >= 1e4)
                snprintf(text, size, "%g k", value / 1e3);
        else
                snprintf(text, size, "%g", value);
}

static void draw_line(FILE *f, bool across, const Axis *x, const Axis *y, double value) {
        double place = axis_place(across ? y : x, value);
        char text[32];

        format_number(text, sizeof(text), value);
        if (across)
                fprintf(f,
                        "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                        x->from, place, x->to, place, x->from - 8, place + 4, text);
        else
                fprintf(f,
                        "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                        place, y->from, place, y->to, place, y->from + 18, text);
}

static void draw_grid(FILE *f, const Axis *x, const Axis *y) {
        for (double value = x->low; value <= x->high * 1.001; value *= 10)
                draw_line(f, false, x, y, value);

        if (y->logarithmic)
                for (double value = y->low; value <= y->high * 1.001; value *= 10)
                        draw_line(f, true, x, y, value);
        else
                for (double value = y->low; value <= y->high + y->step / 2; value += y->step)
                        draw_line(f, true, x, y, value);
}

static void draw_series(FILE *f, const ChartSeries *s, size_t number, const Axis *x, const Axis *y) {
        fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colours[number]);
        for (size_t i = 0; i < s->n; i++)
                fprintf(f, "%.1f,%.1f ", axis_place(x, s->x[i]), axis_place(y, s->y[i]));
        fputs("\"/>\n", f);

        for (size_t i = 0; i < s->n; i++)
                fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%g: %.4g</title></circle>\n",
                        axis_place(x, s->x[i]), axis_place(y, s->y[i]), colours[number], s->x[i], s->y[i]);

        fprintf(f,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"4\" fill=\"%s\"/>"
                "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                x->to + 16, y->to + 12 + 20.0 * (double) number, colours[number], x->to + 34,
                y->to + 18 + 20.0 * (double) number, s->label);
}

static void draw(FILE *f, const Chart *c, const Axis *x, const Axis *y) {
        fprintf(f,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
                "font-size=\"12\">\n"
                "<style>.grid { stroke: #ddd; stroke-width: 1 } text { fill: #333 }</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
                "<text x=\"%.1f\" y=\"26\" font-size=\"16\" text-anchor=\"middle\">%s</text>\n"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n"
                "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                WIDTH, HEIGHT, (x->from + x->to) / 2, c->title, (x->from + x->to) / 2, HEIGHT - 16, c->x_label,
                (y->from + y->to) / 2, c->y_label);

        draw_grid(f, x, y);
        for (size_t i = 0; i < c->n_series; i++)
                draw_series(f, &c->series[i], i, x, y);
        fputs("</svg>\n", f);
}

ChartSeries *chart_series(Chart *chart, const char *label) {
        for (size_t i = 0; i < chart->n_series; i++)
                if (streq(chart->series[i].label, label))
                        return &chart->series[i];

        if (chart->n_series == CHART_SERIES_MAX)
                return NULL;

        chart->series[chart->n_series].label = label;
        return &chart->series[chart->n_series++];
}

void chart_add(Chart *chart, const char *label, double x, double y) {
        ChartSeries *s;

        if (x <= 0 || (chart->log_y && y <= 0))
                return;

        s = chart_series(chart, label);
        if (!s || s->n == CHART_POINTS_MAX)
                return;

        s->x[s->n] = x;
        s->y[s->n++] = y;
}

int chart_write(const Chart *chart, const char *path) {
        Axis x = { .logarithmic = true, .from = LEFT, .to = WIDTH - RIGHT };
        Axis y = { .logarithmic = chart->log_y, .from = HEIGHT - BOTTOM, .to = TOP };
        double x_low = INFINITY, x_high = 0, y_low = INFINITY, y_high = 0;
        FILE *f;

        for (size_t i = 0; i < chart->n_series; i++)
                for (size_t j = 0; j < chart->series[i].n; j++) {
                        x_low = fmin(x_low, chart->series[i].x[j]);
                        x_high = fmax(x_high, chart->series[i].x[j]);
                        y_low = fmin(y_low, chart->series[i].y[j]);
                        y_high = fmax(y_high, chart->series[i].y[j]);
                }
        if (x_high <= 0)
                return -ENODATA;

        axis_fit(&x, x_low, x_high);
        axis_fit(&y, y_low, y_high);

        f = fopen(path, "we");
        if (!f)
                return -errno;

        draw(f, chart, &x, &y);
        return fclose(f) == 0 ? 0 : -errno;
}
