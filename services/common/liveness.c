/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/liveness.h"

static usec_t death(const Liveness *l) {
        return usec_add(l->heard, l->timeout_usec);
}

static usec_t keepalive(const Liveness *l) {
        return usec_add(l->sent, l->timeout_usec / 4);
}

LivenessEvent liveness_expire(const Liveness *l, usec_t now) {
        if (l->timeout_usec == 0)
                return LIVENESS_NOTHING;
        if (now >= death(l))
                return LIVENESS_DEAD;
        if (now >= keepalive(l))
                return LIVENESS_SEND;

        return LIVENESS_NOTHING;
}

usec_t liveness_next(const Liveness *l) {
        if (l->timeout_usec == 0)
                return USEC_INFINITY;

        return MIN(death(l), keepalive(l));
}
