/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The text of irm.conf. Whatever it is: the same text gives the same limits, what was read before leaves no trace,
 * and with any limits that can be written the quotas count without overflow and give everything back.
 */

#include <stdlib.h>

#include "services/irm/config.h"

#define MEMORY_BYTES (1ULL << 34)
#define USER 1000
#define FLOWS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

/* A user who asks for flows, names and a connection until something says no, at times far apart. */
static void use_limits(const QuotaLimits *limits) {
        static const usec_t times[FLOWS] = { 1, 2, 3, USEC_PER_SEC, USEC_PER_SEC + 1, 1ULL << 40, 1ULL << 62,
                                             USEC_INFINITY - 1 };
        QuotaCharge charges[FLOWS] = {};
        char text[QUOTA_TEXT_MAX];
        Quota quota;
        int r;

        require(quota_init(&quota, limits, MEMORY_BYTES) == 0);

        for (size_t i = 0; i < FLOWS; i++) {
                LaneClass class = quota_lane_class(&quota, USER, (LaneClass) (i % _LANE_CLASS_MAX));

                r = quota_take_flow(&quota, USER, class, times[i], &charges[i], text);
                require(r == 0 || r == -EDQUOT);
                require(charges[i].taken == (r == 0));
                require(r == 0 || strstr(text, "irm.conf"));
                require(quota.n_flows <= limits->flows && quota.n_flows <= limits->flows_per_user);
                require(quota.lane_bytes <= quota.limits.lane_bytes && quota.lane_bytes <= limits->lane_bytes_per_user);
        }
        for (size_t i = 0; i < FLOWS; i++)
                quota_return_flow(&quota, &charges[i]);
        require(quota.n_flows == 0 && quota.lane_bytes == 0);

        r = quota_take_name(&quota, USER, text);
        require((r == 0) == (limits->names_per_user > 0));
        if (r == 0)
                quota_return_name(&quota, USER);

        r = quota_take_connection(&quota, USER, text);
        require((r == 0) == (limits->connections_per_user > 0));
        if (r == 0)
                quota_return_connection(&quota, USER);

        quota_done(&quota);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char other[] = "[Quota]\nFlows=7\nNamesPerUser=7\nLaneBytes=7\n[Log]\nLevel=debug\n";
        _cleanup_(config_done) Config first = {}, second = {};
        int r;

        require(config_init(&first, NULL) == 0 && config_init(&second, NULL) == 0);

        r = config_parse(&first, "irm.conf", (const char *) data, size);
        require(r == 0 || r == -EBADMSG || r == -E2BIG);
        if (r == -E2BIG)
                return 0;

        require(config_parse(&second, "irm.conf", other, strlen(other)) == 0);
        require(config_parse(&second, "irm.conf", (const char *) data, size) == r);
        require(memcmp(&first.limits, &second.limits, sizeof(first.limits)) == 0);
        require((first.log_level == NULL) == (second.log_level == NULL));
        require(!first.log_level || streq(first.log_level, second.log_level));

        use_limits(&first.limits);
        return 0;
}
