/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A double of o7s-auth (and the socket of an o7s-keyd that says nothing): what the IRM asks is heard by the test,
 * which says what it wants to. */

#include "services/common/auth-message.h"
#include "tests/unit/irm/irm-fixture.h"

typedef struct AuthFixture {
        int listening;          /* auth.sock */
        int key_listening;      /* keyd.sock */
        int fd;                 /* the IRM's connection; -1: none */
} AuthFixture;

/* Makes the sockets in the directory of f. Before fixture_run(). */
void auth_start(AuthFixture *a, const IrmFixture *f);
void auth_stop(AuthFixture *a);

/* Waits for the IRM, hears HELLO, says HELLO, and hears that it has a connection to o7s-keyd. */
void auth_greet(AuthFixture *a);
void auth_hear_keys(AuthFixture *a);

/* Only the first half of it: the IRM has said HELLO. */
void auth_accept(AuthFixture *a);

/* Whether it connects once more, within a while that is long for a socket. */
bool auth_is_called(AuthFixture *a);

/* The process is gone, and its socket is still there, as with systemd. */
void auth_die(AuthFixture *a);

/* The next message, which must be of that type; auth_message_done() is the caller's. */
void auth_hear(AuthFixture *a, AuthMessageType type, AuthMessage *ret);
void auth_hears_nothing(AuthFixture *a);
void auth_say(AuthFixture *a, const AuthMessage *message);

/* A handshake message that parses: its id is of this byte, and it has a key exchange. free() is the caller's. */
uint8_t *auth_make_oap(uint8_t id, size_t *ret_size);

/* FORGET of this session. */
void auth_hear_forget(AuthFixture *a, uint64_t session);
