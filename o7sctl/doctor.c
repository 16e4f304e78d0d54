/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of findings. */

#include <stdarg.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/doctor.h"
#include "o7sctl/verb-ca.h"

void doctor_done(Doctor *d) {
        for (size_t i = 0; i < d->n; i++) {
                free(d->findings[i].subject);
                free(d->findings[i].text);
                free(d->findings[i].mend);
        }

        d->findings = mfree(d->findings);
        d->n = 0;
}

/* Takes text. */
static void add(Doctor *d, FindingKind kind, const char *subject, const char *mend, uint64_t expiry_sec, char *text) {
        Finding finding = { .kind = kind, .text = text, .expiry_sec = expiry_sec };
        Finding *more = reallocarray(d->findings, d->n + 1, sizeof(*more));

        if (!more) {
                free(text);
                return;
        }

        finding.subject = strdup(subject);
        finding.mend = mend ? strdup(mend) : NULL;
        d->findings = more;
        d->findings[d->n++] = finding;
}

void doctor_add(Doctor *d, FindingKind kind, const char *subject, const char *mend, const char *format, ...) {
        va_list arguments;
        char *text = NULL;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);

        if (n >= 0)
                add(d, kind, subject, mend, 0, text);
}

void doctor_add_expiring(Doctor *d, const char *subject, const char *text, uint64_t expiry_sec, const char *mend) {
        FindingKind kind = expiry_sec == 0                                 ? FINDING_GOOD
                           : expiry_sec <= d->now_sec                      ? FINDING_PROBLEM
                           : expiry_sec - d->now_sec <= DOCTOR_SOON_SEC    ? FINDING_NOTE
                                                                           : FINDING_GOOD;
        char date[32], *full = NULL;
        int r;

        (void) ca_date_format(date, sizeof(date), expiry_sec);
        r = expiry_sec == 0 || strstr(text, date) ? format_string(&full, "%s", text)   /* it says so itself */
            : kind == FINDING_PROBLEM             ? format_string(&full, "%s, expired on %s", text, date)
                                                  : format_string(&full, "%s, until %s", text, date);
        if (r >= 0)
                add(d, kind, subject, kind == FINDING_GOOD ? NULL : mend, expiry_sec, full);
}

bool doctor_knows_file(const Doctor *d, const char *path, FindingKind kind) {
        for (size_t i = 0; path[0] == '/' && i < d->n; i++)
                if (d->findings[i].subject && streq(d->findings[i].subject, path) && d->findings[i].kind >= kind)
                        return true;

        return false;
}

bool doctor_knows(const Doctor *d, const char *subject, const char *text) {
        for (size_t i = 0; i < d->n; i++)
                if (d->findings[i].subject && streq(d->findings[i].subject, subject) &&
                    startswith(d->findings[i].text, text))
                        return true;

        return false;
}

bool doctor_wants(const Doctor *d, const char *name) {
        return !d->what || streq(d->what, name);
}
