/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the authentication service tells the journal. Each kind has a MESSAGE_ID (message-id.h), and a rate: beyond it
 * events are counted, and the number is told with the next one. Never keys, never certificates.
 */

#include "basic/time.h"
#include "services/common/auth-message.h"

#define EVENTS_PER_SECOND 10U

typedef enum EventKind {
        EVENT_AUTH_FAILURE,             /* a handshake failed: whose, and why */
        EVENT_AUTH_BUSY,                /* handshakes were put off */
        _EVENT_KIND_MAX,
        _EVENT_KIND_INVALID = -EINVAL,
} EventKind;

typedef struct EventRate {
        usec_t since;                   /* start of the second that is counted */
        unsigned n;                     /* told in it */
        uint64_t n_suppressed;          /* not told since the last one that was */
} EventRate;

typedef struct EventLog {
        EventRate rates[_EVENT_KIND_MAX];
} EventLog;

/* Whether one more may be told; *ret_suppressed: how many were not, until now. */
bool event_take(EventRate *rate, usec_t now, uint64_t *ret_suppressed);

/* A handshake that failed, of whichever side. identity: "" where the peer has shown none. */
void event_failure(EventLog *log, usec_t now, const char *name, const char *identity, int result, const char *text);

void event_expiring(const AuthFinding *finding);
void event_reloaded(int result, const char *text);
