/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an administrator looks for in the journal: flows that were refused because of who asked, or who answered. One
 * entry per flow, with a MESSAGE_ID per kind of event that never changes, and fields to search by. Other hosts can
 * cause them at will: more than ten a second of a kind are counted, and the next entry says how many there were.
 * What a stranger says of himself is in no field but OUROBOROS_PEER, and there with its control characters replaced.
 */

#include "basic/time.h"

#define AUDIT_PER_SECOND 10U

/* How a refusal shows: as OUROBOROS_REASON, too. */
typedef enum AuditKind {
        AUDIT_AUTHENTICATION,   /* who it is was not proven, or the handshake is wrong */
        AUDIT_POLICY,           /* proven, and not allowed; or what the files want cannot be had */
        AUDIT_REPLAY,           /* a request that was seen before */
        AUDIT_CLOCK,            /* one whose time stamp is too old, or from the future */
        AUDIT_CREDENTIALS,      /* our own certificate, key, or authentication service */
        _AUDIT_KIND_MAX,
        _AUDIT_KIND_INVALID = -EINVAL,
} AuditKind;

const char *audit_kind_to_string(AuditKind kind);

#define AUDIT_TEXT_BYTES_MAX 512U

typedef struct AuditCounter {
        uint64_t n_total;
        usec_t last;            /* when the last one was, and what: of all, written or not */
        char text[AUDIT_TEXT_BYTES_MAX];
        usec_t second;          /* in which .n were written */
        unsigned n;
        unsigned suppressed;
} AuditCounter;

typedef struct AuditEvent {
        bool outgoing;
        AuditKind kind;
        int error;
        const char *text;       /* a sentence; may be "" */
        const char *name;
        const char *layer;
        const char *peer;
        uint64_t flow_id;       /* 0: none yet */
        uint32_t uid;           /* of the program at our end, where there is one */
} AuditEvent;

/* By what the authentication service says. */
AuditKind audit_kind_of(int error);

void audit_refused(AuditCounter counters[_AUDIT_KIND_MAX], const AuditEvent *event, usec_t now);
