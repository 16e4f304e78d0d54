/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/log.h"
#include "services/auth/service-event.h"
#include "services/common/message-id.h"

static const char *const message_ids[_EVENT_KIND_MAX] = {
        [EVENT_AUTH_FAILURE] = MESSAGE_HANDSHAKE_FAILED,
        [EVENT_AUTH_BUSY] = MESSAGE_HANDSHAKES_BUSY,
};

bool event_take(EventRate *rate, usec_t now, uint64_t *ret_suppressed) {
        if (usec_sub(now, rate->since) >= USEC_PER_SEC || now < rate->since) {
                rate->since = now;
                rate->n = 0;
        }

        if (rate->n >= EVENTS_PER_SECOND) {
                rate->n_suppressed++;
                return false;
        }

        rate->n++;
        *ret_suppressed = rate->n_suppressed;
        rate->n_suppressed = 0;
        return true;
}

/* What is foreign in a sentence, or a field, must not look like another line or field. */
static const char *printable(const char *text, char *buffer, size_t size) {
        (void) copy_string(buffer, size, text);
        utf8_mend(buffer);
        for (char *p = buffer; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';

        return buffer;
}

void event_failure(EventLog *log, usec_t now, const char *name, const char *identity, int result, const char *text) {
        EventKind kind = result == -EBUSY ? EVENT_AUTH_BUSY : EVENT_AUTH_FAILURE;
        char safe_name[FLOW_NAME_WIRE_BYTES_MAX + 1], safe_identity[AUTH_IDENTITY_BYTES_MAX],
                safe_text[AUTH_TEXT_BYTES_MAX];
        char name_field[FLOW_NAME_WIRE_BYTES_MAX + 32], peer_field[AUTH_IDENTITY_BYTES_MAX + 32],
                reason_field[64];
        uint64_t n_suppressed;

        if (!event_take(log->rates + kind, now, &n_suppressed))
                return;
        if (n_suppressed > 0)
                log_notice("%" PRIu64 " events of the kind that follows were not logged", n_suppressed);

        (void) snprintf(name_field, sizeof(name_field), LOG_FIELD_NAME "=%s",
                        printable(name, safe_name, sizeof(safe_name)));
        (void) snprintf(peer_field, sizeof(peer_field), LOG_FIELD_PEER "=%s",
                        printable(identity, safe_identity, sizeof(safe_identity)));
        (void) snprintf(reason_field, sizeof(reason_field), "OUROBOROS_REASON=%s", strerrorname_np(-result));
        log_with(LOG_NOTICE, LOG_FIELDS(message_ids[kind], name_field, peer_field, reason_field),
                 "Handshake for \"%s\" failed: %s", safe_name,
                 printable(isempty(text) ? strerror(-result) : text, safe_text, sizeof(safe_text)));
}

void event_expiring(const AuthFinding *finding) {
        char safe_subject[AUTH_IDENTITY_BYTES_MAX], safe_text[AUTH_TEXT_BYTES_MAX];
        char name_field[AUTH_IDENTITY_BYTES_MAX + 32];

        (void) snprintf(name_field, sizeof(name_field), LOG_FIELD_NAME "=%s",
                        printable(finding->subject, safe_subject, sizeof(safe_subject)));
        log_with(LOG_WARNING, LOG_FIELDS(MESSAGE_CERTIFICATE_EXPIRING, name_field), "%s: %s",
                 safe_subject, printable(finding->text, safe_text, sizeof(safe_text)));
}

void event_reloaded(int result, const char *text) {
        char safe_text[AUTH_TEXT_BYTES_MAX];

        if (result < 0)
                log_with(LOG_ERR, LOG_FIELDS(MESSAGE_CREDENTIALS_RELOADED),
                         "Certificates, trust anchors and revocation lists were read again, and not all are good: %s",
                         printable(text, safe_text, sizeof(safe_text)));
        else
                log_with(LOG_INFO, LOG_FIELDS(MESSAGE_CREDENTIALS_RELOADED),
                         "Certificates, trust anchors and revocation lists were read again");
}
