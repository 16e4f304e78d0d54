/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a member says, one line at a time: whoever drives it has the log. Lines that other hosts can bring about, as
 * often as they like, are limited in number; how many were left out is said with the next one that is written.
 */

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "services/ipcp-unicast/unicast.h"

static void write_line(Unicast *u, int level, const char *format, va_list arguments) {
        char text[512];

        (void) vsnprintf(text, sizeof(text), format, arguments);
        u->events->log(u->userdata, level, text);
}

void unicast_log(Unicast *u, int level, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_line(u, level, format, arguments);
        va_end(arguments);
}

/* Lines of level debug count, too: whoever wants to see them does not want a million. */
static bool may_write(Unicast *u) {
        UnicastLogLimit *limit = &u->log_limit;

        if (limit->n == 0 || usec_sub(u->now, limit->since) >= UNICAST_LOG_USEC) {
                uint64_t n_left_out = limit->n_left_out;

                *limit = (UnicastLogLimit) { .since = u->now };
                if (n_left_out > 0)
                        unicast_log(u, LOG_NOTICE, "%" PRIu64 " more lines on what other hosts did were left out.",
                                    n_left_out);
        }

        if (limit->n >= UNICAST_LOG_LINES_MAX) {
                limit->n_left_out++;
                return false;
        }

        limit->n++;
        return true;
}

void unicast_log_remote(Unicast *u, int level, const char *format, ...) {
        va_list arguments;

        if (!may_write(u))
                return;

        va_start(arguments, format);
        write_line(u, level, format, arguments);
        va_end(arguments);
}
