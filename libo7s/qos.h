/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a QoS asks for. */

#include "libo7s/o7s.h"

/* Returns: 0; -EINVAL: a field is out of range. */
int qos_check(const o7s_qos *qos);

bool qos_is_equal(const o7s_qos *a, const o7s_qos *b);

/* Ordered, and nothing may be lost: what streams and retransmission need. */
static inline bool qos_is_reliable(const o7s_qos *qos) {
        return qos->in_order != 0 && qos->loss == 0;
}

/* "raw", "voice", ... where it is a preset, else NULL. */
const char *qos_preset_name(const o7s_qos *qos);
