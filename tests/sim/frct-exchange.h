/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Short exchanges, each with a path and programs of its own that follow from its seed: from harmless to hopeless. */

#include "tests/sim/frct-run.h"

/* What the seed stands for. */
void frct_exchange_options(uint64_t seed, FrctRunOptions *ret);

typedef struct FrctExchanges {
        uint64_t n_runs, n_whole, n_given_up;
        uint64_t n_packets, n_events, bytes;
        uint64_t digest;
} FrctExchanges;

/* n of them, from this seed on. Returns: 0; -ENOMEM. */
int frct_exchanges_run(uint64_t seed, uint64_t n, Verdict *verdict, FrctExchanges *ret);
