/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits: their defaults, each of them reached, and everything given back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/quota.h"

#define GIB (1024ULL * 1024 * 1024)
#define SECOND USEC_PER_SEC
#define ALICE 1000
#define BOB 1001

/* These figures are a promise to users; who changes one changes it here, too. */
static void test_defaults(void **state) {
        const QuotaLimits limits = QUOTA_LIMITS_DEFAULT;
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, 8 * GIB), 0);
        assert_int_equal(quota.limits.flows_per_user, 4096);
        assert_int_equal(quota.limits.lane_bytes_per_user, GIB / 2);
        assert_int_equal(quota.limits.pending_per_user, 64);
        assert_int_equal(quota.limits.rate_per_user, 1000);
        assert_int_equal(quota.limits.burst_per_user, 4000);
        assert_int_equal(quota.limits.names_per_user, 64);
        assert_int_equal(quota.limits.connections_per_user, 1024);
        assert_int_equal(quota.limits.flows, 65536);
        assert_int_equal(quota.limits.lane_bytes, 2 * GIB);
        quota_done(&quota);
}

typedef struct Case {
        const char *name;
        QuotaLimits limits;
        unsigned n_allowed;             /* that many flows of ALICE go through, the next does not */
        bool established;               /* each is established before the next */
        const char *key;                /* in the sentence */
} Case;

#define LIMITS(...)                                                                                               \
        {                                                                                                         \
                .flows_per_user = 1000, .lane_bytes_per_user = GIB, .pending_per_user = 1000, .rate_per_user = 1, \
                .burst_per_user = 1000, .names_per_user = 1, .connections_per_user = 1, .flows = 1000,            \
                .lane_bytes = GIB, __VA_ARGS__                                                                    \
        }

#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const Case cases[] = {
        { "flows of a user", LIMITS(.flows_per_user = 3), 3, true, "FlowsPerUser=" },
        { "pending of a user", LIMITS(.pending_per_user = 2), 2, false, "PendingPerUser=" },
        { "rate of a user", LIMITS(.burst_per_user = 5), 5, true, "RatePerUser=" },
        { "memory of a user", LIMITS(.lane_bytes_per_user = 300000), 1, true, "LaneBytesPerUser=" },
        { "flows of the host", LIMITS(.flows = 4), 4, true, "Flows=" },
        { "memory of the host", LIMITS(.lane_bytes = 600000), 2, true, "LaneBytes=" },
};

static void test_limits(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                QuotaCharge charges[8] = {}, more = {};
                char text[QUOTA_TEXT_MAX] = "";
                Quota quota;

                print_message("%s\n", cases[i].name);
                assert_int_equal(quota_init(&quota, &cases[i].limits, GIB), 0);

                for (unsigned n = 0; n < cases[i].n_allowed; n++) {
                        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_NORMAL, 1, &charges[n], text), 0);
                        if (cases[i].established)
                                quota_flow_established(&quota, &charges[n]);
                }

                assert_int_equal(quota_take_flow(&quota, ALICE, LANE_NORMAL, 1, &more, text), -EDQUOT);
                assert_false(more.taken);
                assert_non_null(strstr(text, cases[i].key));
                assert_non_null(strstr(text, "irm.conf"));

                for (unsigned n = 0; n < cases[i].n_allowed; n++)
                        quota_return_flow(&quota, &charges[n]);
                assert_int_equal(quota.n_flows, 0);
                assert_int_equal(quota.lane_bytes, 0);
                quota_done(&quota);
        }
}

/* What one user has used up does not stop another. */
static void test_users_are_apart(void **state) {
        const QuotaLimits limits = LIMITS(.pending_per_user = 1);
        QuotaCharge alice = {}, bob = {}, more = {};
        char text[QUOTA_TEXT_MAX];
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &alice, text), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &more, text), -EDQUOT);
        assert_int_equal(quota_take_flow(&quota, BOB, LANE_THIN, 1, &bob, text), 0);

        /* A listener is not held up by what it asked for itself. */
        assert_int_equal(quota_take_accepted_flow(&quota, ALICE, LANE_THIN, &more, text), 0);

        quota_return_flow(&quota, &more);
        quota_return_flow(&quota, &alice);
        quota_return_flow(&quota, &bob);
        quota_done(&quota);
}

static void test_rate_refills(void **state) {
        const QuotaLimits limits = LIMITS(.rate_per_user = 10, .burst_per_user = 2);
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c[4] = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &c[0], text), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &c[1], text), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 99999, &c[2], text), -EDQUOT);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 100001, &c[2], text), 0);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 100002, &c[3], text), -EDQUOT);

        /* A long time fills the bucket, and no more than that. */
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, USEC_INFINITY - 1, &c[3], text), 0);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                quota_return_flow(&quota, &c[i]);
        quota_done(&quota);
}

/* Giving everything back gives the allocations of this second not back. */
static void test_rate_survives_the_user(void **state) {
        const QuotaLimits limits = LIMITS(.rate_per_user = 1, .burst_per_user = 3);
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, SECOND, &c, text), 0);
                quota_return_flow(&quota, &c);
        }
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, SECOND, &c, text), -EDQUOT);
        assert_int_equal(quota_take_connection(&quota, ALICE, text), 0);
        quota_return_connection(&quota, ALICE);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, SECOND, &c, text), -EDQUOT);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 2 * SECOND, &c, text), 0);
        quota_return_flow(&quota, &c);
        quota_done(&quota);
}

