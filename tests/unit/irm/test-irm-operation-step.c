/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of an operation: each row says what was reached, and how all of them are then. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/macro.h"
#include "services/irm/operation-step.h"

static const struct {
        const char *name;
        OperationStepKind first, last, reached[3];      /* _OPERATION_STEP_KIND_MAX ends them */
        int end;                                        /* 1: well, -1: badly, 0: not yet */
        const char *states;                             /* p(ending), r(unning), d(one), f(ailed) */
        unsigned percent;
} rows[] = {
        { "at the start", OPERATION_STEP_RELOAD, OPERATION_STEP_LAYER, { _OPERATION_STEP_KIND_MAX }, 0, "rppp", 0 },
        { "one by one", OPERATION_STEP_RELOAD, OPERATION_STEP_LAYER,
          { OPERATION_STEP_QUEUE, OPERATION_STEP_UNIT, _OPERATION_STEP_KIND_MAX }, 0, "ddrp", 50 },
        { "one is skipped", OPERATION_STEP_RELOAD, OPERATION_STEP_LAYER,
          { OPERATION_STEP_LAYER, _OPERATION_STEP_KIND_MAX }, 0, "dddr", 75 },
        { "never back", OPERATION_STEP_RELOAD, OPERATION_STEP_LAYER,
          { OPERATION_STEP_LAYER, OPERATION_STEP_QUEUE, _OPERATION_STEP_KIND_MAX }, 0, "dddr", 75 },
        { "one that is none of its own", OPERATION_STEP_QUEUE, OPERATION_STEP_UNIT,
          { OPERATION_STEP_LAYER, _OPERATION_STEP_KIND_MAX }, 0, "dd", 100 },
        { "well at once", OPERATION_STEP_QUEUE, OPERATION_STEP_QUEUE, { _OPERATION_STEP_KIND_MAX }, 1, "d", 100 },
        { "badly in the middle", OPERATION_STEP_RELOAD, OPERATION_STEP_LAYER,
          { OPERATION_STEP_UNIT, _OPERATION_STEP_KIND_MAX }, -1, "ddfp", 50 },
};

static void test_steps(void **state) {
        static const char letters[] = "prdf";

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                OperationSteps steps;
                usec_t now = 1000;

                print_message("%s\n", rows[i].name);
                operation_steps_init(&steps, rows[i].first, rows[i].last, now);
                for (size_t k = 0; k < 3 && rows[i].reached[k] != _OPERATION_STEP_KIND_MAX; k++)
                        (void) operation_steps_reach(&steps, rows[i].reached[k], ++now);
                if (rows[i].end != 0)
                        operation_steps_end(&steps, rows[i].end > 0, ++now);

                assert_int_equal(steps.n, strlen(rows[i].states));
                for (unsigned k = 0; k < steps.n; k++)
                        assert_int_equal(letters[steps.items[k].state], rows[i].states[k]);
                assert_int_equal(operation_steps_progress(&steps) * 100, rows[i].percent);
        }
}

static void test_times(void **state) {
        OperationSteps steps;

        operation_steps_init(&steps, OPERATION_STEP_RELOAD, OPERATION_STEP_UNIT, 100);
        assert_int_equal(operation_step_usec(&steps.items[0], 130), 30);
        assert_int_equal(operation_step_usec(&steps.items[1], 130), -1);

        assert_true(operation_steps_reach(&steps, OPERATION_STEP_QUEUE, 150));
        assert_false(operation_steps_reach(&steps, OPERATION_STEP_QUEUE, 160));
        assert_int_equal(operation_step_usec(&steps.items[0], 900), 50);
        assert_int_equal(operation_step_usec(&steps.items[1], 170), 20);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_steps),
                cmocka_unit_test(test_times),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
