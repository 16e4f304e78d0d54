/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attacks on the real objects, without nodes: each is named after the requirement or the weakness that it tries
 * (docs/SECURITY.md), does its worst for a number of rounds, and says with one line what came of it:
 *
 *   claim R-22 | 100000 replays, 100000 reflections: 0 delivered | held
 *
 * "held" or "broken"; tools/security-table.py makes the table from these lines. Scaled to seconds by default; "--full"
 * is the size that counts. Time and randomness are the attack's own: a round that failed can be had again by its seed.
 */

#include "basic/macro.h"

#define ATTACKS_MAX 32U                 /* of one program */

typedef struct Attack Attack;

struct Attack {
        const char *id;                 /* "R-22", "OAP-3" */
        bool (*run)(Attack *attack);    /* whether the claim held; attack_figure() before that */
        bool full;                      /* set from outside */
        uint64_t seed;
        char figure[384];
};

/* What was tried, and what came of it: one line. */
void attack_figure(Attack *attack, const char *format, ...) _printf_(2, 3);

/* Why it is broken, at once and for whoever debugs; false, so that "return attack_broken(...)" is one statement. */
bool attack_broken(Attack *attack, const char *format, ...) _printf_(2, 3);

/* The number of rounds: "full" of them, or that many by default. */
static inline unsigned attack_rounds(const Attack *attack, unsigned by_default, unsigned full) {
        return attack->full ? full : by_default;
}

/* Numbers from the seed, for who attacks; splitmix64. */
uint64_t attack_random(Attack *attack);
void attack_random_bytes(Attack *attack, void *ret, size_t size);

/* PROGRAM [--full] [--seed=N] [ID...]: all of them, or these. Returns: what main() returns. */
int attack_main(int argc, char *argv[], Attack *attacks, size_t n);
