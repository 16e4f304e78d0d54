/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A host whose program asks for flows: o7s-irm with doubles of the authentication service and of the layer "lan", which
 * reaches whatever is asked for. Its files have policies for some names.
 */

#include "tests/unit/irm/auth-fixture.h"

#define ASKING_SESSION UINT64_C(77)
#define ASKING_CAPABILITIES (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)

typedef struct AskingHost {
        IrmFixture irm;
        AuthFixture auth;
        int client;
        int layer;
} AskingHost;

/* For cmocka; the state that they begin with is the program, the one that tests get an AskingHost. over: with the file
 * of a layer over the other; alone: without the service. */
int asking_set_up(void **state);
int asking_set_up_over(void **state);
int asking_set_up_alone(void **state);
int asking_tear_down(void **state);

/* Another process of the layer. */
int asking_online_layer(AskingHost *host);

/* A program asks, and has brought its lane; the layer says that it reaches the name. Returns the program's end of
 * the doorbell. */
int asking_ask(AskingHost *host, const char *name);

/* The layer says what its request will say. */
void asking_prepare(AskingHost *host, LayerMessage *ret);

/* The service has made the request. */
void asking_say_built(AskingHost *host, uint64_t id, uint64_t session, uint8_t oap_id);

/* Up to the request that the layer has. */
void asking_build(AskingHost *host, LayerMessage *ret_request);

/* The layer has an answer, and a lane. */
void asking_say_reply(AskingHost *host, const LayerMessage *request);

/* What the service says of an answer that is good. */
AuthMessage asking_good_answer(uint64_t id);
