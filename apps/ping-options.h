/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of o7s-ping. */

#include "apps/common.h"

#define PING_MESSAGE_BYTES_MAX 65536U

typedef struct PingOptions {
        const char *name;               /* borrowed from argv; serving: NULL is every name that is bound to us */
        bool listen;
        bool flood;
        bool json;
        bool quiet;
        bool timestamps;
        bool histogram;
        bool until_up;
        bool size_is_mtu;
        uint64_t count;                 /* 0: no limit */
        uint64_t duration_usec;         /* 0: no limit */
        uint64_t interval_usec;         /* flood: for answers that do not come */
        uint64_t timeout_usec;
        uint64_t size;
        o7s_qos qos;
} PingOptions;

/* Complains by itself. Returns: > 0: go on; 0: done, after --help; negative: the exit status to end with, negated. */
int ping_options_parse(int argc, char *argv[], PingOptions *ret);
