/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What polkit's answers mean for flows: only a yes, or that there is no polkit, is a yes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/process.h"

typedef struct AnswerRow {
        const char *name;
        int answer;
        Permission permission;
} AnswerRow;

static const AnswerRow answer_rows[] = {
        { "authorised", 1, PERMISSION_GRANTED },
        { "refused by a rule", -EACCES, PERMISSION_REFUSED },
        { "a person would have to authorise", -EPERM, PERMISSION_REFUSED },
        { "polkit is not there", -EHOSTDOWN, PERMISSION_GRANTED },
        { "no bus any more", -ENOTCONN, PERMISSION_GRANTED },
        { "too many questions are open", -EBUSY, PERMISSION_BUSY },
        { "the bus takes no more calls", -ENOBUFS, PERMISSION_BUSY },
        { "no memory for the question", -ENOMEM, PERMISSION_BUSY },
};

static void test_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answer_rows); i++) {
                print_message("%s\n", answer_rows[i].name);
                assert_int_equal(permission_from_answer(answer_rows[i].answer), answer_rows[i].permission);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
