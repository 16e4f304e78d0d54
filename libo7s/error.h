/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The one table of errors: what a person, a program and the bus are told. A row joins an errno, the name of
 * the D-Bus error, a sentence and a hint (what to do). Where several rows share an errno, the first is what
 * o7s_strerror() says; the IRM picks the exact row and sends its sentence along.
 */

#include "basic/macro.h"

typedef struct ErrorRow {
        int error;              /* positive errno */
        const char *bus_name;   /* without BUS_ERROR_PREFIX */
        const char *sentence;
        const char *hint;       /* what to do; may name a command */
        int exit_status;        /* of the command-line tools: 1 failed, 3 unreachable, 4 permission, 5 timeout,
                                   69 not running, 78 configuration */
} ErrorRow;

/* Rows end where bus_name is NULL. */
extern const ErrorRow error_table[];

/* Never NULL: an error without a row of its own gets the last, general one. Sign does not matter. */
const ErrorRow *error_row(int error);

/* By bus name, with or without the prefix; NULL where unknown. */
const ErrorRow *error_row_by_name(const char *bus_name);
