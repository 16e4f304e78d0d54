/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two hosts that shake hands through the messages of their authentication services alone, and who they may be: a
 * fixture for cmocka around tests/support/auth-host.h.
 */

#include "tests/support/auth-host.h"

#define WORLD_NAME "web.example"
#define WORLD_DIRECTORY "/etc/o7s/security/"

typedef struct World {
        TestIdentity authority, server, client, stranger, other;
} World;

/* For a group of tests; the state is a World. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Both trust the authority; the server shows its certificate. */
typedef struct WorldPair {
        TestHost client, server;
} WorldPair;

void world_pair_init(WorldPair *pair, World *world);
void world_pair_done(WorldPair *pair);

typedef enum Step {
        STEP_DONE,
        STEP_BUILD_REQUEST,
        STEP_CHECK_REQUEST,
        STEP_BUILD_RESPONSE,
        STEP_CHECK_RESPONSE,
} Step;

/* A whole handshake: what each step answered. */
typedef struct Shake {
        Step step;                      /* where it was refused */
        int result;
        AuthMessage request, checked, response, end;
} Shake;

void shake_hands(TestHost *client, TestHost *server, const char *const *client_settings,
                 const char *const *server_settings, Shake *ret);
void shake_done(Shake *shake);

/* What one end sends with, the other receives with. */
void shake_keys_fit(const AuthMessage *client, const AuthMessage *server);
