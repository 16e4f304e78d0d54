/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Chance, from a seed: the same seed and stream give the same throws on every machine. Each object that needs chance
 * has a stream of its own, so that what one of them draws does not change what happens to the others.
 */

#include "basic/time.h"

typedef struct Dice {
        uint64_t state;
} Dice;

/* SplitMix64. */
static inline uint64_t dice_next(Dice *d) {
        uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static inline void dice_init(Dice *d, uint64_t seed, uint64_t stream) {
        d->state = seed;
        d->state = dice_next(d) ^ stream * UINT64_C(0xd1342543de82ef95);
        (void) dice_next(d);
}

/* 0 to n - 1; n > 0. The bias of the remainder is far below what a simulation can see. */
static inline uint64_t dice_below(Dice *d, uint64_t n) {
        return dice_next(d) % n;
}

/* low to high, both included. */
static inline uint64_t dice_between(Dice *d, uint64_t low, uint64_t high) {
        return low + dice_below(d, high - low + 1);
}

static inline bool dice_chance(Dice *d, double probability) {
        return (double) (dice_next(d) >> 11) * 0x1p-53 < probability;
}

static inline void dice_bytes(Dice *d, void *ret, size_t size) {
        uint8_t *to = ret;

        while (size > 0) {
                uint64_t word = dice_next(d);
                size_t n = MIN(size, sizeof(word));

                memcpy(to, &word, n);
                to += n;
                size -= n;
        }
}
