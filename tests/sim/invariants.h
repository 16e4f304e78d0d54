/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must hold. Packets are followed through the members' own forwarding tables, one hop after the other, without
 * sending any: so that every way can be looked at, at one moment, without disturbing anything.
 *
 *   any time            a table does not outgrow its bound; a member has no more neighbours than links
 *   converged           every member that can be reached is reached, no way goes in circles, everybody joined
 *
 * Members are converged when all of the latter holds; a deadline after the last disturbance they have to be.
 */

#include "tests/sim/world.h"

typedef struct Survey {
        uint64_t n_ways;                /* that were followed */
        uint64_t n_reached;
        uint64_t n_holes;               /* a member knows no next hop, or one that is not there */
        uint64_t n_loops;
        uint64_t n_hops;                /* of those that were reached */
        uint32_t n_outside;             /* members that live next to the layer and are not in it */
        Member *from;                   /* one of the ways that were not reached; NULL: none */
        Member *to;
        bool loop;                      /* that one goes in circles */
} Survey;

/* Follows all ways where members are few, and a sample of them where they are many. */
void survey_take(World *w, Dice *dice, Survey *ret);

/* Runs until the members are converged. Returns: how long after the last disturbance that was; USEC_INFINITY: not
 * until the deadline, which the verdict then says. */
usec_t invariants_await(World *w, const char *when, usec_t deadline_usec);

/* Tables. quiet: nothing has happened for so long that what is over is forgotten. */
void invariants_check_tables(World *w, const char *when, bool quiet);
