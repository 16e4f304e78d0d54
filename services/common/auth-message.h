/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the IRM and the authentication service say to each other on /run/o7s/auth.sock (SEQPACKET, one message per
 * record, protobuf-encoded; auth.proto is private to auth-message*.c). The IRM asks, each question has a number (id)
 * and one answer; answers may come in another order. The service has no names, flows or layers; it has sessions: a
 * handshake that is under way, of one flow. It forgets them after 60 s.
 *
 *   start        IRM                                   o7s-auth
 *                HELLO(version)                    ->
 *                                                  <-  HELLO(version)
 *                KEYS + [a connection to o7s-keyd] ->        after HELLO, and again after each answer of -ENOTCONN:
 *                                                            its connection is broken
 *
 *   asking side  BUILD_REQUEST(id, source, name, policy, capabilities, token, replaced, binding, size) ->
 *                                                  <-  REQUEST_BUILT(id, result, text, session, oap)
 *                CHECK_RESPONSE(id, session, oap, binding)        ->         of whichever attempt was answered
 *                                                  <-  RESPONSE_CHECKED(id, result, text, capabilities, token, reset,
 *                                                                       epoch, peer, keys, control)
 *
 *   asked side   CHECK_REQUEST(id, source, name, policy, oap, binding) ->    before anything else is done with it
 *                                                  <-  REQUEST_CHECKED(id, result, text, session, oap_id, stamp,
 *                                                                      capabilities, token, replaced, peer)
 *                BUILD_RESPONSE(id, session, capabilities, token, reset, binding)      ->
 *                                                  <-  RESPONSE_BUILT(id, result, text, oap, peer, keys, control)
 *
 *   both         FORGET(session)                   ->        no answer
 *
 *   people       INSPECT(id, name, policy, server) ->        what would be used for this name, and whether it is good
 *                                                  <-  INSPECTED(id, result, text, findings)
 *                RELOAD(id)                        ->        trust anchors, certificates, revocation lists: again
 *                                                  <-  RELOADED(id, result, text)
 *                                                  <-  EXPIRING(name, text, expiry_usec): in advance
 *
 * result: 0, or a negative errno: -EKEYREJECTED: the peer is not who it must be, or may not; -EPROTO: its handshake is
 * wrong; -EBADMSG: cannot be parsed; -EBADE: altered on the way, or another's; -ETIME: outside its window of time;
 * -EOPNOTSUPP: algorithms; -ENOKEY: our own certificate or key cannot be used; -ENOTCONN: no o7s-keyd; -EALREADY: seen
 * before; -EBUSY: too many sessions; -ESTALE: no such session, or what it stands on has changed: again. text: a
 * sentence for people, of what failed and how to mend it.
 */

#include "basic/string.h"
#include "libo7s/seal-keys.h"
#include "services/common/oap.h"
#include "services/common/security-policy.h"

#define AUTH_SOCKET_PATH "/run/o7s/auth.sock"
#define AUTH_PROTOCOL_VERSION 1U
#define AUTH_MESSAGE_BYTES_MAX 65536U
#define AUTH_OAP_BYTES_MAX 32768U       /* of one handshake message; layers cut it into pieces */
#define AUTH_TEXT_BYTES_MAX 512U
#define AUTH_SOURCE_BYTES_MAX 328U      /* a layer's name and a peer's */
#define AUTH_IDENTITY_BYTES_MAX 256U
#define AUTH_BINDING_BYTES_MAX 512U
#define AUTH_EPOCH_BYTES 16U
#define AUTH_RESET_BYTES 16U
#define AUTH_FINDINGS_MAX 64U

typedef enum AuthMessageType {
        AUTH_HELLO,
        AUTH_KEYS,              /* one descriptor */
        AUTH_BUILD_REQUEST,
        AUTH_REQUEST_BUILT,
        AUTH_CHECK_RESPONSE,
        AUTH_RESPONSE_CHECKED,
        AUTH_CHECK_REQUEST,
        AUTH_REQUEST_CHECKED,
        AUTH_BUILD_RESPONSE,
        AUTH_RESPONSE_BUILT,
        AUTH_FORGET,
        AUTH_INSPECT,
        AUTH_INSPECTED,
        AUTH_RELOAD,
        AUTH_RELOADED,
        AUTH_EXPIRING,
        _AUTH_MESSAGE_TYPE_MAX,
        _AUTH_MESSAGE_TYPE_INVALID = -EINVAL,
} AuthMessageType;

