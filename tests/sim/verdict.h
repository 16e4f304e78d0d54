/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a run found wrong. Each finding is printed with the seed and the time, which is all that it takes to see it
 * again. */

#include "basic/time.h"

#define VERDICT_SHOWN_MAX 20U

typedef struct Verdict {
        uint64_t seed;
        unsigned n_failed;
        uint64_t n_checked;
} Verdict;

void verdict_fail(Verdict *v, usec_t now, const char *format, ...) _printf_(3, 4);

/* One more thing that was looked at; a run that looked at nothing found nothing either. */
static inline void verdict_checked(Verdict *v) {
        v->n_checked++;
}

/* Bytes that the program has allocated; 0 where the allocator does not say. */
size_t memory_used(void);
