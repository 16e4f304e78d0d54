/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all members of a layer agree on: decided by the first one (its file), learned by the others in enrollment. The
 * numbers are those of the wire (docs/WIRE.md); what they mean to a component is that component's business.
 */

#include "basic/string.h"
#include "services/common/hash.h"
#include "services/common/layer-message.h"

typedef struct LayerConfig {
        LayerType type;                         /* unicast or broadcast */
        char layer[FLOW_NAME_WIRE_BYTES_MAX + 1];       /* name of the layer; foreign ones may be longer than ours */
        HashAlgorithm hash;
        bool have_id;                           /* not where the layer is one of 0.23.0, or an older o7s began it */
        uint8_t id[LAYER_ID_BYTES];             /* drawn by the first member: tells two layers of one name apart */
        /* unicast only */
        uint32_t address_bytes;                 /* 4 */
        uint32_t eid_bytes;                     /* 8 */
        uint32_t ttl_max;                       /* 60 */
        uint32_t address_policy;                /* 0: flat random */
        uint32_t congestion;                    /* CongestionPolicy */
        uint32_t forwarding;                    /* ForwardingPolicy */
        uint32_t recalculate_sec;               /* 4 */
        uint32_t update_sec;                    /* 15 */
        uint32_t timeout_sec;                   /* 60 */
        uint32_t alpha;                         /* 3; 1 to 10 */
        uint32_t k;                             /* 8; 1 to 20 */
        uint32_t expire_sec;                    /* 86400; 10 to 86400 */
        uint32_t refresh_sec;                   /* 900; 3 to 3600 */
        uint32_t replicate_sec;                 /* 900; 3 to 3600 */
        uint64_t peer;                          /* address of the member that answered */
} LayerConfig;

/* The defaults of a unicast layer with this name (SHA3-256, 4, 8, 60, ...). */
void layer_config_init(LayerConfig *config, const char *layer);

/* Whether we can be a member of such a layer. Returns: 0; -EOPNOTSUPP: *ret_problem is a clause (static) saying what we
 * cannot do; -EBADMSG: a value is out of its range, *ret_problem likewise. */
int layer_config_check(const LayerConfig *config, const char **ret_problem);
