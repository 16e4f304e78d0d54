/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The configuration of a layer: its defaults, and what of it we can live with. Checked on both ways in, from the file
 * of the first member and from the wire: a member with values that make no sense would harm all others.
 */

#include "services/common/layer-config.h"

/* Numbers of the wire. The component that a policy belongs to has names for them. */
#define ADDRESS_POLICY_RANDOM 0U
#define CONGESTION_MB_ECN 1U
#define FORWARDING_POLICY_MAX 2U

#define ROUTING_SEC_MAX 86400U

void layer_config_init(LayerConfig *config, const char *layer) {
        *config = (LayerConfig) {
                .type = LAYER_UNICAST,
                .hash = HASH_SHA3_256,
                .address_bytes = 4,
                .eid_bytes = 8,
                .ttl_max = 60,
                .address_policy = ADDRESS_POLICY_RANDOM,
                .congestion = CONGESTION_MB_ECN,
                .recalculate_sec = 4,
                .update_sec = 15,
                .timeout_sec = 60,
                .alpha = 3,
                .k = 8,
                .expire_sec = 86400,
                .refresh_sec = 900,
                .replicate_sec = 900,
        };
        (void) copy_string(config->layer, sizeof(config->layer), layer);
}

/* A value of the wire and what it may be. What a layer can do without is a range; what we lack the code for, a
 * problem of ours. */
typedef struct Range {
        uint32_t value;
        uint32_t min;
        uint32_t max;
        int error;
        const char *problem;
} Range;

static int check_ranges(const Range *ranges, size_t n, const char **ret_problem) {
        for (size_t i = 0; i < n; i++)
                if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max) {
                        *ret_problem = ranges[i].problem;
                        return ranges[i].error;
                }

        return 0;
}

static int check_unicast(const LayerConfig *config, const char **ret_problem) {
        const Range ranges[] = {
                { config->address_policy, 0, ADDRESS_POLICY_RANDOM, -EOPNOTSUPP,
                  "its addresses are given out by a policy that we do not have" },
                { config->congestion, 0, CONGESTION_MB_ECN, -EOPNOTSUPP,
                  "it avoids congestion by a policy that we do not have" },
                { config->forwarding, 0, FORWARDING_POLICY_MAX, -EOPNOTSUPP,
                  "it forwards by a policy that we do not have" },
                { config->address_bytes, 4, 8, -EOPNOTSUPP, "its addresses are not 4 to 8 bytes long" },
                { config->eid_bytes, 8, 8, -EOPNOTSUPP, "its endpoint ids are not 8 bytes long" },
                { config->ttl_max, 1, UINT8_MAX, -EBADMSG, "its largest TTL is not within 1 and 255" },
                { config->recalculate_sec, 0, ROUTING_SEC_MAX, -EBADMSG, "its wait before new routes is too long" },
                { config->update_sec, 1, ROUTING_SEC_MAX, -EBADMSG,
                  "its time between updates of links is not within 1 and 86400 s" },
                { config->timeout_sec, 1, ROUTING_SEC_MAX, -EBADMSG,
                  "its time-out of links is not within 1 and 86400 s" },
                { config->alpha, 1, 10, -EBADMSG, "its directory asks not 1 to 10 members at once" },
                { config->k, 1, 20, -EBADMSG, "its directory keeps not 1 to 20 copies" },
                { config->expire_sec, 10, 86400, -EBADMSG, "its names expire not within 10 and 86400 s" },
                { config->refresh_sec, 3, 3600, -EBADMSG, "its directory is refreshed not within 3 and 3600 s" },
                { config->replicate_sec, 3, 3600, -EBADMSG, "its directory replicates not within 3 and 3600 s" },
        };
        int r;

        r = check_ranges(ranges, ELEMENTSOF(ranges), ret_problem);
        if (r < 0)
                return r;

        /* Links would be forgotten between two refreshes. */
        if (config->timeout_sec <= config->update_sec) {
                *ret_problem = "its links time out before they are updated";
                return -EBADMSG;
        }

        return 0;
}

int layer_config_check(const LayerConfig *config, const char **ret_problem) {
        if (config->layer[0] == '\0') {
                *ret_problem = "it has no name";
                return -EBADMSG;
        }
        if (config->type != LAYER_UNICAST && config->type != LAYER_BROADCAST) {
                *ret_problem = "it is neither a unicast nor a broadcast layer";
                return -EBADMSG;
        }
        if ((unsigned) config->hash > HASH_SHA3_512) {
                *ret_problem = "its directory uses a hash that we do not have";
                return -EOPNOTSUPP;
        }

        return config->type == LAYER_UNICAST ? check_unicast(config, ret_problem) : 0;
}
