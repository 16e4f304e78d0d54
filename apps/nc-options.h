/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of o7s-nc. */

#include "apps/common.h"

typedef struct NcOptions {
        const char *name;               /* borrowed from argv; listening: NULL is every name that is bound to us */
        bool listen;
        bool keep_open;                 /* listening: on to the next flow when one has ended */
        bool messages;                  /* one message per line */
        bool only_look;                 /* open the flow and close it */
        bool verbose;
        uint64_t timeout_usec;          /* for the flow to open */
        uint64_t quit_usec;             /* after the end of input; UINT64_MAX: when the other side ends */
        o7s_qos qos;
} NcOptions;

/* Complains by itself. Returns: > 0: go on; 0: done, after --help; negative: the exit status to end with, negated. */
int nc_options_parse(int argc, char *argv[], NcOptions *ret);