/* A charge is given back once, however often its flow says so; a pending one stops to be pending on the way. */
static void test_returned_once(void **state) {
        const QuotaLimits limits = LIMITS(.pending_per_user = 1);
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c = {}, more = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        quota_return_flow(&quota, &c);                          /* of a flow that was never charged */
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &c, text), 0);
        quota_return_flow(&quota, &c);
        quota_return_flow(&quota, &c);
        assert_int_equal(quota.n_flows, 0);

        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &c, text), 0);
        quota_flow_established(&quota, &c);
        quota_flow_established(&quota, &c);
        assert_int_equal(quota_take_flow(&quota, ALICE, LANE_THIN, 1, &more, text), 0);
        quota_return_flow(&quota, &more);
        quota_return_flow(&quota, &c);
        quota_done(&quota);
}

/* After a restart flows are there, whatever the limits say by now; nothing comes on top of them. */
static void test_adopted(void **state) {
        const QuotaLimits limits = LIMITS(.flows_per_user = 1);
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c[3] = {}, more = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                assert_int_equal(quota_adopt_flow(&quota, ALICE, LANE_BULK, &c[i]), 0);
        assert_int_equal(quota.n_flows, 3);
        assert_int_equal(quota.lane_bytes, 6 * lane_class_bytes(LANE_BULK));
        assert_int_equal(quota_take_accepted_flow(&quota, ALICE, LANE_THIN, &more, text), -EDQUOT);

        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                quota_return_flow(&quota, &c[i]);
        assert_int_equal(quota_take_accepted_flow(&quota, ALICE, LANE_THIN, &more, text), 0);
        quota_return_flow(&quota, &more);
        quota_done(&quota);
}

/* Half of the memory counts like half of the flows. */
static void test_thin_above_half_of_memory(void **state) {
        const QuotaLimits limits = LIMITS(.lane_bytes_per_user = 8 * lane_class_bytes(LANE_NORMAL));
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c[3] = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                assert_int_equal(quota_lane_class(&quota, ALICE, LANE_NORMAL), LANE_NORMAL);
                assert_int_equal(quota_take_flow(&quota, ALICE, LANE_NORMAL, 1, &c[i], text), 0);
        }
        assert_int_equal(quota_lane_class(&quota, ALICE, LANE_NORMAL), LANE_THIN);

        quota_return_flow(&quota, &c[0]);
        assert_int_equal(quota_lane_class(&quota, ALICE, LANE_NORMAL), LANE_NORMAL);
        quota_return_flow(&quota, &c[1]);
        quota_return_flow(&quota, &c[2]);
        quota_done(&quota);
}

static void test_thin_above_half(void **state) {
        const QuotaLimits limits = LIMITS(.flows_per_user = 4);
        char text[QUOTA_TEXT_MAX];
        QuotaCharge c[3] = {};
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                assert_int_equal(quota_lane_class(&quota, ALICE, LANE_BULK), LANE_BULK);
                assert_int_equal(quota_take_flow(&quota, ALICE, LANE_BULK, 1, &c[i], text), 0);
        }

        assert_int_equal(quota_lane_class(&quota, ALICE, LANE_BULK), LANE_THIN);
        assert_int_equal(quota_lane_class(&quota, BOB, LANE_BULK), LANE_BULK);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                quota_return_flow(&quota, &c[i]);
        quota_done(&quota);
}

static void test_names_and_connections(void **state) {
        const QuotaLimits limits = LIMITS();
        char text[QUOTA_TEXT_MAX];
        Quota quota;

        assert_int_equal(quota_init(&quota, &limits, GIB), 0);
        assert_int_equal(quota_take_name(&quota, ALICE, text), 0);
        assert_int_equal(quota_take_name(&quota, ALICE, text), -EDQUOT);
        assert_non_null(strstr(text, "NamesPerUser="));
        quota_return_name(&quota, ALICE);
        assert_int_equal(quota_take_name(&quota, ALICE, text), 0);
        quota_return_name(&quota, ALICE);

        assert_int_equal(quota_take_connection(&quota, ALICE, text), 0);
        assert_int_equal(quota_take_connection(&quota, ALICE, text), -EDQUOT);
        assert_non_null(strstr(text, "ConnectionsPerUser="));
        quota_return_connection(&quota, ALICE);

        /* Nothing is left of a user who has nothing. */
        assert_int_equal(map_size(quota.users), 0);
        quota_done(&quota);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_users_are_apart),
                cmocka_unit_test(test_rate_refills),
                cmocka_unit_test(test_rate_survives_the_user),
                cmocka_unit_test(test_returned_once),
                cmocka_unit_test(test_adopted),
                cmocka_unit_test(test_thin_above_half_of_memory),
                cmocka_unit_test(test_thin_above_half),
                cmocka_unit_test(test_names_and_connections),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
