/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Directories and a network between them, for directory-run.c alone: members come, die, and send each other
 * messages. */

#include "services/ipcp-unicast/directory.h"
#include "tests/sim/dice.h"
#include "tests/sim/directory-run.h"
#include "tests/sim/timeline.h"

#define DIRECTORY_RUN_REFRESH_USEC (600 * USEC_PER_SEC)
#define DIRECTORY_RUN_REPLICATE_USEC (120 * USEC_PER_SEC)
#define DIRECTORY_RUN_K 8U

typedef struct DirectoryWorld DirectoryWorld;

typedef struct Node {
        DirectoryWorld *world;          /* not owned */
        Directory *directory;           /* NULL: not come yet, or dead */
        TimelineEvent timer;
        Dice dice;
        uint32_t number;
        uint8_t name[HASH_BYTES_MAX];
        bool left_side;                 /* of a partition */
} Node;

typedef struct Lookup {
        uint32_t asker;
        uint32_t wanted;
        unsigned n_attempts;
        bool asked;
        bool ended;
        bool found;
        usec_t begin;
        usec_t end;
} Lookup;

struct DirectoryWorld {
        DirectoryRun *run;
        Timeline timeline;
        Dice dice;
        Dice network;
        Node *nodes;
        uint32_t n_nodes;               /* that ever come */
        uint32_t n_come;
        Lookup *lookups;
        size_t n_lookups;
        size_t hash_bytes;
        uint64_t n_messages;
        bool partitioned;
};

static inline uint64_t node_address(const Node *n) {
        return n->number + 1U;
}

/* After its directory was told anything: when it is to be called again may have changed. */
void node_plan(Node *n);

/* The next member comes, through somebody who is there, and registers its name. */
int directory_world_come(DirectoryWorld *w);

/* Without a word. Fine for one that is dead. */
void node_die(Node *n);

/* NULL: nobody lives. */
Node *directory_world_living(DirectoryWorld *w);
