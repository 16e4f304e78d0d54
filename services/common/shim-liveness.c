/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/shim-liveness.h"

static usec_t death(const ShimLiveness *l) {
        return usec_add(l->heard, l->timeout_usec);
}

static usec_t keepalive(const ShimLiveness *l) {
        return usec_add(l->sent, l->timeout_usec / 4);
}

ShimLivenessEvent shim_liveness_expire(const ShimLiveness *l, usec_t now) {
        if (l->timeout_usec == 0)
                return SHIM_LIVENESS_NOTHING;
        if (now >= death(l))
                return SHIM_LIVENESS_DEAD;
        if (now >= keepalive(l))
                return SHIM_LIVENESS_SEND;

        return SHIM_LIVENESS_NOTHING;
}

usec_t shim_liveness_next(const ShimLiveness *l) {
        if (l->timeout_usec == 0)
                return USEC_INFINITY;

        return MIN(death(l), keepalive(l));
}