/* For layers: what authenticates messages about the flow (close, rotation, move, congestion). */
typedef struct ControlKeys {
        bool present;
        uint8_t send[SEAL_SECRET_BYTES];
        uint8_t receive[SEAL_SECRET_BYTES];
} ControlKeys;

/* Who the peer has proven to be, and how the flow is protected; becomes o7s_flow_info. */
typedef struct AuthPeer {
        bool o7s;                                       /* it showed the extension */
        bool verified;                                  /* identity was proven and is allowed */
        char identity[AUTH_IDENTITY_BYTES_MAX];         /* SAN, such as "o7s:name:web.example"; "": none shown */
        char key_exchange[32];                          /* "X25519", "" */
        char protection[32];                            /* "none", "mac", "aes-128-gcm", ... */
} AuthPeer;

/* A finding about what is configured, for "o7sctl doctor" and the bus. */
typedef struct AuthFinding {
        int32_t result;                                 /* 0: fine */
        uint64_t expiry_usec;                           /* CLOCK_REALTIME, of a certificate; 0: none */
        char subject[AUTH_IDENTITY_BYTES_MAX];          /* what it is about: a path, a name */
        char text[AUTH_TEXT_BYTES_MAX];
} AuthFinding;

typedef struct AuthMessage {
        AuthMessageType type;
        uint32_t version;
        uint64_t id;
        uint64_t session;
        int32_t result;
        bool server;                                    /* INSPECT */
        bool have_replaced;
        bool have_token;
        bool have_reset;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* the name that is called: any bytes but NUL */
        /* Who causes it, as far as we know, for limits: a user, or a peer as its layer names it. "": not known. */
        char source[AUTH_SOURCE_BYTES_MAX];
        char text[AUTH_TEXT_BYTES_MAX];
        SecurityPolicy policy;                          /* owned: auth_message_done() */
        uint32_t capabilities;                          /* OAP_CAPABILITY_ */
        uint8_t token[OAP_TOKEN_BYTES];
        uint8_t replaced[OAP_ID_BYTES];                 /* the request that this one follows */
        uint8_t oap_id[OAP_ID_BYTES];
        uint64_t stamp;
        uint8_t epoch[AUTH_EPOCH_BYTES];                /* of the server's host */
        uint8_t reset[AUTH_RESET_BYTES];                /* ends the flow where the peer's host has lost it */
        uint32_t size;                                  /* largest message that leaves in one piece, 0: no limit */
        uint64_t expiry_usec;
        size_t binding_size;
        /* What the layer said of its request or reply, equal at both ends; empty: it says nothing. */
        uint8_t binding[AUTH_BINDING_BYTES_MAX];
        size_t oap_size;
        uint8_t *oap;                                   /* owned */
        AuthPeer peer;
        SealKeys keys;
        ControlKeys control;
        unsigned n_findings;
        AuthFinding *findings;                          /* owned */
} AuthMessage;

/* Frees what it owns, wipes the keys. */
void auth_message_done(AuthMessage *message);

/* Returns: bytes written; -ENOBUFS; -EINVAL: a field is out of range. */
ssize_t auth_message_pack(const AuthMessage *message, void *buffer, size_t size);

/* Checks every range. Returns: 0; -EBADMSG; -EPROTO: unknown type; -ENOMEM. On failure there is nothing to be freed. */
int auth_message_parse(const void *data, size_t size, AuthMessage *ret);

/* One record; fd: -1, or one that goes along (the caller's, not closed). Buffers in between are wiped. Returns: 0;
 * -EAGAIN; -EPIPE; other errno. */
int auth_message_send(int socket_fd, const AuthMessage *message, int fd);

/* One record. *ret_fd: the caller's to close, or -1. Returns: 0; -EAGAIN; -EPIPE: end; -EBADMSG, -EPROTO; -ENOMEM. */
int auth_message_receive(int socket_fd, AuthMessage *ret, int *ret_fd);
