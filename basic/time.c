/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The two clocks, and spans of time as people write them. */

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "basic/time.h"

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)

static const struct {
        const char *name;
        usec_t usec;
} units[] = {
        { "",        USEC_PER_SEC    },         /* a bare number is in seconds */
        { "us",      1               },
        { "usec",    1               },
        { "ms",      USEC_PER_MSEC   },
        { "msec",    USEC_PER_MSEC   },
        { "s",       USEC_PER_SEC    },
        { "sec",     USEC_PER_SEC    },
        { "second",  USEC_PER_SEC    },
        { "seconds", USEC_PER_SEC    },
        { "m",       USEC_PER_MINUTE },
        { "min",     USEC_PER_MINUTE },
        { "minute",  USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h",       USEC_PER_HOUR   },
        { "hour",    USEC_PER_HOUR   },
        { "hours",   USEC_PER_HOUR   },
        { "d",       USEC_PER_DAY    },
        { "day",     USEC_PER_DAY    },
        { "days",    USEC_PER_DAY    },
        { "w",       USEC_PER_WEEK   },
        { "week",    USEC_PER_WEEK   },
        { "weeks",   USEC_PER_WEEK   },
};

static struct timespec clock_read(clockid_t clock) {
        struct timespec ts;
        int r;

        r = clock_gettime(clock, &ts);
        assert(r == 0);         /* both clocks always exist */
        (void) r;

        return ts;
}

usec_t time_now(void) {
        struct timespec ts = clock_read(CLOCK_MONOTONIC);

        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / NSEC_PER_USEC;
}

nsec_t time_now_nsec(void) {
        struct timespec ts = clock_read(CLOCK_MONOTONIC);

        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

uint64_t time_realtime_nsec(void) {
        struct timespec ts = clock_read(CLOCK_REALTIME);

        return (uint64_t) ts.tv_sec * USEC_PER_SEC * NSEC_PER_USEC + (uint64_t) ts.tv_nsec;
}

/* The unit that the text begins with, as its length in microseconds, or 0. */
static usec_t unit_parse(const char **text) {
        size_t size = 0;

        while (isalpha((unsigned char) (*text)[size]))
                size++;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == size && memcmp(units[i].name, *text, size) == 0) {
                        *text += size;
                        return units[i].usec;
                }

        return 0;
}

/* One "2.5s". Integers throughout: no rounding surprises, and overflow is seen. */
static int span_parse(const char **text, usec_t *ret) {
        const char *p = *text, *fraction = NULL;
        uint64_t whole = 0;
        usec_t usec, unit, digit_unit;

        if (!isdigit((unsigned char) *p))
                return -EINVAL;

        for (; isdigit((unsigned char) *p); p++)
                if (__builtin_mul_overflow(whole, 10U, &whole) ||
                    __builtin_add_overflow(whole, (uint64_t) (*p - '0'), &whole))
                        return -EINVAL;

        if (*p == '.') {
                fraction = ++p;
                if (!isdigit((unsigned char) *p))
                        return -EINVAL;
                while (isdigit((unsigned char) *p))
                        p++;
        }

        p += strspn(p, " \t");
        unit = unit_parse(&p);
        if (unit == 0 || __builtin_mul_overflow(whole, unit, &usec))
                return -EINVAL;

        /* Digits that are worth less than a microsecond add nothing. */
        digit_unit = unit / 10;
        for (; fraction && isdigit((unsigned char) *fraction) && digit_unit > 0; fraction++) {
                if (__builtin_add_overflow(usec, (usec_t) (*fraction - '0') * digit_unit, &usec))
                        return -EINVAL;
                digit_unit /= 10;
        }

        *text = p;
        *ret = usec;
        return 0;
}

int usec_parse(const char *text, usec_t *ret) {
        usec_t sum = 0;

        assert(text);
        assert(ret);

        text += strspn(text, " \t");
        if (strncmp(text, "infinity", STRLEN("infinity")) == 0) {
                text += STRLEN("infinity");
                if (text[strspn(text, " \t")] != '\0')
                        return -EINVAL;

                *ret = USEC_INFINITY;
                return 0;
        }

        do {
                usec_t span;
                int r;

                r = span_parse(&text, &span);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, span, &sum) || sum == USEC_INFINITY)
                        return -EINVAL;

                text += strspn(text, " \t");
        } while (*text != '\0');

        *ret = sum;
        return 0;
}

char *usec_format(char *buffer, size_t size, usec_t usec) {
        static const struct {
                usec_t usec, below;
                const char *name, *below_name;
        } pairs[] = {
                { USEC_PER_DAY,    USEC_PER_HOUR,   "d",   "h"   },
                { USEC_PER_HOUR,   USEC_PER_MINUTE, "h",   "min" },
                { USEC_PER_MINUTE, USEC_PER_SEC,    "min", "s"   },
        };

        assert(buffer);

        if (usec == USEC_INFINITY) {
                (void) snprintf(buffer, size, "infinity");
                return buffer;
        }

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                usec_t below = usec % pairs[i].usec / pairs[i].below;

                if (usec < pairs[i].usec)
                        continue;
                if (below > 0)
                        (void) snprintf(buffer, size, USEC_FMT "%s " USEC_FMT "%s", usec / pairs[i].usec,
                                        pairs[i].name, below, pairs[i].below_name);
                else
                        (void) snprintf(buffer, size, USEC_FMT "%s", usec / pairs[i].usec, pairs[i].name);
                return buffer;
        }

        if (usec == 0 || usec >= USEC_PER_SEC)
                (void) snprintf(buffer, size,
                                usec / 100000 % 10 > 0 ? USEC_FMT "." USEC_FMT "s" : USEC_FMT "s",
                                usec / USEC_PER_SEC, usec / 100000 % 10);
        else if (usec >= USEC_PER_MSEC)
                (void) snprintf(buffer, size,
                                usec / 100 % 10 > 0 ? USEC_FMT "." USEC_FMT "ms" : USEC_FMT "ms",
                                usec / USEC_PER_MSEC, usec / 100 % 10);
        else
                (void) snprintf(buffer, size, USEC_FMT "us", usec);

        return buffer;
}
