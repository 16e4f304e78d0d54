/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of errors: complete, unambiguous, and found from both sides. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/error.h"
#include "libo7s/o7s.h"

static void test_rows(void **state) {
        for (const ErrorRow *row = error_table; row->bus_name; row++) {
                assert_true(row->error > 0);
                assert_true(strlen(row->sentence) > 5);
                assert_true(strlen(row->hint) > 5);
                assert_true(row->exit_status > 0);
                assert_ptr_equal(error_row_by_name(row->bus_name), row);        /* so no name is there twice */
                assert_int_equal(error_row(row->error)->error, row->error);
        }
}

static const struct {
        const char *name;
        int error;
        const char *bus_name;
        int exit_status;
} cases[] = {
        { "name unknown",       -ENOENT,       "NoSuchName",        3 },
        { "sign is ignored",     ENOENT,       "NoSuchName",        3 },
        { "refused",            -ECONNREFUSED, "PeerRefused",       3 },
        { "time is over",       -ETIMEDOUT,    "PeerTimeout",       5 },
        { "no IRM",             -EHOSTDOWN,    "ManagerNotRunning", 69 },
        { "not allowed",        -EPERM,        "NotPermitted",      4 },
        { "who are you",        -EKEYREJECTED, "AuthenticationFailed", 4 },
        { "who are we",         -ENOKEY,       "NoCredentials",     1 },
        { "when are we",        -ETIME,        "ClockSkew",         4 },
        { "no common cipher",   -EPROTO,       "NoCommonCipher",    1 },
        { "an unknown one",     -ENOTTY,       "Failed",            1 },
        { "beyond all",         -100000,       "Failed",            1 },
        { "smallest int",       INT32_MIN,     "Failed",            1 },
};

static void test_lookup(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_string_equal(error_row(cases[i].error)->bus_name, cases[i].bus_name);
                assert_int_equal(error_row(cases[i].error)->exit_status, cases[i].exit_status);
                assert_string_equal(o7s_strerror(cases[i].error), error_row(cases[i].error)->sentence);
        }

        assert_string_equal(o7s_strerror(0), "Success");
}

static void test_by_name(void **state) {
        assert_int_equal(error_row_by_name("org.o7s.Error.NoRoute")->error, EHOSTUNREACH);
        assert_int_equal(error_row_by_name("ConfigInvalid")->exit_status, 78);
        assert_null(error_row_by_name("org.o7s.Error."));
        assert_null(error_row_by_name("NoSuchError"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_lookup),
                cmocka_unit_test(test_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
