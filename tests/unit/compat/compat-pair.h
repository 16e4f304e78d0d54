/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Flows of <ouroboros/dev.h> in one process, joined by an IRM in a thread. Failures end the test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ouroboros/dev.h>
#include <ouroboros/errno.h>
#include <ouroboros/fccntl.h>
#include <ouroboros/fqueue.h>

#include "tests/support/irm-thread.h"

/* Long enough never to be reached where all is well. */
extern const struct timespec long_time;
extern const struct timespec short_time;
extern const struct timespec no_time;

typedef struct CompatPair {
        IrmThread *irm;
        int asking;
        int serving;
} CompatPair;

/* An IRM, and a flow to ourselves. qs: NULL: raw. */
void compat_pair_open(CompatPair *pair, const qosspec_t *qs);

/* Deallocates what is left of it; -1: nothing. */
void compat_pair_close(CompatPair *pair);

/* One more flow. name: of a peer that irm-thread.h plays. */
void compat_pair_more(const qosspec_t *qs, int *ret_asking, int *ret_serving);
void compat_pair_more_to(const char *name, const qosspec_t *qs, int *ret_asking, int *ret_serving);

#define _cleanup_compat_pair_ _cleanup_(compat_pair_close)
