/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One flow allocation as both sides authenticate it: OAP of the reference protocol, and the o7s extension in its
 * data. Pure: time and randomness are arguments; signing happens elsewhere, between prepare and finish. Each side is
 * an object with one way through:
 *
 *   asking   new ─► build ─► (o7s-keyd) ─► signed ─► [bytes out] ... [bytes in] ─► check_response ─► keys
 *   asked    new ─► check_request ─► [the application accepts] ─► build ─► (o7s-keyd) ─► signed ─► [bytes out], keys
 *
 * Fail closed: any step that returns an error ends the object; whatever is asked of it then is -EPROTO.
 */

#include "services/auth/credentials.h"
#include "services/auth/key-exchange.h"

#define HANDSHAKE_RANDOM_BYTES 192U

typedef struct Handshake Handshake;

typedef struct HandshakeParameters {
        bool server;
        const char *name;                       /* the name that is called */
        const SecurityPolicy *policy;           /* outlives the object */
        const Credentials *credentials;         /* copied as far as needed */
        uint32_t capabilities;                  /* OAP_CAPABILITY_ */
        const uint8_t *token;                   /* OAP_TOKEN_BYTES */
        const uint8_t *replaced;                /* OAP_ID_BYTES, or NULL */
        const uint8_t *epoch;                   /* AUTH_EPOCH_BYTES, of this host; server only */
        char *text;                             /* AUTH_TEXT_BYTES_MAX, or NULL: why handshake_new() fails */
} HandshakeParameters;

/* Returns: 0; -EOPNOTSUPP: what the policy asks for is not to be had; -ENOKEY: our certificate is needed, and is not
 * there or is no good; -EINVAL: name; -ENOMEM. */
int handshake_new(const HandshakeParameters *parameters, const uint8_t random[HANDSHAKE_RANDOM_BYTES], Handshake **ret);
Handshake *handshake_free(Handshake *h);        /* wipes */
DEFINE_CLEANUP(Handshake, handshake_free);

/* What is to be signed, or *ret_signs = false. binding: of our own message. server: reset (AUTH_RESET_BYTES) or NULL;
 * grants: OAP_CAPABILITY_ of the response. The header's parts live until the next call. Returns: 0; -EPROTO: not its
 * turn; -EOPNOTSUPP; -EINVAL: binding; -ENOMEM. */
int handshake_build_request(Handshake *h, uint64_t now_realtime_nsec, const void *binding, size_t binding_size,
                            OapHeader *ret, bool *ret_signs);
int handshake_build_response(Handshake *h, uint64_t now_realtime_nsec, uint32_t grants, const uint8_t *token,
                             const uint8_t *reset, const void *binding, size_t binding_size, OapHeader *ret,
                             bool *ret_signs);

/* The message as it goes out; without a signature where nothing signs. Returns: its bytes; -ENOBUFS; -EPROTO;
 * -ENOMEM. */
ssize_t handshake_finish(Handshake *h, const void *signature, size_t signature_size, void *buffer, size_t size);

/* What comes in; binding: of the peer's message, as our layer saw it. Returns: as result in auth-message.h; text
 * likewise. */
int handshake_check_request(Handshake *h, uint64_t now_realtime_nsec, const void *oap, size_t size, const void *binding,
                            size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]);
int handshake_check_response(Handshake *h, uint64_t now_realtime_nsec, const void *oap, size_t size,
                             const void *binding, size_t binding_size, char text[AUTH_TEXT_BYTES_MAX]);

/* After a check: who it is, what it said. After the last step also the keys, whose owner wipes them. */
void handshake_peer(const Handshake *h, AuthPeer *ret);
const OapExtension *handshake_extension(const Handshake *h);
const OapHeader *handshake_header(const Handshake *h);  /* of the peer's message: id, stamp; its parts are gone */
/* Returns: 0; suite SEAL_NONE where the flow is plain; -EPROTO. */
int handshake_keys(const Handshake *h, SealKeys *ret_keys, ControlKeys *ret_control);
