/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From all layer files below a root to drop-ins below a directory. */

#include "basic/macro.h"

#define GENERATE_LAYERS_MAX 4096U

/* Reads the three configuration roots below "root" ("" for the real ones) and writes
 * DIRECTORY/o7s-ipcp@NAME.service.d/50-o7s.conf for each layer. Logs what is wrong with single files and goes on.
 * Returns: number of drop-ins; < 0: nothing could be done. */
int generate(const char *root, const char *directory);
