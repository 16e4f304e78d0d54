/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The window beside a model that forgets nothing, and the table of nonces. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/seal-replay.h"
#include "tests/sim/dice.h"

#define COUNTERS 200000U
#define THROWS 400000U

static const struct {
        const char *name;
        uint64_t counters[6];           /* one after the other; seen_last: of the last one, before it is added */
        size_t n;
        bool seen_last;
} orders[] = {
        { "the first", { 0 }, 1, false },
        { "the first again", { 0, 0 }, 2, true },
        { "far on", { 0, 1000000 }, 2, false },
        { "back from there", { 0, 1000000, 5 }, 3, true },
        { "the oldest in the window", { 10000, 10000 - 8191 }, 2, false },
        { "the oldest in the window, again", { 10000, 10000 - 8191, 10000 - 8191 }, 3, true },
        { "older", { 10000, 10000 - 8192 }, 2, true },
        { "a word is used again", { 63, 63 + 64 * 129, 63 + 64 * 129 - 64 }, 3, false },
        { "what was cleared stays cleared", { 5, 64 * 129 + 6, 64 * 129 + 5 }, 3, false },
        { "one word on", { 63, 64, 62 }, 3, false },
        { "the largest", { UINT64_C(1) << 62, (UINT64_C(1) << 62) + 1 }, 2, false },
};

static void test_orders(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                SealReplay replay = {};

                print_message("%s\n", orders[i].name);
                for (size_t k = 0; k + 1 < orders[i].n; k++)
                        if (!seal_replay_seen(&replay, orders[i].counters[k]))
                                assert_int_equal(seal_replay_add(&replay, orders[i].counters[k]), 0);
                assert_int_equal(seal_replay_seen(&replay, orders[i].counters[orders[i].n - 1]), orders[i].seen_last);
                seal_replay_done(&replay);
        }
}

/* Counters around a position that moves on: what the model has, the window has; what neither has is taken unless it
 * is too old. */
static void test_model(void **state) {
        bool *model = calloc(COUNTERS, sizeof(*model));
        SealReplay replay = {};
        uint64_t end = 0;
        Dice dice;

        assert_non_null(model);
        dice_init(&dice, 1, 1);
        for (unsigned i = 0; i < THROWS; i++) {
                uint64_t position = (uint64_t) i * (COUNTERS - 10000) / THROWS, spread = dice_chance(&dice,
                                                                                                     0.01) ? 10000 : 50;
                uint64_t counter = position + dice_below(&dice, spread);
                bool old = end > SEAL_WINDOW && counter < end - SEAL_WINDOW;

                assert_int_equal(seal_replay_seen(&replay, counter), model[counter] || old);
                if (old)
                        continue;
                if (!model[counter])
                        assert_int_equal(seal_replay_add(&replay, counter), 0);
                model[counter] = true;
                end = MAX(end, counter + 1);
        }
        seal_replay_done(&replay);
        free(model);
}

static void make_nonce(Dice *dice, uint8_t ret[SEAL_NONCE_BYTES]) {
        dice_bytes(dice, ret, SEAL_NONCE_BYTES);
}

/* The newest are remembered; memory stays what it is. */
static void test_nonces(void **state) {
        const unsigned n = SEAL_NONCES / 4, all = 4 * SEAL_NONCES;
        uint8_t (*nonces)[SEAL_NONCE_BYTES] = calloc(all, sizeof(*nonces));
        SealNonces table;
        Dice dice;

        assert_non_null(nonces);
        assert_int_equal(seal_nonces_init(&table), 0);
        dice_init(&dice, 7, 1);
        for (unsigned i = 0; i < all; i++) {
                make_nonce(&dice, nonces[i]);
                assert_false(seal_nonces_seen(&table, nonces[i]));
                seal_nonces_add(&table, nonces[i]);
                assert_true(seal_nonces_seen(&table, nonces[i]));
        }
        for (unsigned i = all - n; i < all; i++)
                assert_true(seal_nonces_seen(&table, nonces[i]));
        assert_false(seal_nonces_seen(&table, nonces[0]));

        nonces[all - 1][0] ^= 0x80;             /* the phase is not a part of it */
        assert_true(seal_nonces_seen(&table, nonces[all - 1]));
        nonces[all - 1][11] ^= 1;
        assert_false(seal_nonces_seen(&table, nonces[all - 1]));
        seal_nonces_done(&table);
        free(nonces);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_orders),
                cmocka_unit_test(test_model),
                cmocka_unit_test(test_nonces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
