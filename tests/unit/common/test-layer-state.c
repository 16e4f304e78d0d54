/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "services/common/layer-state.h"

static const struct {
        const char *name;
        LayerState from, to;
        bool legal;
} moves[] = {
        { "a start", LAYER_CREATED, LAYER_STARTING, true },
        { "online without a start", LAYER_CREATED, LAYER_ONLINE, false },
        { "up", LAYER_STARTING, LAYER_ONLINE, true },
        { "found", LAYER_STARTING, LAYER_BOOTSTRAPPING, true },
        { "founded", LAYER_BOOTSTRAPPING, LAYER_ONLINE, true },
        { "found and join", LAYER_BOOTSTRAPPING, LAYER_ENROLLING, false },
        { "carrier lost", LAYER_ONLINE, LAYER_DEGRADED, true },
        { "carrier back", LAYER_DEGRADED, LAYER_ONLINE, true },
        { "killed and started again", LAYER_ONLINE, LAYER_STARTING, true },
        { "killed", LAYER_ENROLLING, LAYER_FAILED, true },
        { "online after a failure", LAYER_FAILED, LAYER_ONLINE, false },
        { "stopped", LAYER_STOPPING, LAYER_CREATED, true },
        { "back from stopping", LAYER_STOPPING, LAYER_ONLINE, false },
        { "a new reason", LAYER_DEGRADED, LAYER_DEGRADED, true },
        { "no state", LAYER_ONLINE, _LAYER_STATE_MAX, false },
        { "from no state", _LAYER_STATE_INVALID, LAYER_ONLINE, false },
};

static void test_moves(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(moves); i++) {
                print_message("%s\n", moves[i].name);
                assert_int_equal(layer_state_may_follow(moves[i].from, moves[i].to), moves[i].legal);
        }
}

static void test_names(void **state) {
        for (LayerState s = 0; s < _LAYER_STATE_MAX; s++)
                assert_int_equal(layer_state_from_string(layer_state_to_string(s)), s);

        assert_int_equal(layer_state_from_string("asleep"), -EINVAL);
        assert_null(layer_state_to_string(_LAYER_STATE_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_moves),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
