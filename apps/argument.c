/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines, as far as they are alike. */

#include <getopt.h>
#include <stdio.h>

#include "apps/argument.h"
#include "apps/complain.h"
#include "apps/preset.h"
#include "apps/units.h"

int argument_time(const char *program, const char *text, uint64_t *ret_usec) {
        uint64_t usec;

        if (duration_parse(text, &usec) < 0 || usec == 0)
                return -complain_usage(program, "'%s' is not a time such as 500ms or 5s.", text);

        *ret_usec = usec;
        return 0;
}

int argument_interval(const char *program, const char *text, uint64_t min_usec, uint64_t *ret_usec) {
        uint64_t usec;

        if (duration_parse(text, &usec) < 0 || usec < min_usec)
                return -complain_usage(program, "'%s' is not an interval of %ums or more.", text,
                                       (unsigned) (min_usec / 1000));

        *ret_usec = usec;
        return 0;
}

int argument_rate(const char *program, const char *text, uint64_t *ret_bps) {
        uint64_t bps;

        if (rate_parse(text, &bps) < 0 || bps == 0)
                return -complain_usage(program, "'%s' is not a rate such as 800K or 10M.", text);

        *ret_bps = bps;
        return 0;
}

int argument_size(const char *program, const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t size;

        if (size_parse(text, max, &size) < 0 || size < min)
                return -complain_usage(program, "'%s' is not a size of %u to %u bytes.", text, (unsigned) min,
                                       (unsigned) max);

        *ret = size;
        return 0;
}

int argument_qos(const char *program, const char *text, o7s_qos *ret) {
        if (preset_parse(text, ret) < 0)
                return -complain_usage(program, "'%s' is none of " PRESET_NAMES ".", text);
        return 0;
}

int argument_name(const char *program, int argc, char *argv[], bool optional, const char **ret) {
        if (argc - optind > 1 || (argc == optind && !optional))
                return -complain_usage(program, argc == optind ? "Which name?" : "One name at a time.");

        *ret = argv[optind];
        return 0;
}

int argument_unknown(const char *program) {
        (void) fprintf(stderr, "See '%s --help'.\n", program);
        return -EXIT_USAGE;
}

int argument_version(const char *program) {
        (void) printf("%s %s\n", program, o7s_version());
        return 0;
}
