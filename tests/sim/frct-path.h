/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Paths between the ends of flows, in virtual time: one direction each, shared by as many flows as it takes. A path
 * loses, doubles, delays, reorders and garbles packets, has a rate and a queue that drops and marks, forgets what is
 * too large for it, and may be dead for a while. What is on its way is in the air, sorted by when it arrives.
 */

#include "tests/sim/dice.h"
#include "tests/sim/trace.h"

typedef struct FrctPathOptions {
        nsec_t delay;
        nsec_t jitter;                  /* up to that much more */
        double loss, duplicate, reorder, corrupt;
        uint64_t rate;                  /* bytes per second; 0: without limit */
        size_t queue;                   /* bytes that wait at most; with a rate */
        size_t mark;                    /* bytes from which packets get a mark; 0: never */
        size_t mtu;                     /* 0: anything passes */
        nsec_t shrink_at;               /* then .mtu is .shrink_to; 0: never */
        size_t shrink_to;
        nsec_t black_from, black_to;    /* nothing passes */
} FrctPathOptions;

typedef struct FrctPath {
        FrctPathOptions options;
        Dice dice;
        nsec_t busy_until;              /* the queue's end */
        nsec_t arrival;                 /* of the packet that left last */
        uint64_t n_packets, n_lost, n_dropped, n_marked, n_large;
} FrctPath;

typedef struct FrctPacket {
        nsec_t at;
        uint64_t serial;
        unsigned to;
        bool marked;
        bool closes;                    /* the layer's close of the flow, no packet of it */
        size_t size;
        uint8_t bytes[];
} FrctPacket;

typedef struct FrctAir {
        FrctPacket **heap;
        size_t n, n_allocated;
        uint64_t serial;
        Trace trace;
} FrctAir;

void frct_path_init(FrctPath *p, const FrctPathOptions *options, uint64_t seed, uint64_t stream);

void frct_air_done(FrctAir *a);

/* Into the path. Returns: 0; -ENOMEM. */
int frct_air_send(FrctAir *a, FrctPath *path, unsigned to, const uint8_t *bytes, size_t size, nsec_t now);
int frct_air_close(FrctAir *a, FrctPath *path, unsigned to, nsec_t now);

nsec_t frct_air_next(const FrctAir *a);
/* To whom it goes, that arrives first; -1: nobody. */
int frct_air_next_to(const FrctAir *a);
/* It arrives later. Consumes the packet. Returns: 0; -ENOMEM. */
int frct_air_put_back(FrctAir *a, FrctPacket *packet, nsec_t at);
/* What arrives first; the caller frees it. NULL: the air is empty. */
FrctPacket *frct_air_take(FrctAir *a);
