/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking for the largest packet that a path takes, on paths of all sizes, in virtual time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/frct-mtu.h"

#define ROUND_TRIP (10 * NSEC_PER_MSEC)
#define RTO (30 * NSEC_PER_MSEC)

typedef struct Path {
        nsec_t now;
        size_t mtu;                     /* larger packets vanish */
        unsigned lose;                  /* every so manieth probe that would have passed vanishes too; 0: none */
        unsigned n_probes;
        unsigned n_passed;
} Path;

/* Until nothing is to be done for a while. */
static void path_search(Path *p, FrctMtu *m) {
        for (unsigned i = 0; i < 1000; i++) {
                nsec_t next = frct_mtu_next(m);
                size_t size;

                if (next == NSEC_INFINITY || next > p->now + NSEC_PER_SEC)
                        return;

                p->now = MAX(p->now, next);
                size = frct_mtu_probe(m, RTO, p->now);
                if (size == 0)
                        continue;

                assert_true(size > m->current && size <= m->ceiling);
                p->n_probes++;
                if (size > p->mtu || (p->lose > 0 && ++p->n_passed % p->lose == 0))
                        continue;

                p->now += ROUND_TRIP;
                assert_true(frct_mtu_probed(m, size, p->now));
                assert_int_equal(m->current, size);
        }

        fail_msg("the search does not end");
}

