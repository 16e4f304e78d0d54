/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One run from the first member to the last check:
 *
 *   start       everybody comes to life at about the same time, and joins
 *   idle        what a layer says when nothing happens
 *   failures    links fail, one at a time, noticed and unnoticed, and come back
 *   traffic     names are found, flows are allocated and carry messages
 *   storm       everything at once: links flap, members die and come again, packets are lost, doubled, overtaken, late;
 *               flows are allocated all the while
 *   partition   a part is cut off, and joined again
 *   calm        after all that, everything must be found, reached and bounded
 */

#include "tests/sim/world.h"

typedef struct ScenarioOptions {
        WorldOptions world;
        NetworkConditions bad;          /* of the storm and the partition */
        usec_t storm_usec;              /* 0: neither storm nor partition */
        double flaps;                   /* links that go down, per link and minute */
        double deaths;                  /* members, per member and minute */
        double partition;               /* part of the members that is cut off */
        usec_t patience_usec;           /* how long what is over may be remembered: tables are checked strictly after
                                         * it; 0: they are not, and nobody waits for it */
        unsigned n_failures;
        unsigned n_exchanges;
        bool sabotage;                  /* two members are made to send everything to each other: this must be found
                                         * out */
        usec_t deadline_usec;           /* of convergence, after each disturbance */
} ScenarioOptions;

typedef struct ScenarioResult {
        uint64_t digest;
        uint64_t n_traced;
        unsigned n_failed;
        uint64_t n_checked;
        uint32_t diameter;
        double degree;
        usec_t start_usec;              /* from the first breath until everybody reached everybody */
        double start_messages;          /* per member */
        double idle_messages;           /* per member and minute */
        double idle_bytes;              /* the same */
        double memory_bytes;            /* per member */
        usec_t failure_usec;            /* until a noticed failure is routed around: the median */
        usec_t failure_max_usec;
        usec_t silent_usec;             /* of unnoticed ones, from the failure on: the median */
        double failure_messages;        /* per member, of a noticed failure and its repair */
        usec_t storm_usec;              /* until everything was well after it, still with a bad network */
        usec_t partition_usec;          /* until both halves were well */
        usec_t heal_usec;
        usec_t allocation_usec;         /* a flow, in calm: the median */
        double hops;                    /* rounds of the directory per flow, question and request together */
        double storm_allocated;         /* part of the flows asked for during the storm */
        double storm_delivered;         /* part of the messages in them that arrived */
        uint64_t n_ttl;                 /* packets that went in circles until they died */
        uint64_t n_packets;             /* all packets that members sent */
        usec_t duration_usec;           /* virtual */
} ScenarioResult;

/* The layer's figures for the simulation: refreshes often enough that a run sees many of them. */
void scenario_options_init(ScenarioOptions *o, uint32_t n_members, TopologyShape shape, uint64_t seed);

/* Returns: 0: see n_failed; < 0: it could not be run. */
int scenario_run(const ScenarioOptions *options, ScenarioResult *ret);
