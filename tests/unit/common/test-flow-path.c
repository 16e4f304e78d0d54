/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a peer says that it is, until it has shown it: what is believed, what goes there, and for how long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "services/common/flow-path.h"

#define T0 (1000 * USEC_PER_SEC)
#define KNOWN 1U
#define NEW 2U
#define BYTES 100U
#define RANDOM 0xC0FFEEU

static void test_named_and_shown(void **state) {
        static const struct {
                const char *name;
                uint64_t address, shown;
                usec_t after;
                bool believed;
        } rows[] = {
                { "nothing", NEW, 0, 1, false },
                { "a guess", NEW, RANDOM + 1, 1, false },
                { "the same from elsewhere", NEW + 1, RANDOM, 1, false },
                { "what was asked for", NEW, RANDOM, 1, true },
                { "the same, just in time", NEW, RANDOM, FLOW_PATH_KEEP_USEC - 1, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FlowPath path = {};

                print_message("%s\n", rows[i].name);
                assert_false(flow_path_named(&path, NEW, 0, BYTES, RANDOM, T0));
                assert_int_equal(path.challenge, RANDOM);
                assert_false(flow_path_expire(&path, T0 + rows[i].after));
                assert_int_equal(flow_path_named(&path, rows[i].address, rows[i].shown, BYTES, ~UINT64_C(0),
                                                 T0 + rows[i].after),
                                 rows[i].believed);
                assert_int_equal(path.active, !rows[i].believed);
                assert_int_equal(path.challenge, rows[i].believed              ? 0
                                                 : rows[i].address == NEW ? RANDOM
                                                                          : ~UINT64_C(0));
        }
}

/* A first message shows nothing, whatever it has: nothing was asked for yet. */
static void test_shown_unasked(void **state) {
        FlowPath path = {};

        assert_false(flow_path_named(&path, NEW, RANDOM, BYTES, RANDOM, T0));
        flow_path_forget(&path);
        assert_false(flow_path_named(&path, NEW, 0, BYTES, 0, T0));
        assert_int_not_equal(path.challenge, 0);        /* which would be shown by everybody */
        assert_false(flow_path_named(&path, NEW, 0, BYTES, 0, T0));
}

static void test_never_more_than_three_times(void **state) {
        static const size_t heard[] = { BYTES, 1, 1000, BYTES, BYTES }, sent[] = { BYTES, 1, 50, 299, 100000 };

        for (size_t i = 0; i < ELEMENTSOF(heard); i++) {
                uint64_t n_heard = 0, n_sent = 0;
                FlowPath path = {};

                assert_int_equal(flow_path_towards(&path, KNOWN, sent[i]), KNOWN);
                for (unsigned n = 0; n < 1000; n++) {
                        if (n % 7 == 0) {
                                assert_false(flow_path_named(&path, NEW, 0, heard[i], RANDOM, T0));
                                n_heard += heard[i];
                        }
                        if (flow_path_towards(&path, KNOWN, sent[i]) == NEW)
                                n_sent += sent[i];
                        assert_true(n_sent <= FLOW_PATH_AMPLIFICATION * n_heard);
                }
                /* ... and no less, in as many messages as there were. */
                assert_true(n_sent + sent[i] > FLOW_PATH_AMPLIFICATION * n_heard || n_sent == 1000 * sent[i]);
        }
}

/* Another address is another account: what was heard of the first one is not spent on the second. */
static void test_newest_counts(void **state) {
        FlowPath path = {};

        for (unsigned n = 0; n < 100; n++)
                assert_false(flow_path_named(&path, NEW, 0, BYTES, RANDOM, T0));
        assert_false(flow_path_named(&path, NEW + 1, 0, BYTES, RANDOM, T0));
        for (unsigned n = 0; n < FLOW_PATH_AMPLIFICATION; n++)
                assert_int_equal(flow_path_towards(&path, KNOWN, BYTES), NEW + 1);
        assert_int_equal(flow_path_towards(&path, KNOWN, BYTES), KNOWN);
        assert_int_equal(flow_path_towards(&path, KNOWN, 1), KNOWN);
}

static void test_time(void **state) {
        FlowPath path = {};

        assert_true(flow_path_next(&path) == USEC_INFINITY);
        assert_false(flow_path_expire(&path, T0));
        assert_false(flow_path_named(&path, NEW, 0, BYTES, RANDOM, T0));
        assert_false(flow_path_named(&path, NEW, 0, BYTES, RANDOM, T0 + USEC_PER_SEC));
        assert_true(flow_path_next(&path) == T0 + USEC_PER_SEC + FLOW_PATH_KEEP_USEC);
        assert_false(flow_path_expire(&path, flow_path_next(&path) - 1));
        assert_true(flow_path_expire(&path, flow_path_next(&path)));
        assert_int_equal(flow_path_towards(&path, KNOWN, BYTES), KNOWN);
        assert_false(flow_path_named(&path, NEW, RANDOM, BYTES, RANDOM + 1, T0 + 10 * USEC_PER_SEC));   /* too late */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_named_and_shown),
                cmocka_unit_test(test_shown_unasked),
                cmocka_unit_test(test_never_more_than_three_times),
                cmocka_unit_test(test_newest_counts),
                cmocka_unit_test(test_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
