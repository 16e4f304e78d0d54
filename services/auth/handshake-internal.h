/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "services/auth/handshake.h"
#include "services/auth/key-derivation.h"
#include "services/auth/negotiation.h"

typedef enum HandshakeState {
        HANDSHAKE_FRESH,
        HANDSHAKE_CHECKED,              /* asked: the request is good */
        HANDSHAKE_PREPARED,             /* our message waits for its signature */
        HANDSHAKE_WAITING,              /* asking: the request is out */
        HANDSHAKE_COMPLETE,
        HANDSHAKE_FAILED,
        _HANDSHAKE_STATE_MAX,
        _HANDSHAKE_STATE_INVALID = -EINVAL,
} HandshakeState;

struct Handshake {
        bool server;
        HandshakeState state;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        const SecurityPolicy *policy;           /* not owned */
        Trust *trust;                           /* a reference; NULL: none */
        Negotiation terms;
        uint8_t *certificate;                   /* ours, owned; NULL: not shown */
        size_t certificate_size;
        uint16_t digest;                        /* of our signature, and of the hash over our request; 0: EdDSA */
        uint32_t capabilities;
        uint8_t token[OAP_TOKEN_BYTES];
        bool have_replaced;
        uint8_t replaced[OAP_ID_BYTES];
        uint8_t epoch[AUTH_EPOCH_BYTES];
        uint8_t random[HANDSHAKE_RANDOM_BYTES];
        KeyExchange *exchange;                  /* ours; NULL: none */

        /* Our message; its parts are above and here. */
        OapHeader header;
        OapExtension extension;
        uint8_t data[OAP_EXTENSION_BYTES_MAX];

        /* What both saw. */
        uint8_t *request;                       /* owned, with its signature */
        size_t request_size;
        uint8_t request_hash[HASH_BYTES_MAX];
        size_t request_hash_size;
        uint8_t request_binding[OAP_DIGEST_BYTES];      /* as our layer has it; zeroes: it says nothing */
        uint8_t response_binding[OAP_DIGEST_BYTES];

        /* The peer's message, whose parts are gone with it. */
        OapHeader peer_header;
        OapExtension peer_extension;
        AuthPeer peer;

        /* What is agreed. */
        OapKeyExchange key_exchange;
        const OapAlgorithm *cipher;             /* NULL: a plain flow, or by suite alone */
        const OapAlgorithm *derivation;
        uint16_t suite;                         /* of the extension; 0: the reference's packets */
        size_t shared_size;
        uint8_t shared[KEY_EXCHANGE_SECRET_MAX];
        FlowSecrets secrets;                    /* suite SEAL_NONE: a plain flow */
};

/* Where the bytes for the moments are. */
#define RANDOM_OF_ID(h) ((h)->random)
#define RANDOM_OF_NONCE(h) ((h)->random + OAP_ID_BYTES)
#define RANDOM_OF_KEY_EXCHANGE(h) ((h)->random + OAP_ID_BYTES + OAP_NONCE_BYTES)

/* -- handshake.c -- */

/* Makes our key pair. */
int handshake_make_key(Handshake *h, OapKeyExchange kex);
/* The shared secret with a peer's key, into h->shared. */
int handshake_share_secret(Handshake *h, const uint8_t *spki, size_t size, char text[AUTH_TEXT_BYTES_MAX]);

/* A sentence, and the error that goes with it. */
int handshake_refuse(char text[AUTH_TEXT_BYTES_MAX], int error, const char *format, ...) _printf_(3, 4);

/* One step on the one way through. Returns: whether it was its turn. */
bool handshake_enter(Handshake *h, HandshakeState from, HandshakeState to);

/* Wipes what is secret: after this, everything is -EPROTO. Returns: error. */
int handshake_fail(Handshake *h, int error);

/* -- handshake-extension.c -- */

int handshake_hash_name(const char *name, uint8_t ret[OAP_DIGEST_BYTES]);
int handshake_hash_binding(const void *binding, size_t size, uint8_t ret[OAP_DIGEST_BYTES]);    /* zeroes of nothing */

/* The extension of a peer's message, complete or an error. */
int handshake_read_extension(Handshake *h, const OapHeader *header, OapExtension *ret, char text[AUTH_TEXT_BYTES_MAX]);

/* Whether what the peer's layer message was is what our layer saw; which: "request" or "response". */
int handshake_check_binding(const OapExtension *extension, const uint8_t seen[OAP_DIGEST_BYTES], const char *which,
                            char text[AUTH_TEXT_BYTES_MAX]);

/* Whether both said everything that an o7s key schedule needs. */
bool handshake_offers_suites(const OapExtension *request);

/* Packs h->extension into h->data, and makes it the header's. */
int handshake_pack_extension(Handshake *h);

/* response: without its signature, and with a confirmation of zeroes. */
int handshake_transcript(const Handshake *h, const void *response, size_t size, uint8_t ret[OAP_DIGEST_BYTES]);

/* Keys, from h->shared and what was agreed; transcript: only with a suite. Wipes h->shared. */
int handshake_derive_suite(Handshake *h, const uint8_t transcript[OAP_DIGEST_BYTES]);
int handshake_derive_reference(Handshake *h, const uint8_t *spki, size_t spki_size);

/* What people are told of it: once it is agreed. */
void handshake_describe_keys(Handshake *h);

/* -- handshake-peer.c -- */

/* Certificate, signature, identity, whatever is there or has to be. header: parsed from message. */
int handshake_check_peer(Handshake *h, uint64_t now_realtime_nsec, const OapHeader *header, const uint8_t *message,
                         size_t size, const OapExtension *extension, char text[AUTH_TEXT_BYTES_MAX]);

/* What outlives the peer's message. */
void handshake_keep_peer(Handshake *h, const OapHeader *header, const OapExtension *extension);
