/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quality of service: the presets, and what can be granted. */

#include "libo7s/qos.h"
#include "basic/macro.h"

/* 99.999999 % is three seconds in ten years: beyond that nobody could tell. */
#define AVAILABILITY_NINES_MAX 8

bool qos_needs_transfer_control(const o7s_qos *qos) {
        return qos->in_order || qos->ber == 0;
}

int qos_check(const o7s_qos *qos) {
        if (qos->in_order > 1 || qos->availability_nines > AVAILABILITY_NINES_MAX)
                return -EINVAL;

        return qos_needs_transfer_control(qos) ? -EOPNOTSUPP : 0;
}

static bool qos_equal(const o7s_qos *a, const o7s_qos *b) {
        return a->delay_ms == b->delay_ms && a->bandwidth_bps == b->bandwidth_bps &&
               a->availability_nines == b->availability_nines && a->loss == b->loss && a->ber == b->ber &&
               a->in_order == b->in_order && a->max_gap_ms == b->max_gap_ms && a->timeout_ms == b->timeout_ms;
}

const char *qos_preset_name(const o7s_qos *qos) {
        const struct {
                const char *name;
                o7s_qos qos;
        } presets[] = {
                { "raw",         O7S_QOS_RAW },
                { "raw-safe",    O7S_QOS_RAW_SAFE },
                { "best-effort", O7S_QOS_BEST_EFFORT },
                { "video",       O7S_QOS_VIDEO },
                { "voice",       O7S_QOS_VOICE },
                { "data",        O7S_QOS_DATA },
        };

        for (size_t i = 0; i < ELEMENTSOF(presets); i++)
                if (qos_equal(qos, &presets[i].qos))
                        return presets[i].name;

        return NULL;
}
