/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries of the journal, see audit.h. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/string.h"
#include "services/common/message-id.h"
#include "services/irm/audit.h"

#define FIELD_BYTES_MAX 320U

static const struct {
        const char *reason;
        const char *message_id;
} kinds[_AUDIT_KIND_MAX] = {
        [AUDIT_AUTHENTICATION] = { "authentication", MESSAGE_REFUSED_AUTHENTICATION },
        [AUDIT_POLICY] = { "policy", MESSAGE_REFUSED_POLICY },
        [AUDIT_REPLAY] = { "replay", MESSAGE_REFUSED_REPLAY },
        [AUDIT_CLOCK] = { "clock", MESSAGE_REFUSED_CLOCK },
        [AUDIT_CREDENTIALS] = { "credentials", MESSAGE_REFUSED_CREDENTIALS },
};

const char *audit_kind_to_string(AuditKind kind) {
        return kinds[kind].reason;
}

AuditKind audit_kind_of(int error) {
        switch (error) {
        case -ETIME:
                return AUDIT_CLOCK;
        case -EACCES:
        case -EOPNOTSUPP:
                return AUDIT_POLICY;
        case -EALREADY:
        case -EEXIST:
                return AUDIT_REPLAY;
        case -ENOKEY:
        case -ENOTCONN:
        case -ECONNRESET:
        case -ETIMEDOUT:
        case -EBUSY:
                return AUDIT_CREDENTIALS;
        default:
                return AUDIT_AUTHENTICATION;
        }
}

/* Returns: whether it is written; *ret_suppressed: how many were not, since the last one. */
static bool may_write(AuditCounter *counter, usec_t now, unsigned *ret_suppressed) {
        *ret_suppressed = 0;

        if (usec_sub(now, counter->second) >= USEC_PER_SEC) {
                *ret_suppressed = counter->suppressed;
                counter->second = now;
                counter->n = counter->suppressed = 0;
        }
        if (counter->n >= AUDIT_PER_SECOND) {
                counter->suppressed++;
                return false;
        }

        counter->n++;
        return true;
}

/* "NAME=value" of what may come from anybody. */
static void fill_field(char field[FIELD_BYTES_MAX], const char *name, const char *value) {
        (void) snprintf(field, FIELD_BYTES_MAX, "%s=%s", name, value);
        utf8_mend(field);
        for (char *c = field; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        *c = '?';
}

static const char *value_of(const char *field) {
        return strchr(field, '=') + 1;
}

static const char *reason_of(const AuditEvent *event) {
        if (!isempty(event->text))
                return event->text;

        return event->kind == AUDIT_CLOCK
                       ? "its time stamp is of another time: a replay, or the clocks of both hosts differ"
                       : strerror(abs(event->error));
}

void audit_refused(AuditCounter counters[_AUDIT_KIND_MAX], const AuditEvent *event, usec_t now) {
        char name[FIELD_BYTES_MAX], layer[FIELD_BYTES_MAX], peer[FIELD_BYTES_MAX];
        char flow[64] = LOG_FIELD_FLOW "=", uid[64], reason[64], more[64] = "";
        AuditCounter *counter = &counters[event->kind];
        unsigned suppressed;

        fill_field(name, LOG_FIELD_NAME, event->name);
        fill_field(layer, LOG_FIELD_LAYER, event->layer);
        fill_field(peer, LOG_FIELD_PEER, strempty(event->peer));
        counter->n_total++;
        counter->last = now;
        (void) snprintf(counter->text, sizeof(counter->text), "'%s'%s%s, layer %s: %s", value_of(name),
                        isempty(event->peer) ? "" : event->outgoing ? " at " : " from ", value_of(peer),
                        value_of(layer), reason_of(event));
        utf8_mend(counter->text);

        if (!may_write(counter, now, &suppressed))
                return;
        if (suppressed > 0)
                (void) snprintf(more, sizeof(more), " (and %u more before this one)", suppressed);

        if (event->flow_id != 0)
                (void) snprintf(flow, sizeof(flow), LOG_FIELD_FLOW "=%" PRIu64, event->flow_id);
        (void) snprintf(uid, sizeof(uid), LOG_FIELD_UID "=%" PRIu32, event->uid);
        (void) snprintf(reason, sizeof(reason), LOG_FIELD_REASON "=%s", kinds[event->kind].reason);

        log_with(LOG_NOTICE, LOG_FIELDS(kinds[event->kind].message_id, name, layer, peer, flow, uid, reason),
                 "Refused a flow %s %s%s", event->outgoing ? "to" : "for", counter->text, more);
}
