/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A host on which the name "here" is served, with authentication, and "plain" without: o7s-irm with doubles of the
 * authentication service, of the layer "lan" and of the program that listens for "here".
 */

#include "tests/unit/irm/auth-fixture.h"

/* Of an admitted request: this, and its reference. */
#define SERVING_SESSION UINT64_C(500)
#define SERVING_CAPABILITIES (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)

typedef struct ServingHost {
        IrmFixture irm;
        AuthFixture auth;
        int listener;
        int layer;
} ServingHost;

/* For cmocka; the state that it begins with is the program, the one that tests get a ServingHost. */
int serving_set_up(void **state);
int serving_tear_down(void **state);

/* The IRM is killed and started again; layer and listener come back. */
void serving_restart(ServingHost *host);

/* Another host asks for a flow; id: of the request. */
void serving_say_incoming(ServingHost *host, const char *name, uint64_t reference, const uint8_t *oap,
                          size_t oap_size);
void serving_ask(ServingHost *host, const char *name, uint64_t reference, uint8_t id);

/* What the service answers about a good request. */
AuthMessage serving_checked(uint64_t id, uint64_t session, uint8_t oap_id);

/* A request that the service finds good. Returns the number of its session. */
uint64_t serving_admit(ServingHost *host, uint64_t reference, uint8_t id);

/* The program takes the offer that it hears. */
void serving_accept(ServingHost *host, IrmMessage *ret_offer);

/* The layer says what its answer will say. */
void serving_say_prepared(ServingHost *host, const LayerMessage *prepare);

/* The layer refuses the request; nothing goes to the other host. */
void serving_hear_refusal(ServingHost *host, uint64_t reference, int result);
