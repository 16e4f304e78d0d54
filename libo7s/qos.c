/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quality of service: its ranges and the presets. */

#include "libo7s/qos.h"
#include "basic/macro.h"

/* 99.999999 % is three seconds in ten years: beyond that nobody could tell. */
#define AVAILABILITY_NINES_MAX 8

int qos_check(const o7s_qos *qos) {
        return qos->in_order > 1 || qos->availability_nines > AVAILABILITY_NINES_MAX ? -EINVAL : 0;
}

bool qos_is_equal(const o7s_qos *a, const o7s_qos *b) {
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
                if (qos_is_equal(qos, &presets[i].qos))
                        return presets[i].name;

        return NULL;
}
