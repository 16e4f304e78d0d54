/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Certificates that end soon: said 30 and 7 days and 1 day in advance and once they have ended, and from the last day
 * on every day. Once per certificate and day, however often anybody looks.
 */

#include "basic/siphash.h"
#include "basic/time.h"
#include "services/common/auth-message.h"

#define WARNINGS_MAX 256U
#define WARNING_INTERVAL_USEC (3600 * USEC_PER_SEC)     /* how often to look */

typedef struct Warning {
        uint64_t subject;               /* digest of what it is about */
        uint64_t expiry_usec;
        unsigned stage;                 /* that was said */
        uint64_t day;                   /* when, in days of CLOCK_REALTIME */
} Warning;

typedef struct WarningTable {
        uint8_t key[SIPHASH_KEY_BYTES];
        unsigned n;
        Warning warnings[WARNINGS_MAX];
} WarningTable;

/* Whether this finding is to be told now; then it counts as told. The sentence is the finding's own where that is bad,
 * else says when it ends. */
bool warning_is_due(WarningTable *table, AuthFinding *finding, uint64_t now_realtime_nsec);
