/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Everything that one run has: members, links between them as a topology says, the network, time, and what was found
 * wrong. What happens to it is in scenario.c, what must hold in invariants.c, flows of applications in traffic.c.
 */

#include "tests/sim/member.h"
#include "tests/sim/topology.h"
#include "tests/sim/verdict.h"

typedef struct Traffic Traffic;

typedef struct WorldOptions {
        uint64_t seed;
        uint32_t n_members;
        TopologyShape shape;
        MemberOptions member;
        usec_t link_delay_min_usec;
        usec_t link_delay_max_usec;
        bool verbose;
} WorldOptions;

struct World {
        WorldOptions options;
        Timeline timeline;
        Trace trace;
        Verdict verdict;
        Dice dice;                      /* what the scenario decides */
        Network network;
        Topology topology;
        Link *links;                    /* as topology.edges */
        Member *members;
        uint32_t n_members;
        Map *by_address;                /* of members that live: address → Member */
        Traffic *traffic;               /* not owned; NULL: none */
        usec_t disturbed;               /* when something last changed that is not the members' doing */
        uint64_t past_ttl_drops;        /* of lives that are over */
        uint64_t past_packets;
};

int world_new(const WorldOptions *options, World **ret);
World *world_free(World *w);
DEFINE_CLEANUP(World, world_free);

void world_run_for(World *w, usec_t usec);

/* Something happened from outside: links, deaths, births. */
void world_disturb(World *w);

/* The living member with this address; NULL. */
Member *world_by_address(const World *w, uint64_t address);

/* By links that are up and members that live. piece: n_members of them, the same number for those that can reach each
 * other; a dead member is a piece of its own. */
void world_pieces(const World *w, uint32_t *piece);

/* Of UnicastEvents, told by members. */
void world_member_joined(World *w, Member *m);
void world_member_gone(World *w, Member *m);

/* Sums over all members, past lives included. */
uint64_t world_drops(const World *w, DropReason reason);
