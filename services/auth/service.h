/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The folder's tour. o7s-auth reads certificates and handshakes of strangers, decides, and agrees keys; it holds no
 * private key and has neither a network nor a bus.
 *
 *   main.c server.c          the process: hardening, sockets, signals, timers; connections of the IRM
 *   service.c                what is asked (auth-message.h), answered from the objects below; told the time
 *   service-handshake.c      the four questions of a handshake
 *   service-inspect.c        what people ask: is my configuration good?
 *   service-session.c        handshakes under way, a fixed number, each for 60 s
 *   service-mark.c           which requests may be copies of what was seen before a restart
 *   service-signer.c         the way to o7s-keyd
 *   service-warning.c        certificates that end soon
 *   service-event.c          what goes to the journal
 *   handshake*.c negotiation.c key-exchange*.c key-derivation.c spki.c      one handshake, pure
 *   credentials*.c trust*.c certificate*.c                                  what we show, and whom we trust
 *
 * What a message may cost is bounded: its size, one public-key operation or two, and for handshakes that strangers
 * begin a budget per second, of which no name and no peer gets all.
 */

#include "basic/siphash.h"
#include "services/auth/credentials.h"
#include "services/auth/service-event.h"
#include "services/auth/service-mark.h"
#include "services/auth/service-session.h"
#include "services/auth/service-signer.h"
#include "services/auth/service-warning.h"
#include "services/common/limit.h"

/* Handshakes per second that others begin: about what one core verifies. */
#define SERVICE_ASKED_RATE 2000U
#define SERVICE_ASKED_BURST 4000U
#define SERVICE_NAME_RATE 1500U
#define SERVICE_NAME_BURST 3000U
#define SERVICE_SOURCE_RATE 1500U
#define SERVICE_SOURCE_BURST 3000U

typedef struct ServiceTime {
        usec_t monotonic;
        uint64_t realtime_nsec;
} ServiceTime;

/* One connection of the IRM. Sessions are of the connection that began them. */
typedef struct ServicePeer {
        bool greeted;
        uint64_t before;                        /* the mark when it said hello: what is not newer may be a copy */
        Signer signer;
} ServicePeer;

typedef struct Service {
        CredentialStore *store;
        usec_t refreshed;                       /* when the files were looked at */
        SessionTable sessions;
        Mark mark;
        Limit limit, source_limit;
        uint8_t source_key[SIPHASH_KEY_BYTES];
        EventLog events;
        WarningTable warnings;
        uint8_t epoch[AUTH_EPOCH_BYTES];        /* of this process: a server's answer says it */
} Service;

/* root: "" or a directory in front of /etc. Returns: 0; -ENOMEM, or why there is no randomness. */
int service_new(const char *root, Service **ret);
Service *service_free(Service *service);
DEFINE_CLEANUP(Service, service_free);

/* Where the mark is kept; without it, it ends with the process. Returns: as mark_open(). */
int service_keep_mark(Service *service, const char *directory, uint64_t now_realtime_nsec);

void service_peer_init(ServicePeer *peer);
/* Ends its sessions. */
void service_peer_done(Service *service, ServicePeer *peer);

/* One message. fd: what came along, or -1; consumed. Returns: 1: *ret is an answer, for auth_message_done(); 0: there
 * is none; < 0: not what the IRM says: the connection ends. */
int service_handle(Service *service, ServicePeer *peer, AuthMessage *message, int fd, ServiceTime now,
                   AuthMessage *ret);

/* Everything is read again. Returns: 0; -ENOKEY: text says which file is no good. */
int service_reload(Service *service, char text[AUTH_TEXT_BYTES_MAX]);

/* Ends what is too old; when to come again. */
void service_expire(Service *service, usec_t now);
usec_t service_next(const Service *service);

/* For service.c: one question each. message is the question; the answer has its number and type already. A result < 0
 * goes into the answer, together with a sentence in its text. */
int service_build_request(Service *service, ServicePeer *peer, AuthMessage *message, ServiceTime now,
                          AuthMessage *answer);
int service_check_response(Service *service, ServicePeer *peer, AuthMessage *message, ServiceTime now,
                           AuthMessage *answer);
int service_check_request(Service *service, ServicePeer *peer, AuthMessage *message, ServiceTime now,
                          AuthMessage *answer);
int service_build_response(Service *service, ServicePeer *peer, AuthMessage *message, ServiceTime now,
                           AuthMessage *answer);
int service_inspect(Service *service, ServicePeer *peer, AuthMessage *message, ServiceTime now, AuthMessage *answer);
