/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two hosts, five ways to protect a flow between them, and what somebody on the path can do with their messages. */

#include "tests/support/handshake-side.h"

#define PATH_MESSAGE_BYTES 8192U
#define PATH_NAME "web.example"

typedef struct PathMessage {
        size_t size;
        uint8_t bytes[PATH_MESSAGE_BYTES];
} PathMessage;

typedef struct PathWorld {
        TestIdentity authority, server, client, mallory;
        Trust *trust;
} PathWorld;

typedef enum PathMode {
        PATH_MODE_KEYS,              /* key exchange, nobody signs */
        PATH_MODE_SERVER,
        PATH_MODE_MUTUAL,
        PATH_MODE_MAC,               /* no encryption, server signs */
        PATH_MODE_MAC_KEYS,          /* no encryption, nobody signs */
        _PATH_MODE_MAX,
} PathMode;

const char *path_mode_name(PathMode mode);

int path_set_up(void **state);
int path_tear_down(void **state);
void path_start(TestSide *side, uint8_t seed);
void path_set_binding(uint8_t *to, size_t *size, char with);
void path_init_client(TestSide *client, const PathWorld *w, PathMode mode);
void path_init_server(TestSide *server, const PathWorld *w, PathMode mode);
void path_make_request(TestSide *client, PathMessage *ret);
void path_make_response(TestSide *server, PathMessage *ret);

/* A client that has asked, again and again in the same way. */
void path_ask(TestSide *client, const PathWorld *w, PathMode mode, PathMessage *ret);

/* A server that was asked by this request, and answers. Returns: as the check. */
int path_answer(TestSide *server, const PathWorld *w, PathMode mode, const PathMessage *request, PathMessage *ret);
size_t path_hash_size_of(const PathMessage *request);

/* Puts the digest of this request into a response to another, as who alters requests has to. */
void path_repair_hash(PathMessage *response, size_t response_hash_size, const PathMessage *request);

/* The header again, after its parts were changed. */
void path_rewrite(PathMessage *m, const OapHeader *header);

/* Takes the extension out: what a peer of the reference would have sent, but for a signature. */
void path_strip_extension(PathMessage *m, size_t response_hash_size);
void path_strip_certificate(PathMessage *m, size_t response_hash_size);
bool path_keys_agree(const TestSide *a, const TestSide *b);

/* The request arrives altered; whoever did that also repairs what the response says of it. */
bool path_accept_altered_request(const PathWorld *w, PathMode mode, const PathMessage *altered, bool repairs);
int path_accept_response(const PathWorld *w, PathMode mode, const PathMessage *response);
