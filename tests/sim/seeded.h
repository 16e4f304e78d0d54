/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The program's source of randomness. Maps draw their keys with random_bytes() (basic/random.h), and the order in
 * which one is walked depends on its key; so o7s-sim brings its own random_bytes(), which a seed decides.
 */

#include "basic/macro.h"

void seeded_random(uint64_t seed);
