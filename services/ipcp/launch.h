/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must hold before a layer's IPCP may start, as pure as files allow. */

#include "services/common/layer-file.h"

typedef struct Launch {
        int kind;               /* LayerKind, where nothing is wrong */
        char *program;          /* full path */
        char *problem;          /* a sentence with the fix, where something is wrong */
        LayerFile *file;        /* for its messages; NULL where it could not be read */
} Launch;

/* Checks instance name, file, drop-in and program. root is in front of all configuration paths, drop_ins is the
 * directory that generators write to. Returns: 0: go; -EBADMSG: launch->problem; -ENOMEM. */
int launch_prepare(Launch *launch, const char *root, const char *drop_ins, const char *programs, const char *name);
void launch_done(Launch *launch);
