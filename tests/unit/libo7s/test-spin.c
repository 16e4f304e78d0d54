/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking before sleeping: how long, after which waits. No clock is read: waits are told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/spin.h"

/* As on a host with several CPUs, wherever the test runs. */
static Spin spin_on_many_cpus(void) {
        Spin spin = SPIN_INIT;

        spin.begun = true;
        return spin;
}

static void wait_many(Spin *spin, unsigned n, uint64_t nsec) {
        for (unsigned i = 0; i < n; i++) {
                uint32_t budget = spin_begin(spin);

                spin_end(spin, budget, nsec, budget > nsec);
        }
}

static void test_learns(void **state) {
        static const struct {
                const char *name;
                uint64_t nsec;
                uint32_t least, most;
        } cases[] = {
                { "an answer at once",   200,        3000,  3000 },
                { "a wake-up's time",    15000,      29000, 34000 },
                { "a sleep there",       45000,      89000, 92000 },
                { "a sleep on each side", 90000,    100000, 100000 },
                { "long",                150000,     0,     0 },
                { "very long",           10000000000, 0,    0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Spin spin = spin_on_many_cpus();

                print_message("%s\n", cases[i].name);
                assert_int_equal(spin_begin(&spin), 0);         /* knows nothing yet */
                spin_end(&spin, 0, cases[i].nsec, false);
                wait_many(&spin, 100, cases[i].nsec);
                spin.skip = 0;
                assert_in_range(spin_begin(&spin), cases[i].least, cases[i].most);
        }
}

/* After however long a pause, a burst is recognised within so many waits. */
static void test_forgets(void **state) {
        Spin spin = spin_on_many_cpus();

        wait_many(&spin, 1000, UINT64_MAX);
        assert_int_equal(spin_begin(&spin), 0);
        wait_many(&spin, 20, 500);
        assert_true(spin_begin(&spin) > 0);
}

/* Somebody else has the CPU: each look in vain is followed by more waits without one. */
static void test_gives_up(void **state) {
        Spin spin = spin_on_many_cpus();
        unsigned looks = 0;

        wait_many(&spin, 50, 5000);
        for (unsigned i = 0; i < 1000; i++) {
                uint32_t budget = spin_begin(&spin);

                looks += budget > 0;
                spin_end(&spin, budget, 5000, false);
        }
        assert_in_range(looks, 5, 15);

        /* One that finds something brings all of it back. */
        spin.skip = 0;
        spin_end(&spin, spin_begin(&spin), 5000, true);
        assert_true(spin_begin(&spin) > 0);

        /* Found long after the time was over does not count. */
        spin_end(&spin, 10000, 4000000, true);
        assert_int_equal(spin_begin(&spin), 0);
}

static void test_one_cpu(void **state) {
        Spin spin = spin_on_many_cpus();

        spin.alone = true;
        wait_many(&spin, 100, 500);
        assert_int_equal(spin_begin(&spin), 0);
}

/* Who took the CPU may be who is to answer: it is offered sooner, until nobody takes it any more. */
static void test_offers(void **state) {
        static const struct {
                const char *name;
                uint64_t nsec;
                unsigned least, most;
        } cases[] = {
                { "nobody took it",     300,   8, 64 },
                { "somebody did",       2000,  1, 1 },
                { "for long",           90000, 1, 1 },
                { "nobody any more",    600,   8, 64 },
        };
        Spin spin = spin_on_many_cpus();

        assert_in_range(spin_looks(&spin), 8, 64);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                spin_offered(&spin, cases[i].nsec);
                assert_in_range(spin_looks(&spin), cases[i].least, cases[i].most);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_learns),
                cmocka_unit_test(test_forgets),
                cmocka_unit_test(test_offers),
                cmocka_unit_test(test_gives_up),
                cmocka_unit_test(test_one_cpu),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
