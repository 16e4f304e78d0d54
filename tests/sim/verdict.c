/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/verdict.h"

void verdict_fail(Verdict *v, usec_t now, const char *format, ...) {
        char text[32];
        va_list arguments;

        if (v->n_failed++ >= VERDICT_SHOWN_MAX)
                return;

        fprintf(stderr, "seed %" PRIu64 ", at %s: ", v->seed, usec_format(text, sizeof(text), now));
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
}

size_t memory_used(void) {
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}
