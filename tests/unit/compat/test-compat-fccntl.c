/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every command and flag of fccntl(). */

#include "tests/unit/compat/compat-pair.h"

static const qosspec_t *const presets[] = {
        &qos_raw, &qos_raw_no_errors, &qos_best_effort, &qos_video, &qos_voice, &qos_data,
};

static void test_timeouts(void **state) {
        static const struct {
                const char *name;
                int set, get;
        } cases[] = {
                { "reads",  FLOWSRCVTIMEO, FLOWGRCVTIMEO },
                { "writes", FLOWSSNDTIMEO, FLOWGSNDTIMEO },
        };
        const struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 }, large = { INT64_MAX, 0 };
        _cleanup_compat_pair_ CompatPair pair;

        compat_pair_open(&pair, NULL);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct timespec time = { 3, 141592653 }, got = {};

                print_message("%s\n", cases[i].name);
                assert_int_equal(fccntl(pair.asking, cases[i].get, &got), -EPERM);      /* none is set */
                assert_int_equal(fccntl(pair.asking, cases[i].set, &time), 0);
                assert_int_equal(fccntl(pair.asking, cases[i].get, &got), 0);
                assert_int_equal(got.tv_sec, 3);
                assert_int_equal(got.tv_nsec, 141592653);
                assert_int_equal(fccntl(pair.asking, cases[i].get, NULL), -EINVAL);

                assert_int_equal(fccntl(pair.asking, cases[i].set, &bad), -EINVAL);
                assert_int_equal(fccntl(pair.asking, cases[i].set, &negative), -EINVAL);
                assert_int_equal(fccntl(pair.asking, cases[i].get, &got), 0);
                assert_int_equal(got.tv_sec, 3);

                assert_int_equal(fccntl(pair.asking, cases[i].set, &large), 0);         /* as long as anybody lives */
                assert_int_equal(fccntl(pair.asking, cases[i].get, &got), 0);
                assert_true(got.tv_sec > 1000000000);

                assert_int_equal(fccntl(pair.asking, cases[i].set, NULL), 0);
                assert_int_equal(fccntl(pair.asking, cases[i].get, &got), -EPERM);
        }
}

static void test_flags(void **state) {
        static const struct {
                const char *name;
                uint32_t flags;
                int r;
        } cases[] = {
                { "read only",     FLOWFRDONLY,                             0 },
                { "write only",    FLOWFWRONLY,                             0 },
                { "both",          FLOWFRDWR,                               0 },
                { "neither",       FLOWFINVALID,                            -EINVAL },
                { "non-blocking",  FLOWFRDWR | FLOWFNONBLOCK,               0 },
                { "whole reads",   FLOWFRDWR | FLOWFRNOPART,                0 },
                { "all of them",   FLOWFRDWR | FLOWFDOWN | FLOWFNONBLOCK | FLOWFRNOPART | FLOWFWNOPART, 0 },
                { "default again", FLOWFDEFAULT,                            0 },
        };
        _cleanup_compat_pair_ CompatPair pair;
        uint32_t got = 0, before;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fccntl(pair.asking, FLOWGFLAGS, &got), 0);
        assert_int_equal(got, FLOWFDEFAULT);
        assert_int_equal(got, 020002);
        assert_int_equal(fccntl(pair.asking, FLOWGFLAGS, NULL), -EINVAL);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                before = got;
                assert_int_equal(fccntl(pair.asking, FLOWSFLAGS, cases[i].flags), cases[i].r);
                assert_int_equal(fccntl(pair.asking, FLOWGFLAGS, &got), 0);
                assert_int_equal(got, cases[i].r == 0 ? cases[i].flags : before);
        }
}

