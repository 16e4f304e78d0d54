/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One function turns a row of the error table into what a caller on the bus sees: name, sentence, hint. */

#include <stdarg.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "services/common/bus-error.h"

/* Sentences are joined, so that each must end; callers need not think of it. */
static const char *full_stop(const char *sentence) {
        size_t n = strlen(sentence);

        return n > 0 && strchr(".!?", sentence[n - 1]) ? "" : ".";
}

static int set_row(sd_bus_error *e, const ErrorRow *row, const char *format, va_list arguments) {
        _cleanup_free_ char *name = NULL, *text = NULL, *message = NULL;
        const char *sentence = row->sentence;

        if (format) {
                if (vasprintf(&text, format, arguments) < 0) {
                        text = NULL;
                        return sd_bus_error_set_errno(e, -ENOMEM);
                }
                sentence = text;
        }

        if (format_string(&name, BUS_ERROR_PREFIX "%s", row->bus_name) < 0 ||
            format_string(&message, "%s%s%s%s", sentence, full_stop(sentence),
                          isempty(row->hint) ? "" : " ", strempty(row->hint)) < 0)
                return sd_bus_error_set_errno(e, -ENOMEM);

        (void) sd_bus_error_set(e, name, message);      /* returns the errno that it maps the name to, which it does
                                                         * not know */
        return -row->error;
}

int bus_error_set(sd_bus_error *e, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) set_row(e, error_row(error), format, arguments);
        va_end(arguments);

        return -abs(error);
}

int bus_error_set_named(sd_bus_error *e, const char *name, const char *format, ...) {
        const ErrorRow *row = error_row_by_name(name);
        va_list arguments;
        int r;

        assert(row);    /* names are ours, never a caller's */

        va_start(arguments, format);
        r = set_row(e, row, format, arguments);
        va_end(arguments);

        return r;
}
