/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two hosts that shake hands, for who attacks them: identities, and the messages of both as bytes. The real objects,
 * and their own rules. */

#include "tests/attack/attack.h"
#include "tests/support/handshake-side.h"

#define HANDS_NAME "web.example"
#define HANDS_MESSAGE_BYTES 8192U

typedef struct HandsMessage {
        size_t size;
        uint8_t bytes[HANDS_MESSAGE_BYTES];
} HandsMessage;

typedef enum HandsMode {
        HANDS_KEYS,             /* key exchange, nobody signs */
        HANDS_SERVER,
        HANDS_MUTUAL,
        HANDS_MAC,              /* no encryption, the server signs */
        HANDS_REQUIRED,         /* as server, and encryption is required by both */
        _HANDS_MODE_MAX,
} HandsMode;

typedef struct Hands {
        TestIdentity authority, server, client, mallory;
        Trust *trust;
} Hands;

/* Returns: whether it worked. */
bool hands_init(Hands *hands);
void hands_done(Hands *hands);

/* A side of this mode, with a handshake begun; random: of its randomness. */
bool hands_side(const Hands *hands, TestSide *side, bool server, HandsMode mode, uint64_t random);

/* Whole steps. */
bool hands_ask(const Hands *hands, TestSide *client, HandsMode mode, uint64_t random, HandsMessage *ret);
int hands_answer(const Hands *hands, TestSide *server, HandsMode mode, uint64_t random, const HandsMessage *request,
                 HandsMessage *ret);

/* What may be taken out of a message. */
#define HANDS_STRIP_CERTIFICATE (1U << 0)
#define HANDS_STRIP_KEY_EXCHANGE (1U << 1)
#define HANDS_STRIP_EXTENSION (1U << 2)
#define HANDS_STRIP_CIPHER (1U << 3)
#define HANDS_STRIP_ALL 15U

/* hash_size: of a response's request hash; 0: it is a request. Returns: whether anything changed. */
bool hands_strip(HandsMessage *message, size_t hash_size, unsigned what);
size_t hands_hash_size(const HandsMessage *request);

/* Makes a response look like one to this request: its id, its hash. What everybody can do who alters requests. */
void hands_repair(HandsMessage *response, size_t hash_size, const HandsMessage *request);
