/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The qualities of service that <o7s.h> has names for, as the tools' --qos= takes them. */

#include "apps/common.h"

#define PRESET_NAMES "raw, raw-safe, best-effort, video, voice and data"

/* Returns: 0; -EINVAL: none of PRESET_NAMES. */
int preset_parse(const char *text, o7s_qos *ret);

/* Whether such a flow delivers everything, in order. */
bool preset_is_reliable(const o7s_qos *qos);
