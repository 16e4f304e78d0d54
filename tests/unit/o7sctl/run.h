/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole command lines, each in a child of its own, through the same function that main() calls. */

#include <stdio.h>

#include "basic/macro.h"

typedef struct Run {
        int status;
        char out[16384];
        char err[16384];
} Run;

/* Words are separated by blanks. */
void run(Run *ret, const char *line);

/* In a child: becomes the program, with output going there. */
_Noreturn void run_child(char *argv[], FILE *out, FILE *err);
