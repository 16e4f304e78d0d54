/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Qualities of service by name. */

#include <string.h>

#include "apps/preset.h"

int preset_parse(const char *text, o7s_qos *ret) {
        const struct {
                const char *name;
                o7s_qos qos;
        } presets[] = {
                { "raw", O7S_QOS_RAW },
                { "raw-safe", O7S_QOS_RAW_SAFE },
                { "best-effort", O7S_QOS_BEST_EFFORT },
                { "video", O7S_QOS_VIDEO },
                { "voice", O7S_QOS_VOICE },
                { "data", O7S_QOS_DATA },
        };

        for (size_t i = 0; i < ELEMENTSOF(presets); i++)
                if (strcmp(text, presets[i].name) == 0) {
                        *ret = presets[i].qos;
                        return 0;
                }

        return -EINVAL;
}

bool preset_is_reliable(const o7s_qos *qos) {
        return qos->in_order != 0 && qos->loss == 0;
}