static void test_finds(void **state) {
        static const struct {
                const char *name;
                size_t ceiling, mtu;
                unsigned lose, probes_max;
                size_t least;
        } cases[] = {
                { "the layer's size passes",           9000,  9000,  0, 1,  9000 },
                { "the layer's is below the base",     1000,  1000,  0, 0,  1000 },
                { "the layer's is the base",           1200,  1200,  0, 0,  1200 },
                { "ethernet below jumbo frames",       9000,  1500,  0, 40, 1468 },
                { "only the base passes",              9000,  1200,  0, 40, 1200 },
                { "a tunnel's bytes are missing",      1500,  1440,  0, 20, 1408 },
                { "nothing is missing but a rest",     1500,  1490,  0, 20, 1458 },
                { "every second probe is lost",        9000,  9000,  2, 2,  9000 },
                { "every third, and a smaller path",   9000,  4000,  3, 50, 3968 },
                { "the largest there is",              65535, 65535, 0, 1,  65535 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Path path = { .mtu = cases[i].mtu, .lose = cases[i].lose };
                FrctMtu mtu;

                print_message("%s\n", cases[i].name);
                frct_mtu_init(&mtu, cases[i].ceiling, 0);
                assert_true(mtu.current <= FRCT_MTU_BASE);
                path_search(&path, &mtu);
                assert_in_range(mtu.current, cases[i].least, cases[i].mtu);
                assert_in_range(path.n_probes, 0, cases[i].probes_max);
        }
}

/* Nothing is sent twice before its answer can be there. */
static void test_patience(void **state) {
        FrctMtu mtu;

        frct_mtu_init(&mtu, 1500, 0);
        assert_int_equal(frct_mtu_next(&mtu), 0);
        assert_int_equal(frct_mtu_probe(&mtu, RTO, 0), 1500);
        assert_int_equal(frct_mtu_probe(&mtu, RTO, 1), 0);
        assert_int_equal(frct_mtu_next(&mtu), RTO);
        assert_int_equal(frct_mtu_probe(&mtu, RTO, RTO - 1), 0);
        assert_int_equal(frct_mtu_probe(&mtu, 250000, RTO), 1500);
        assert_true(frct_mtu_next(&mtu) >= RTO + 10 * NSEC_PER_MSEC);   /* a short round trip so far may have been luck */
}

/* Ten minutes later the path may be another one. */
static void test_again(void **state) {
        Path path = { .mtu = 1400 };
        FrctMtu mtu;

        frct_mtu_init(&mtu, 9000, 0);
        path_search(&path, &mtu);
        assert_in_range(mtu.current, 1368, 1400);
        assert_in_range(frct_mtu_next(&mtu), path.now + 590 * NSEC_PER_SEC, path.now + 600 * NSEC_PER_SEC);

        path = (Path) { .now = frct_mtu_next(&mtu), .mtu = 9000 };
        path_search(&path, &mtu);
        assert_int_equal(mtu.current, 9000);
        assert_int_equal(path.n_probes, 1);
        assert_int_equal(frct_mtu_next(&mtu), NSEC_INFINITY);
}

static void test_ceiling(void **state) {
        static const struct {
                const char *name;
                size_t before, after;
                size_t current;                 /* at once */
                size_t found;
        } cases[] = {
                { "falls",              9000, 1500, 1500, 1500 },
                { "falls to very few",  9000, 300,  300,  300  },
                { "rises",              1500, 9000, 1500, 9000 },
                { "stays",              1500, 1500, 1500, 1500 },
                { "rises from below",   600,  9000, 600,  9000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Path path = { .mtu = 65535 };
                FrctMtu mtu;

                print_message("%s\n", cases[i].name);
                frct_mtu_init(&mtu, cases[i].before, 0);
                path_search(&path, &mtu);
                frct_mtu_set_ceiling(&mtu, cases[i].after, path.now);
                assert_int_equal(mtu.current, cases[i].current);
                path_search(&path, &mtu);
                assert_int_equal(mtu.current, cases[i].found);
        }
}

/* The path shrinks below what was found, or carries nothing at all for a while. */
static void test_black_hole(void **state) {
        static const struct {
                const char *name;
                unsigned n_timed_out;           /* of packets as large as they may be */
                size_t current;                 /* then */
                size_t mtu;
                size_t least;                   /* after something got through */
        } cases[] = {
                { "two lost packets",                 2,  9000, 9000, 9000 },
                { "a hole",                           3,  1200, 1500, 1468 },
                { "a black-out",                      3,  1200, 9000, 9000 },
                { "a hole below the base",            6,  600,  700,  668  },
                { "a long black-out",                 40, 256,  9000, 9000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Path path = { .mtu = 9000 };
                FrctMtu mtu;

                print_message("%s\n", cases[i].name);
                frct_mtu_init(&mtu, 9000, 0);
                path_search(&path, &mtu);
                for (unsigned k = 0; k < cases[i].n_timed_out; k++) {
                        size_t before = mtu.current;
                        bool changed = frct_mtu_timed_out(&mtu, before, path.now);

                        assert_int_equal(changed, mtu.current != before);
                }
                assert_int_equal(mtu.current, cases[i].current);
                assert_int_equal(frct_mtu_next(&mtu), NSEC_INFINITY);   /* no probes into a black-out */

                path.mtu = cases[i].mtu;
                frct_mtu_acknowledged(&mtu, 100);
                path_search(&path, &mtu);
                assert_in_range(mtu.current, cases[i].least, cases[i].mtu);
        }
}

/* Time-outs that are no hole: large packets get through in between, or small ones are lost as well as large ones. */
static void test_no_black_hole(void **state) {
        Path path = { .mtu = 9000 };
        FrctMtu mtu;

        frct_mtu_init(&mtu, 9000, 0);
        path_search(&path, &mtu);
        for (unsigned i = 0; i < 100; i++) {
                assert_false(frct_mtu_timed_out(&mtu, 9000, path.now));
                assert_false(frct_mtu_timed_out(&mtu, 2000, path.now));
                frct_mtu_acknowledged(&mtu, 1300);
                assert_false(frct_mtu_timed_out(&mtu, 1200, path.now));
                assert_false(frct_mtu_timed_out(&mtu, 64, path.now));
        }
        assert_int_equal(mtu.current, 9000);

        assert_false(frct_mtu_timed_out(&mtu, 9000, path.now));
        frct_mtu_acknowledged(&mtu, 64);        /* small ones say nothing about a hole */
        assert_false(frct_mtu_timed_out(&mtu, 9000, path.now));
        assert_true(frct_mtu_timed_out(&mtu, 9000, path.now));
}

/* Answers to what was not asked, and late ones. */
static void test_answers(void **state) {
        static const struct {
                const char *name;
                size_t size;
                bool taken;
        } cases[] = {
                { "nothing",                0,     false },
                { "smaller than known",     1000,  false },
                { "never tried",            1300,  false },
                { "larger than the layer",  65535, false },
                { "the layer's, late",      9000,  true  },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                nsec_t now = 0;
                FrctMtu mtu;

                print_message("%s\n", cases[i].name);
                frct_mtu_init(&mtu, 9000, now);
                while (frct_mtu_probe(&mtu, RTO, now) == 9000)
                        now = frct_mtu_next(&mtu);
                assert_int_equal(mtu.probing, 5100);
                assert_int_equal(frct_mtu_probed(&mtu, cases[i].size, now), cases[i].taken);
                assert_int_equal(mtu.current, cases[i].taken ? 9000 : 1200);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_finds),
                cmocka_unit_test(test_patience),
                cmocka_unit_test(test_again),
                cmocka_unit_test(test_ceiling),
                cmocka_unit_test(test_black_hole),
                cmocka_unit_test(test_no_black_hole),
                cmocka_unit_test(test_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
