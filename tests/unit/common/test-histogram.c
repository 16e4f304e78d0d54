/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Durations in powers of two: where each of them is counted, and that no two buckets claim the same one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "services/common/histogram.h"

static const struct {
        const char *name;
        usec_t usec;
        unsigned bucket;
} rows[] = {
        { "no time at all", 0, 0 },
        { "one", 1, 0 },
        { "two", 2, 1 },
        { "more than two", 3, 2 },
        { "a power of two", 1024, 10 },
        { "one more", 1025, 11 },
        { "one less than the next", 2047, 11 },
        { "the longest that is told apart", UINT64_C(1) << 30, 30 },
        { "longer", (UINT64_C(1) << 30) + 1, 31 },
        { "for ever", USEC_INFINITY, 31 },
};

static void test_add(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Durations durations = {};

                durations_add(&durations, rows[i].usec);
                durations_add(&durations, rows[i].usec);
                for (unsigned bucket = 0; bucket < DURATIONS_BUCKETS; bucket++)
                        if (durations.counts[bucket] != (bucket == rows[i].bucket ? 2 : 0))
                                fail_msg("%s: bucket %u has %" PRIu64, rows[i].name, bucket, durations.counts[bucket]);
        }
}

/* Each bound belongs to its bucket, and what is a microsecond longer to the next. */
static void test_bounds(void **state) {
        for (unsigned bucket = 0; bucket < DURATIONS_BUCKETS; bucket++) {
                Durations durations = {};

                durations_add(&durations, durations_bucket_usec(bucket));
                assert_int_equal(durations.counts[bucket], 1);
                if (bucket + 1 == DURATIONS_BUCKETS)
                        continue;

                assert_true(durations_bucket_usec(bucket) < durations_bucket_usec(bucket + 1));
                durations_add(&durations, durations_bucket_usec(bucket) + 1);
                assert_int_equal(durations.counts[bucket + 1], 1);
        }

        assert_true(durations_bucket_usec(DURATIONS_BUCKETS - 1) == USEC_INFINITY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_add),
                cmocka_unit_test(test_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
