/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection to the authentication service, o7s-auth (auth-message.h has the protocol). Nobody here ever waits
 * for it: a question has a callback, which is called once, later, with the service's answer or with one that we
 * make: too late, the service ended, it does not run. Nothing is asked of a service that has not said HELLO, and it
 * gets a connection to o7s-keyd right then, and again whenever it says that the one it has is broken.
 *
 * What the service holds for us (sessions) ends with its process. So a session knows the connection that it came by,
 * and is never shown to another one, where its number could be somebody else's. A question that needs no session and
 * that we made ourselves is asked once more when the service ended over it; one with bytes of another host in it is
 * not: they may be what ended it.
 */

#include <systemd/sd-event.h>

#include "services/common/auth-message.h"

#define AUTH_QUESTIONS_MAX 1024U                        /* unanswered ones; whoever asks more is told so at once */
#define AUTH_ANSWER_USEC (5 * USEC_PER_SEC)             /* a service that takes longer does not answer any more */

typedef struct AuthLink AuthLink;

/* A handshake that the service has under way. Zero: none. */
typedef struct AuthSession {
        uint64_t connection;
        uint64_t id;
} AuthSession;

/* answer->type is that of the question, answer->result < 0 and text say why where there is none. What it owns goes
 * after the call; TAKE_PTR() what is to stay. */
typedef void (*auth_answered_t)(void *userdata, AuthSession session, AuthMessage *answer);
typedef void (*auth_expiring_t)(void *userdata, const AuthMessage *message);

/* expiring: called for AUTH_EXPIRING; may be NULL. Returns: 0; -ENOMEM and errors of sd-event. */
int auth_link_new(sd_event *event, const char *auth_path, const char *key_path, auth_expiring_t expiring,
                  void *userdata, AuthLink **ret);
AuthLink *auth_link_free(AuthLink *link);               /* nobody is answered any more */
DEFINE_CLEANUP(AuthLink, auth_link_free);

/* Connects, so that the service can warn of what expires. Not being able to is no error: the next question tries
 * again. */
void auth_link_start(AuthLink *link);

/* Empties *question, also on failure. session: NULL where the question begins one. *ret_id is never 0. Returns: 0;
 * -EBUSY: too many; -ECONNRESET: the service has ended since the session began; -ENOMEM. */
int auth_link_ask(AuthLink *link, AuthMessage *question, const AuthSession *session, auth_answered_t answered,
                  void *userdata, uint64_t *ret_id);

/* No answer to this one is wanted any more; id 0: nothing. A session that it would have made is forgotten. */
void auth_link_cancel(AuthLink *link, uint64_t *id);

/* The service may forget it; zeroes it. */
void auth_link_forget(AuthLink *link, AuthSession *session);
