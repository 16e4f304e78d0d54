/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Companions: towards an o7s member each cube has a data transfer flow of its own, beside that of best effort, which
 * opens the others.
 */

#include "services/ipcp-unicast/unicast.h"

/* Towards an o7s member, until a flow of another cube is tried again; until then its packets share that of best
 * effort. */
#define COMPANION_RETRY_USEC (200 * USEC_PER_MSEC)
#define COMPANION_RETRY_MAX_USEC (60 * USEC_PER_SEC)

static bool companion_is_there(const LowerFlow *flow, Cube cube) {
        const LowerFlow *other;

        if (neighbour_has_flow(flow->neighbour, LOWER_DATA, cube, (int) flow->lower, NULL))
                return true;

        list_for_each(other, &flow->unicast->lower_flows, by_unicast)
                if (other->companion && other->state < LOWER_OPEN && other->cube == cube &&
                    other->lower == flow->lower && other->expected == flow->neighbour->address)
                        return true;

        return false;
}

static void companions_again(LowerFlow *flow, usec_t now) {
        flow->companion_backoff_usec = flow->companion_backoff_usec == 0
                                               ? COMPANION_RETRY_USEC
                                               : MIN(2 * flow->companion_backoff_usec, COMPANION_RETRY_MAX_USEC);
        (void) expiry_set(&flow->unicast->lower_expiries, &flow->expiry, usec_add(now, flow->companion_backoff_usec));
}

void neighbour_open_companions(LowerFlow *flow, usec_t now) {
        const Neighbour *n = flow->neighbour;
        const char *name = n->member;
        LowerFlow *companion;
        bool failed = false;

        /* By the name of the member, as that of the layer may lead to another one. In turns with the name that was good
         * before, should its own not be known, or cut. */
        if (strlen(name) == CEP_MEMBER_BYTES_MAX || flow->n_companion_attempts++ % 2 == 1)
                name = flow->name;

        for (Cube cube = CUBE_BEST_EFFORT + 1; cube < _CUBE_MAX; cube++) {
                if (companion_is_there(flow, cube))
                        continue;
                if (lower_flow_open(flow->unicast, LOWER_DATA, cube, flow->lower, name, now, &companion) < 0) {
                        failed = true;
                        continue;
                }
                companion->companion = true;
                companion->expected = n->address;
        }

        if (failed)
                companions_again(flow, now);
}

void neighbour_companion_ended(Unicast *u, const LowerFlow *companion, usec_t now) {
        Neighbour *n = neighbour_find(u, companion->expected);
        LowerFlow *flow;

        if (!n)
                return;
        list_for_each(flow, &n->data[CUBE_BEST_EFFORT], by_neighbour)
                if (flow->outgoing && flow->lower == companion->lower) {
                        /* One that worked for a while was no failure. */
                        if (companion->opened > 0 && usec_sub(now, companion->opened) > COMPANION_RETRY_MAX_USEC)
                                flow->companion_backoff_usec = 0;
                        return companions_again(flow, now);
                }
}
