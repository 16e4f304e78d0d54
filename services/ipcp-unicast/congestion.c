/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policies, and the one that is none: it has no functions, sends what there is and marks nothing. */

#include "services/ipcp-unicast/congestion.h"

static const char *const congestion_policy_table[_CONGESTION_POLICY_MAX] = {
        [CONGESTION_NONE] = "none",
        [CONGESTION_MB_ECN] = "mb-ecn",
};

DEFINE_ENUM_NAMES(congestion_policy, CongestionPolicy);

static const CongestionOps *const congestion_ops[_CONGESTION_POLICY_MAX] = {
        [CONGESTION_NONE] = NULL,
        [CONGESTION_MB_ECN] = &congestion_mb_ecn,
};

void congestion_init(Congestion *c, CongestionPolicy policy, usec_t now) {
        assert((int) policy >= 0 && policy < _CONGESTION_POLICY_MAX);

        *c = (Congestion) { .policy = policy };
        if (congestion_ops[policy])
                congestion_ops[policy]->init(c, now);
}

unsigned congestion_budget(Congestion *c, unsigned max, usec_t now, usec_t *ret_again) {
        const CongestionOps *ops = congestion_ops[c->policy];

        return ops ? ops->budget(c, max, now, ret_again) : max;
}

void congestion_sent(Congestion *c, unsigned n_packets, size_t bytes, usec_t now) {
        const CongestionOps *ops = congestion_ops[c->policy];

        if (ops && n_packets > 0)
                ops->sent(c, n_packets, bytes, now);
}

bool congestion_received(Congestion *c, uint8_t ecn, uint16_t *ret_level) {
        const CongestionOps *ops = congestion_ops[c->policy];

        return ops && ops->received(c, ecn, ret_level);
}

void congestion_update(Congestion *c, uint16_t level, usec_t now) {
        const CongestionOps *ops = congestion_ops[c->policy];

        if (ops)
                ops->update(c, level, now);
}

uint8_t congestion_mark(CongestionPolicy policy, unsigned queued) {
        const CongestionOps *ops = congestion_ops[policy];

        return ops ? ops->mark(queued) : 0;
}
