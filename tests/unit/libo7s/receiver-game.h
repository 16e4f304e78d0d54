/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The receiving half of FRCT against a peer made of headers, in virtual time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "libo7s/frct-receiver.h"

#define MSEC NSEC_PER_MSEC
#define SEC NSEC_PER_SEC
#define START (100 * SEC)
#define FIRST_NUMBER UINT32_C(0xfffffff0)       /* so that every test of some length sees the wrap */

typedef struct Game {
        FrctReceiver *receiver;
        nsec_t now;
} Game;

Game game_new(bool reliable, bool extended, bool stream);
void game_done(Game *game);

#define _game_ _cleanup_(game_done)

/* A packet arrives. */
void hear(Game *game, uint8_t flags, uint32_t sequence, const char *content);

/* One of data. Numbers count from the first. */
void data(Game *game, uint32_t i);

/* A bare packet of ours. */
FrctHeader speak(Game *game);
bool must_speak(Game *game);

void assert_reads(Game *game, const char *expected);

/* Returns: how many messages. */
unsigned read_all(Game *game);

FrctStats stats(Game *game);
