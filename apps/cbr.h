/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two roles of o7s-cbr, and its command line. */

#include "apps/cbr-message.h"
#include "apps/common.h"

typedef struct CbrOptions {
        const char *name;               /* borrowed from argv; serving: NULL is every name that is bound to us */
        bool serve;
        bool spin;
        bool json;
        bool quiet;
        uint64_t duration_usec;
        uint64_t interval_usec;
        uint64_t rate_bps;
        uint64_t size;
        o7s_qos qos;
} CbrOptions;

/* Complains by itself. Returns: > 0: go on; 0: done, after --help; negative: the exit status to end with, negated. */
int cbr_options_parse(int argc, char *argv[], CbrOptions *ret);

/* These complain by themselves, too. Return: the exit status. */
int cbr_client(const CbrOptions *options, int signal_fd);
int cbr_server(const CbrOptions *options, int signal_fd);
