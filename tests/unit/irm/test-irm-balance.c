/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which listener gets the next flow. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/balance.h"

#define FULL BALANCE_BACKLOG_MAX

static const struct {
        const char *name;
        LoadBalance balance;
        size_t n;
        BalanceCandidate candidates[3];
        size_t rotor;
        int chosen;
        size_t rotor_after;
} cases[] = {
        { "nobody", BALANCE_ROUND_ROBIN, 0, {}, 0, -EAGAIN, 0 },
        { "round-robin, its turn", BALANCE_ROUND_ROBIN, 3, { { 9, 9 }, { 0, 0 }, { 0, 0 } }, 0, 0, 1 },
        { "round-robin, wraps", BALANCE_ROUND_ROBIN, 3, { { 0, 0 }, { 0, 0 }, { 0, 0 } }, 2, 2, 0 },
        { "round-robin, one less than before", BALANCE_ROUND_ROBIN, 2, { { 0, 0 }, { 0, 0 } }, 2, 0, 1 },
        { "round-robin, skips the full", BALANCE_ROUND_ROBIN, 3, { { 0, 0 }, { FULL, 0 }, { 0, 0 } }, 1, 2, 0 },
        { "round-robin, all full", BALANCE_ROUND_ROBIN, 2, { { FULL, 0 }, { FULL, 0 } }, 1, -EAGAIN, 1 },
        { "spill, the first", BALANCE_SPILL, 3, { { FULL - 1, 500 }, { 0, 0 }, { 0, 0 } }, 0, 0, 0 },
        { "spill, spills", BALANCE_SPILL, 3, { { FULL, 500 }, { 3, 0 }, { 0, 0 } }, 0, 1, 0 },
        { "spill, all full", BALANCE_SPILL, 1, { { FULL, 0 } }, 0, -EAGAIN, 0 },
        { "least flows", BALANCE_LEAST_FLOWS, 3, { { 0, 7 }, { 0, 3 }, { 0, 5 } }, 0, 1, 0 },
        { "least flows, the first of equals", BALANCE_LEAST_FLOWS, 3, { { 0, 7 }, { 0, 3 }, { 0, 3 } }, 0, 1, 0 },
        { "least flows, offers count", BALANCE_LEAST_FLOWS, 3, { { 0, 7 }, { 5, 3 }, { 1, 6 } }, 0, 0, 0 },
        { "least flows, not the full", BALANCE_LEAST_FLOWS, 2, { { 0, 1000 }, { FULL, 0 } }, 0, 0, 0 },
        { "least flows, all full", BALANCE_LEAST_FLOWS, 2, { { FULL, 0 }, { FULL, 0 } }, 0, -EAGAIN, 0 },
};

static void test_choose(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t rotor = cases[i].rotor;

                print_message("%s\n", cases[i].name);
                assert_int_equal(balance_choose(cases[i].balance, cases[i].candidates, cases[i].n, &rotor),
                                 cases[i].chosen);
                assert_int_equal(rotor, cases[i].rotor_after);
        }
}

/* Over many flows each of three gets its third. */
static void test_fair(void **state) {
        const BalanceCandidate candidates[3] = {};
        unsigned got[3] = {};
        size_t rotor = 0;

        for (unsigned i = 0; i < 300; i++)
                got[balance_choose(BALANCE_ROUND_ROBIN, candidates, 3, &rotor)]++;

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(got[i], 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_choose),
                cmocka_unit_test(test_fair),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
