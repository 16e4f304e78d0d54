/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which cube a quality of service falls into, at every threshold, and what is granted. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "services/common/cube.h"

static const struct {
        const char *name;
        uint32_t delay_ms;
        uint64_t bandwidth_bps;
        uint8_t availability_nines;
        uint32_t max_gap_ms;
        Cube cube;
} cases[] = {
        { "voice, as the preset", 50, 100000, 5, 50, CUBE_VOICE },
        { "better than voice", 1, 0, 9, 1, CUBE_VOICE },
        { "a little slow for voice", 51, 100000, 5, 50, CUBE_VIDEO },
        { "too wide for voice", 50, 100001, 5, 50, CUBE_VIDEO },
        { "not available enough for voice", 50, 100000, 4, 50, CUBE_VIDEO },
        { "gaps too long for voice", 50, 100000, 5, 51, CUBE_VIDEO },
        { "video, as the preset", 100, UINT64_MAX, 3, 100, CUBE_VIDEO },
        { "a little slow for video", 101, UINT64_MAX, 3, 100, CUBE_BEST_EFFORT },
        { "not available enough for video", 100, UINT64_MAX, 2, 100, CUBE_BEST_EFFORT },
        { "gaps too long for video", 100, UINT64_MAX, 3, 101, CUBE_BEST_EFFORT },
        { "raw", UINT32_MAX, 0, 0, UINT32_MAX, CUBE_BEST_EFFORT },
        { "data, as the preset", 1000, 0, 0, 2000, CUBE_BEST_EFFORT },
};

static void test_from_qos(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                o7s_qos qos = O7S_QOS_RAW;

                print_message("%s\n", cases[i].name);
                qos.delay_ms = cases[i].delay_ms;
                qos.bandwidth_bps = cases[i].bandwidth_bps;
                qos.availability_nines = cases[i].availability_nines;
                qos.max_gap_ms = cases[i].max_gap_ms;
                assert_int_equal(cube_from_qos(&qos), cases[i].cube);
        }
}

/* A lower flow for a cube is recognized as that by the member that accepts it, and asks for nothing that needs FRCT. */
static void test_lower_qos(void **state) {
        for (Cube cube = 0; cube < _CUBE_MAX; cube++) {
                o7s_qos qos = cube_lower_qos(cube);

                assert_int_equal(cube_from_qos(&qos), cube);
                assert_int_equal(qos.in_order, 0);
                assert_int_equal(qos.loss, 1);
                assert_int_equal(qos.ber, 1);
        }
}

static void test_granted(void **state) {
        o7s_qos asked = O7S_QOS_VOICE, granted;

        /* Never more than is asked for, and never more than the cube does. */
        asked.delay_ms = 10;
        asked.availability_nines = 9;
        asked.timeout_ms = 5000;
        granted = cube_granted_qos(&asked);
        assert_int_equal(granted.delay_ms, 50);
        assert_int_equal(granted.availability_nines, 5);
        assert_int_equal(granted.max_gap_ms, 50);
        assert_int_equal(granted.bandwidth_bps, 100000);
        assert_int_equal(granted.timeout_ms, 5000);

        /* Nothing is promised to a flow that asked for a rate without a cube for it. */
        asked = (o7s_qos) O7S_QOS_RAW;
        asked.bandwidth_bps = 1000000;
        asked.loss = 0;
        granted = cube_granted_qos(&asked);
        assert_int_equal(granted.bandwidth_bps, 0);
        assert_int_equal(granted.loss, 1);
        assert_true(granted.delay_ms == UINT32_MAX);
}

/* What is held against a flow: what it asked for, and never more than its cube is for. */
static const struct {
        const char *name;
        o7s_qos qos;
        uint64_t asked_bps;
        uint64_t rate_bps;
} rates[] = {
        { "voice, as the preset", O7S_QOS_VOICE, 100000, 100000 },
        { "voice that asks for less", O7S_QOS_VOICE, 13200, 13200 },
        { "voice that asks for nothing", O7S_QOS_VOICE, 0, 100000 },
        { "more than voice, which is video", O7S_QOS_VOICE, 100001, 100001 },
        { "video, as the preset: all there is", O7S_QOS_VIDEO, UINT64_MAX, 25000000 },
        { "video that asks for less", O7S_QOS_VIDEO, 4000000, 4000000 },
        { "video that asks for nothing", O7S_QOS_VIDEO, 0, 25000000 },
        { "best effort", O7S_QOS_BEST_EFFORT, 0, 0 },
        { "best effort that asks for much", O7S_QOS_RAW, 1000000, 0 },
};

static void test_rate(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
                o7s_qos qos = rates[i].qos;

                print_message("%s\n", rates[i].name);
                qos.bandwidth_bps = rates[i].asked_bps;
                assert_true(cube_rate_bps(&qos) == rates[i].rate_bps);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_from_qos),
                cmocka_unit_test(test_lower_qos),
                cmocka_unit_test(test_granted),
                cmocka_unit_test(test_rate),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
