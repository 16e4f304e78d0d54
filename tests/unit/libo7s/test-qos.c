/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quality of service: the presets are those of the protocol, what is out of range is known. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/macro.h"
#include "basic/string.h"
#include "libo7s/qos.h"

static void test_presets(void **state) {
        const struct {
                const char *name;
                o7s_qos qos;
                o7s_qos expected;
        } cases[] = {
                { "raw", O7S_QOS_RAW,
                  { 0xffffffff, 0, 0, 1, 1, 0, 0xffffffff, 120000 } },
                { "raw-safe", O7S_QOS_RAW_SAFE,
                  { 0xffffffff, 0, 0, 1, 0, 0, 0xffffffff, 120000 } },
                { "best-effort", O7S_QOS_BEST_EFFORT,
                  { 0xffffffff, 0, 0, 1, 0, 1, 0xffffffff, 120000 } },
                { "video", O7S_QOS_VIDEO,
                  { 100, UINT64_MAX, 3, 1, 0, 1, 100, 120000 } },
                { "voice", O7S_QOS_VOICE,
                  { 50, 100000, 5, 1, 0, 1, 50, 120000 } },
                { "data", O7S_QOS_DATA,
                  { 1000, 0, 0, 0, 0, 1, 2000, 120000 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const o7s_qos *a = &cases[i].qos, *b = &cases[i].expected;

                print_message("%s\n", cases[i].name);
                assert_int_equal(a->delay_ms, b->delay_ms);
                assert_true(a->bandwidth_bps == b->bandwidth_bps);
                assert_int_equal(a->availability_nines, b->availability_nines);
                assert_int_equal(a->loss, b->loss);
                assert_int_equal(a->ber, b->ber);
                assert_int_equal(a->in_order, b->in_order);
                assert_int_equal(a->max_gap_ms, b->max_gap_ms);
                assert_int_equal(a->timeout_ms, b->timeout_ms);

                assert_string_equal(qos_preset_name(a), cases[i].name);
                assert_int_equal(qos_check(a), 0);
                assert_true(qos_is_equal(a, b));
                assert_int_equal(qos_is_reliable(a), streq(cases[i].name, "data"));
        }
}

static void test_others(void **state) {
        const struct {
                const char *name;
                o7s_qos qos;
                int r;
        } cases[] = {
                { "no preset",          { 7, 0, 0, 1, 1, 0, UINT32_MAX, 0 }, 0 },
                { "lossless, unordered", { 7, 0, 0, 0, 1, 0, UINT32_MAX, 0 }, 0 },
                { "eight nines",        { 7, 0, 8, 0, 0, 1, UINT32_MAX, 0 }, 0 },
                { "nine nines",         { 7, 0, 9, 0, 0, 1, UINT32_MAX, 0 }, -EINVAL },
                { "in order, twice",    { 7, 0, 0, 1, 1, 2, UINT32_MAX, 0 }, -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(qos_check(&cases[i].qos), cases[i].r);
                assert_null(qos_preset_name(&cases[i].qos));
        }

        assert_false(qos_is_reliable(&cases[1].qos));
        assert_true(qos_is_reliable(&cases[2].qos));
        assert_false(qos_is_equal(&cases[2].qos, &cases[3].qos));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_presets),
                cmocka_unit_test(test_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
