/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a core said when it prepared a flow, as the doubles of its layer's process keep it. */

#include <string.h>

#include "services/common/flow-binding.h"
#include "services/common/flow-control.h"

typedef struct Prepared {
        uint64_t flow_id;
        uint32_t attempt;
        uint64_t reference;
        int32_t result;
        FlowBinding binding;
        bool have_lock;
        uint8_t lock[FLOW_RESET_BYTES];
} Prepared;

static inline void prepared_keep(Prepared *p, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                                 const FlowBinding *binding, const uint8_t *lock) {
        *p = (Prepared) {
                .flow_id = flow_id,
                .attempt = attempt,
                .reference = reference,
                .result = result,
                .binding = binding ? *binding : (FlowBinding) {},
                .have_lock = lock != NULL,
        };
        if (lock)
                memcpy(p->lock, lock, sizeof(p->lock));
}
