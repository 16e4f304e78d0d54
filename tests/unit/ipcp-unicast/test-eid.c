/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Endpoint ids: who gets which, that nobody can guess them, and that a wrong guess learns nothing from time. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "services/ipcp-unicast/eid.h"
#include "services/ipcp-unicast/pci.h"

/* A fixed sequence: the tests below are about what the table makes of random bits, and come out the same each time. */
static uint64_t draw(uint64_t *seed) {
        uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static void test_take_get_release(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        uint64_t seed = 1, ids[300];
        int owners[300];

        assert_int_equal(eids_new(&eids), 0);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++) {
                assert_int_equal(eids_take(eids, draw(&seed), &owners[i], &ids[i]), 0);
                assert_true(ids[i] >= EID_FLOWS);
                assert_int_equal(eids_n(eids), i + 1);
        }

        /* The table has grown several times; nobody's id changed. */
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_ptr_equal(eids_get(eids, ids[i]), &owners[i]);

        for (unsigned i = 0; i < ELEMENTSOF(ids); i += 2)
                eids_release(eids, ids[i]);
        for (unsigned i = 0; i < ELEMENTSOF(ids); i++)
                assert_ptr_equal(eids_get(eids, ids[i]), i % 2 ? &owners[i] : NULL);
        assert_int_equal(eids_n(eids), ELEMENTSOF(ids) / 2);
}

static void test_wrong_ids(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        uint64_t eid, seed = 2;
        int owner;

        assert_int_equal(eids_new(&eids), 0);
        for (uint64_t low = 0; low < 64; low++)
                assert_null(eids_get(eids, low));
        assert_null(eids_get(eids, UINT64_MAX));

        assert_int_equal(eids_take(eids, draw(&seed), &owner, &eid), 0);
        for (unsigned bit = 0; bit < 64; bit++)
                assert_null(eids_get(eids, eid ^ UINT64_C(1) << bit));
        for (uint64_t low = 0; low < 64; low++)
                assert_null(eids_get(eids, low));
        assert_null(eids_get(eids, UINT64_MAX));
        assert_null(eids_get(eids, eid & (EID_SLOTS_MAX - 1)));
        assert_ptr_equal(eids_get(eids, eid), &owner);
}

/* Random bits that are all the same, at both ends, still give distinct ids of flows. */
static void test_poor_random(void **state) {
        static const uint64_t randoms[] = { 0, UINT64_MAX, 63, UINT64_C(63) << EID_SLOT_BITS };

        for (unsigned i = 0; i < ELEMENTSOF(randoms); i++) {
                _cleanup_(eids_freep) Eids *eids = NULL;
                uint64_t last = 0;
                int owner;

                assert_int_equal(eids_new(&eids), 0);
                for (unsigned n = 0; n < 1000; n++) {
                        uint64_t eid;

                        assert_int_equal(eids_take(eids, randoms[i], &owner, &eid), 0);
                        assert_true(eid >= EID_FLOWS && eid != UINT64_MAX && eid != last);
                        last = eid;
                }
        }
}

static void test_full(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        uint64_t eid = 0, seed = 3;
        int owner;

        assert_int_equal(eids_new(&eids), 0);
        for (unsigned i = 0; i < EIDS_MAX; i++)
                assert_int_equal(eids_take(eids, draw(&seed), &owner, &eid), 0);

        assert_int_equal(eids_take(eids, draw(&seed), &owner, &eid), -ENOSPC);
        eids_release(eids, eid);
        assert_int_equal(eids_take(eids, draw(&seed), &owner, &eid), 0);
}

static void test_take_again(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        const uint64_t eid = UINT64_C(0x123456789ab) << EID_SLOT_BITS | (EID_SLOTS_MAX - 1);
        int owner, other;

        assert_int_equal(eids_new(&eids), 0);
        assert_int_equal(eids_take_again(eids, eid, &owner), 0);
        assert_ptr_equal(eids_get(eids, eid), &owner);
        assert_int_equal(eids_take_again(eids, eid, &other), -EEXIST);
        assert_int_equal(eids_take_again(eids, eid ^ UINT64_C(1) << 63, &other), -EEXIST);
        assert_int_equal(eids_take_again(eids, 63, &other), -EINVAL);
        assert_int_equal(eids_take_again(eids, 0, &other), -EINVAL);
        assert_int_equal(eids_take_again(eids, UINT64_MAX, &other), -EINVAL);
        assert_int_equal(eids_n(eids), 1);
}

/* 10^6 ids, as an attacker would collect them while flows come and go: the random part holds all the bits that were
 * drawn, each of its bytes is spread evenly, none of it follows from the slot, and no id comes twice in a row of its
 * slot. */
