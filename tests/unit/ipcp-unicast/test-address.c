/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "services/ipcp-unicast/address.h"

static void test_from_random(void **state) {
        static const struct {
                const char *name;
                uint64_t random;
                unsigned bytes;
                uint64_t address;
        } rows[] = {
                { "low half", 0x1122334455667788, 4, 0x55667788 },
                { "low half empty", 0x1122334400000000, 4, 0x11223344 },
                { "all empty", 0, 4, 1 },
                { "one byte", 0x1122334455667700, 1, 0x44 },
                { "eight bytes", 0x1122334455667788, 8, 0x1122334455667788 },
                { "eight empty bytes", 0, 8, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                assert_true(address_from_random(rows[i].random, rows[i].bytes) == rows[i].address);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_from_random) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
