/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/liveness.h"

static usec_t death(const Liveness *l) {
        usec_t silent = usec_add(l->heard, l->timeout_usec);

        return l->proves ? MIN(silent, usec_add(l->proven, l->timeout_usec + LIVENESS_UNPROVEN_USEC)) : silent;
}

static usec_t keepalive(const Liveness *l) {
        return usec_add(l->sent, l->timeout_usec / 4);
}

LivenessEvent liveness_expire(const Liveness *l, usec_t now) {
        if (l->timeout_usec == 0)
                return LIVENESS_NOTHING;
        if (now >= death(l))
                return LIVENESS_DEAD;
        if (l->proves && now >= l->ask)
                return LIVENESS_ASK;
        if (now >= keepalive(l))
                return LIVENESS_SEND;

        return LIVENESS_NOTHING;
}

usec_t liveness_next(const Liveness *l) {
        if (l->timeout_usec == 0)
                return USEC_INFINITY;

        return MIN(MIN(death(l), keepalive(l)), l->proves ? l->ask : USEC_INFINITY);
}