static void test_unpredictable(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        static uint32_t counts[6][256], joint[256];
        uint64_t seed = 4, held[512] = {};
        const unsigned n = 1000000;
        int owner;

        assert_int_equal(eids_new(&eids), 0);
        for (unsigned i = 0; i < n; i++) {
                uint64_t random = draw(&seed), *eid = &held[i % ELEMENTSOF(held)], before = *eid;

                if (before != 0)
                        eids_release(eids, before);
                assert_int_equal(eids_take(eids, random, &owner, eid), 0);
                assert_int_equal(*eid >> EID_SLOT_BITS, random >> EID_SLOT_BITS);
                assert_true(*eid != before);

                for (unsigned byte = 0; byte < 5; byte++)
                        counts[byte][*eid >> (EID_SLOT_BITS + 4 + 8 * byte) & 0xff]++;
                counts[5][*eid >> EID_SLOT_BITS & 0xff]++;
                joint[(*eid ^ *eid >> EID_SLOT_BITS) & 0xff]++;         /* slot against random part */
        }

        /* Chi-square of 255 degrees of freedom: above 330.5 in one case of a thousand. */
        for (unsigned byte = 0; byte < 7; byte++) {
                const uint32_t *count = byte < 6 ? counts[byte] : joint;
                double expected = n / 256.0, sum = 0;

                for (unsigned i = 0; i < 256; i++)
                        sum += (count[i] - expected) * (count[i] - expected) / expected;
                assert_true(sum < 330.5);
        }
}

/* -- time -- */

enum {
        GUESS_WARM,
        GUESS_FREE_SLOT,
        GUESS_ONE_BIT,
        GUESS_TAG,
        GUESS_TOP_BYTE,
        GUESS_BEYOND_TABLE,
        GUESS_ZERO,
        GUESS_ONES,
        GUESS_RIGHT,
        _GUESS_MAX,
};

/* Looks each guess up between two stops, for whoever counts the steps in between. */
static void look_up_in_steps(const Eids *eids, const uint64_t guesses[_GUESS_MAX]) {
        volatile uintptr_t result;

        (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void) raise(SIGSTOP);

        for (unsigned i = 0; i < _GUESS_MAX; i++) {
                result = (uintptr_t) eids_get(eids, guesses[i]);
                (void) raise(SIGSTOP);
        }

        (void) result;
        _exit(0);
}

/* Instructions until the next stop; 0: it is over, or cannot be traced here. */
static unsigned count_steps(pid_t child) {
        unsigned n = 0;
        int status;

        for (;;) {
                if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 || waitpid(child, &status, 0) != child)
                        return 0;
                if (!WIFSTOPPED(status))
                        return 0;
                if (WSTOPSIG(status) == SIGSTOP)
                        return n;
                n++;
        }
}

/* Whatever is wrong with an id, and even where nothing is: as many instructions. Counted, not timed, so it cannot
 * flake. */
static void test_same_work(void **state) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        uint64_t guesses[_GUESS_MAX] = {}, eid, seed = 5;
        unsigned expected;
        int owner, status;
        pid_t child;

        assert_int_equal(eids_new(&eids), 0);
        assert_int_equal(eids_take(eids, draw(&seed), &owner, &eid), 0);
        guesses[GUESS_WARM] = eid;
        guesses[GUESS_FREE_SLOT] = eid ^ 1;
        guesses[GUESS_ONE_BIT] = eid ^ UINT64_C(1) << EID_SLOT_BITS;
        guesses[GUESS_TAG] = eid & (EID_SLOTS_MAX - 1);
        guesses[GUESS_TOP_BYTE] = eid ^ UINT64_C(0xff) << 56;
        guesses[GUESS_BEYOND_TABLE] = eid | UINT64_C(0xff) << 12;
        guesses[GUESS_ONES] = UINT64_MAX;
        guesses[GUESS_RIGHT] = eid;

        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                look_up_in_steps(eids, guesses);

        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status) || count_steps(child) == 0) {
                (void) kill(child, SIGKILL);
                (void) waitpid(child, &status, 0);
                skip();         /* nothing may be traced here */
        }

        expected = count_steps(child);
        assert_true(expected > 0);
        for (unsigned i = GUESS_FREE_SLOT + 1; i < _GUESS_MAX; i++)
                assert_int_equal(count_steps(child), expected);

        (void) ptrace(PTRACE_CONT, child, NULL, NULL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_take_get_release),
                cmocka_unit_test(test_wrong_ids),
                cmocka_unit_test(test_poor_random),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_take_again),
                cmocka_unit_test(test_unpredictable),
                cmocka_unit_test(test_same_work),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
