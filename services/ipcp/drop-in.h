/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The drop-in that the generator writes for a layer, and what each type of layer needs. Pure: text from values. */

#include "services/ipcp/record.h"

#define DROP_IN_DIRECTORY "/run/systemd/generator"      /* where systemd has generators write to */
#define DROP_IN_FILE "50-o7s.conf"

/* The user that a type of layer runs as. */
const char *drop_in_user(LayerKind kind);

/* file is NULL, or usable is false, where the file cannot be used: then the unit gets no rights and the launcher,
 * which reads the file again, says why. Returns: 0; -ENOMEM. */
int drop_in_format(const char *name, const LayerFile *file, const Record *record, bool usable, char **ret);

/* Directory of the drop-in below that of the generator's output, without a slash in front. */
int drop_in_directory(const char *name, char **ret);
