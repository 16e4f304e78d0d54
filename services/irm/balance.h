/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which of several listeners of one name gets the next flow. Pure. */

#include "basic/enum.h"
#include "services/common/name-file.h"

/* Offers that a listener may have unanswered; beyond, flows wait in the IRM until it takes one. */
#define BALANCE_BACKLOG_MAX 128U

typedef struct BalanceCandidate {
        uint32_t n_offers;      /* unanswered */
        uint32_t n_flows;       /* established */
} BalanceCandidate;

/* The index of the one to choose, or -EAGAIN where every backlog is full (or there is no candidate at all).
 * rotor is the memory of round-robin: the index that comes next; the caller keeps it with the name. */
int balance_choose(LoadBalance balance, const BalanceCandidate *candidates, size_t n, size_t *rotor);
