/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Takes the place of basic/random.c when the program is linked. The one state in a global: the function that it
 * replaces has no argument to keep it in.
 */

#include "basic/random.h"
#include "tests/sim/dice.h"
#include "tests/sim/seeded.h"

static Dice seeded_dice;

void seeded_random(uint64_t seed) {
        dice_init(&seeded_dice, seed, UINT64_MAX);
}

int random_bytes(void *ret, size_t size) {
        dice_bytes(&seeded_dice, ret, size);
        return 0;
}
