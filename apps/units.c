/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Durations, sizes and rates, read and written. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/common.h"
#include "apps/units.h"

#define DURATION_SECONDS_MAX 86400.0
#define RATE_MAX 1e15

typedef struct Unit {
        const char *name;
        double factor;
} Unit;

static const Unit duration_units[] = {
        { "", 1 }, { "s", 1 }, { "sec", 1 }, { "ms", 1e-3 }, { "us", 1e-6 }, { "µs", 1e-6 }, { "min", 60 },
        { "h", 3600 },
};

static const Unit size_units[] = {
        { "", 1 }, { "B", 1 }, { "K", 1024 }, { "M", 1048576 }, { "G", 1073741824 },
};

static const Unit rate_units[] = {
        { "", 1 }, { "K", 1e3 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { "T", 1e12 },
};

/* A non-negative decimal number and one of the units; strtod() alone would also take "nan", "0x1p3" and "-1". */
static int number_parse(const char *text, const Unit *units, size_t n_units, double max, double *ret) {
        char *end = NULL;
        double value;

        if (strspn(text, "0123456789.") == 0)
                return -EINVAL;

        value = strtod(text, &end);
        if (end == text || (size_t) (end - text) != strspn(text, "0123456789."))
                return -EINVAL;

        for (size_t i = 0; i < n_units; i++) {
                if (strcmp(units[i].name, end) != 0)
                        continue;
                if (value * units[i].factor > max)
                        return -ERANGE;

                *ret = value * units[i].factor;
                return 0;
        }

        return -EINVAL;
}

uint64_t clock_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);    /* cannot fail for this clock */
        return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}

int duration_parse(const char *text, uint64_t *ret_usec) {
        double seconds;
        int r;

        r = number_parse(text, duration_units, ELEMENTSOF(duration_units), DURATION_SECONDS_MAX, &seconds);
        if (r < 0)
                return r;

        *ret_usec = (uint64_t) llround(seconds * USEC_PER_SEC);
        return 0;
}

int size_parse(const char *text, uint64_t max, uint64_t *ret) {
        double value;
        int r;

        r = number_parse(text, size_units, ELEMENTSOF(size_units), (double) max, &value);
        if (r < 0)
                return r;

        *ret = (uint64_t) llround(value);
        return 0;
}

int rate_parse(const char *text, uint64_t *ret) {
        double value;
        int r;

        r = number_parse(text, rate_units, ELEMENTSOF(rate_units), RATE_MAX, &value);
        if (r < 0)
                return r;

        *ret = (uint64_t) llround(value);
        return 0;
}

/* Three significant digits: 1.31, 22.4, 941. */
static int digits_after_point(double value) {
        return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

char *duration_format(char *buffer, size_t size, uint64_t nsec) {
        static const Unit steps[] = { { "µs", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
        const Unit *step = &steps[0];
        double value;

        if (nsec < NSEC_PER_USEC) {
                (void) snprintf(buffer, size, "%u ns", (unsigned) nsec);
                return buffer;
        }

        /* 999.6 µs would come out as "1000 µs", so the next unit begins half a digit earlier. */
        for (size_t i = 1; i < ELEMENTSOF(steps) && (double) nsec >= steps[i].factor * 0.9995; i++)
                step = &steps[i];

        value = (double) nsec / step->factor;
        (void) snprintf(buffer, size, "%.*f %s", digits_after_point(value), value, step->name);
        return buffer;
}

char *quantity_format(char *buffer, size_t size, double value, const char *unit) {
        static const char *const prefixes[] = { "", "k", "M", "G", "T", "P" };
        size_t i = 0;

        while (value >= 999.5 && i + 1 < ELEMENTSOF(prefixes)) {
                value /= 1000;
                i++;
        }

        (void) snprintf(buffer, size, "%.*f %s%s", i == 0 ? 0 : digits_after_point(value), value, prefixes[i],
                        unit);
        return buffer;
}
