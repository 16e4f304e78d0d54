/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a flow over a path in memory that delays, loses, doubles and reorders; time is virtual. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/list.h"
#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define EPOCH ((nsec_t) 1000 * SEC)
#define PACKET_MAX 1400U

typedef struct Path {
        nsec_t delay;
        nsec_t jitter;
        unsigned loss;                  /* per mille */
        unsigned each;                  /* each n-th packet of both directions together is lost; 0: none */
        unsigned doubled;
        uint64_t rate;                  /* bytes per second; 0: any */
        size_t queue_max;               /* bytes that wait for the rate */
        size_t packet_max;              /* larger ones vanish; 0: none do */
        bool dark;                      /* nothing passes */
        bool silent[2];                 /* nothing of this end does */
        bool marked;                    /* all that passes is */
} Path;

typedef struct End {
        Frct *frct;
        List towards;                   /* Datagrams, in the order of their arrival */
        nsec_t free_at;                 /* the link to it has sent what it has */
        uint64_t n_sent, n_sent_bytes, n_refused;
} End;

typedef struct World {
        nsec_t now;
        Path path;
        End ends[2];
        uint64_t seed;
        uint64_t n_sent;                /* packets, both directions */
        unsigned refuse;                /* per mille of packets that the lane does not take at once */
} World;

/* Its random numbers, for FrctConfig.random. */
uint32_t world_random(void *userdata);

void world_setup(World *w, const FrctConfig *config, const Path *path);
void world_teardown(World *w);

/* Everything that happens at this moment. */
void world_settle(World *w);

/* To the next moment at which something happens, but not beyond until. Returns false where nothing does any more. */
bool world_step(World *w, nsec_t until);

ssize_t say(World *w, unsigned from, const void *data, size_t size);

/* Bytes that tell where they belong. */
void fill(uint8_t *bytes, size_t size, uint64_t position);
