/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a QoS asks of us, and whether we can do it. */

#include "libo7s/o7s.h"

/* Whether a flow of this QoS needs reliable transfer (FRCT) or checksums. */
bool qos_needs_transfer_control(const o7s_qos *qos);

/* Returns: 0; -EINVAL: a field is out of range; -EOPNOTSUPP: needs what we do not have yet. */
int qos_check(const o7s_qos *qos);

/* "raw", "voice", ... where it is a preset, else NULL. */
const char *qos_preset_name(const o7s_qos *qos);