static void test_qos(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(presets); i++) {
                _cleanup_compat_pair_ CompatPair pair;
                qosspec_t got = {};

                compat_pair_open(&pair, presets[i]);
                assert_int_equal(fccntl(pair.asking, FLOWGQOSSPEC, NULL), -EINVAL);
                assert_int_equal(fccntl(pair.serving, FLOWGQOSSPEC, &got), 0);
                assert_int_equal(got.delay, presets[i]->delay);
                assert_int_equal(got.bandwidth, presets[i]->bandwidth);
                assert_int_equal(got.availability, presets[i]->availability);
                assert_int_equal(got.loss, presets[i]->loss);
                assert_int_equal(got.ber, presets[i]->ber);
                assert_int_equal(got.in_order, presets[i]->in_order);
                assert_int_equal(got.max_gap, presets[i]->max_gap);
                assert_int_equal(got.timeout, presets[i]->timeout);
        }
}

static void test_queues(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        size_t n = 77;
        char in[8];

        compat_pair_open(&pair, NULL);
        assert_int_equal(fccntl(pair.asking, FLOWGTXQLEN, NULL), -EINVAL);
        assert_int_equal(fccntl(pair.asking, FLOWGRXQLEN, NULL), -EINVAL);
        assert_int_equal(fccntl(pair.asking, FLOWGTXQLEN, &n), 0);
        assert_int_equal(n, 0);

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(flow_write(pair.asking, "x", 1), 1);
        assert_int_equal(fccntl(pair.asking, FLOWGTXQLEN, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(fccntl(pair.serving, FLOWGRXQLEN, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(fccntl(pair.serving, FLOWGTXQLEN, &n), 0);
        assert_int_equal(n, 0);

        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 1);
        assert_int_equal(fccntl(pair.serving, FLOWGRXQLEN, &n), 0);
        assert_int_equal(n, 2);
}

static void test_frct(void **state) {
        static const uint16_t expected[] = {
                0, 0, FRCTFRESCNTL, FRCTFRESCNTL, FRCTFRESCNTL, FRCTFRTX | FRCTFRESCNTL | FRCTFLINGER,
        };

        for (size_t i = 0; i < ELEMENTSOF(presets); i++) {
                _cleanup_compat_pair_ CompatPair pair;
                uint16_t got = 0;

                compat_pair_open(&pair, presets[i]);
                assert_int_equal(fccntl(pair.asking, FRCTGFLAGS, NULL), -EINVAL);
                if (expected[i] == 0) {
                        assert_int_equal(fccntl(pair.asking, FRCTGFLAGS, &got), -EPERM);
                        assert_int_equal(fccntl(pair.asking, FRCTSFLAGS, FRCTFLINGER), -EPERM);
                        continue;
                }

                assert_int_equal(fccntl(pair.asking, FRCTGFLAGS, &got), 0);
                assert_int_equal(got, expected[i]);

                /* Two can be set and taken back, the one that the QoS has decided stays as it is. */
                assert_int_equal(fccntl(pair.asking, FRCTSFLAGS, FRCTFRTX | FRCTFLINGER), 0);
                assert_int_equal(fccntl(pair.asking, FRCTGFLAGS, &got), 0);
                assert_int_equal(got, (expected[i] & FRCTFRTX) | FRCTFLINGER);
                assert_int_equal(fccntl(pair.asking, FRCTSFLAGS, FRCTFRESCNTL), 0);
                assert_int_equal(fccntl(pair.asking, FRCTGFLAGS, &got), 0);
                assert_int_equal(got, (expected[i] & FRCTFRTX) | FRCTFRESCNTL);
        }
}

static void test_unknown(void **state) {
        _cleanup_compat_pair_ CompatPair pair;
        uint32_t flags = 0;

        compat_pair_open(&pair, NULL);
        assert_int_equal(fccntl(pair.asking, 0, &flags), -ENOTSUP);
        assert_int_equal(fccntl(pair.asking, 012, &flags), -ENOTSUP);
        assert_int_equal(fccntl(pair.asking, -1, &flags), -ENOTSUP);
        assert_int_equal(fccntl(4096, 012, &flags), -EBADF);
        assert_int_equal(fccntl(4095, 012, &flags), -ENOTALLOC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timeouts),
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_qos),
                cmocka_unit_test(test_queues),
                cmocka_unit_test(test_frct),
                cmocka_unit_test(test_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
