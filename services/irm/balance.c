/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Choosing among listeners, see balance.h. */

#include "services/irm/balance.h"

static bool has_room(const BalanceCandidate *c) {
        return c->n_offers < BALANCE_BACKLOG_MAX;
}

static int choose_round_robin(const BalanceCandidate *candidates, size_t n, size_t *rotor) {
        for (size_t i = 0; i < n; i++) {
                size_t at = (*rotor + i) % n;

                if (!has_room(&candidates[at]))
                        continue;

                *rotor = (at + 1) % n;
                return (int) at;
        }

        return -EAGAIN;
}

static int choose_spill(const BalanceCandidate *candidates, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (has_room(&candidates[i]))
                        return (int) i;

        return -EAGAIN;
}

/* An offer counts like a flow: else a burst would all go to the one that was least loaded before it. */
static int choose_least_flows(const BalanceCandidate *candidates, size_t n) {
        int best = -EAGAIN;

        for (size_t i = 0; i < n; i++) {
                uint64_t load = (uint64_t) candidates[i].n_flows + candidates[i].n_offers;

                if (!has_room(&candidates[i]))
                        continue;
                if (best >= 0 && load >= (uint64_t) candidates[best].n_flows + candidates[best].n_offers)
                        continue;

                best = (int) i;
        }

        return best;
}

int balance_choose(LoadBalance balance, const BalanceCandidate *candidates, size_t n, size_t *rotor) {
        assert(rotor);

        if (n == 0)
                return -EAGAIN;

        switch (balance) {
        case BALANCE_SPILL:
                return choose_spill(candidates, n);
        case BALANCE_LEAST_FLOWS:
                return choose_least_flows(candidates, n);
        case BALANCE_ROUND_ROBIN:
        case _BALANCE_MAX:
        case _BALANCE_INVALID:
                break;
        }

        return choose_round_robin(candidates, n, rotor);
}
