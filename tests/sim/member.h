/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A member of the simulated layer: the core (unicast.h) in a shell made of virtual time, seeded chance and the
 * simulated network. It can be started, killed and started again; each life has a new address.
 */

#include "services/ipcp-unicast/unicast.h"
#include "tests/sim/network.h"

#define MEMBER_LAYER "sim"
#define MEMBER_HASH_BYTES 32U           /* SHA3-256 */

typedef struct World World;

typedef struct MemberOptions {
        LayerConfig layer;              /* what the first member decides */
        usec_t retry_max_usec;
} MemberOptions;

struct Member {
        World *world;                   /* not owned */
        Timeline *timeline;             /* not owned */
        const MemberOptions *options;   /* not owned */
        uint32_t number;
        char name[32];
        uint8_t application[MEMBER_HASH_BYTES]; /* hash of the name that its application registers */
        Port *ports;                    /* owned */
        size_t n_ports;
        UnicastNeighbourConfig *neighbours;     /* behind ports that share a layer; owned */
        unsigned n_neighbours;

        Unicast unicast;                /* while alive */
        bool alive;
        bool dying;                     /* without a word */
        uint32_t life;
        uint64_t address;               /* of this life; 0: not a member yet */
        usec_t born;
        usec_t joined;
        TimelineEvent timer;
        usec_t planned;                 /* what timer is set to */
        Dice dice;
};

/* Comes to life: the first one bootstraps, all others enroll through whom they reach. */
int member_start(Member *m, bool bootstrap);

/* kill -9: nobody hears of it. Fine for one that does not live. */
void member_kill(Member *m);

/* An orderly end. */
void member_leave(Member *m);

void member_done(Member *m);

/* After anything was told to its core: when it is to be called again may have changed. */
void member_plan(Member *m);
