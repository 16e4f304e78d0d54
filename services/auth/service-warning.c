/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <time.h>

#include "services/auth/service-warning.h"

#define USEC_PER_DAY (24 * 3600 * USEC_PER_SEC)

/* How near the end is: 0: not near. */
static unsigned stage_of(uint64_t expiry_usec, uint64_t now_usec) {
        static const uint64_t days[] = { 30, 7, 1, 0 };
        unsigned stage = 0;

        while (stage < ELEMENTSOF(days) && expiry_usec <= usec_add(now_usec, days[stage] * USEC_PER_DAY))
                stage++;

        return stage;
}

#define STAGE_LAST_DAY 3U

/* The entry of a certificate; where the table is full, that of the one which ends last, since a warning too many is
 * better than none. */
static Warning *find_warning(WarningTable *table, uint64_t subject) {
        Warning *latest = table->warnings;

        for (unsigned i = 0; i < table->n; i++) {
                if (table->warnings[i].subject == subject)
                        return table->warnings + i;
                if (table->warnings[i].expiry_usec > latest->expiry_usec)
                        latest = table->warnings + i;
        }

        if (table->n < WARNINGS_MAX)
                latest = table->warnings + table->n++;
        *latest = (Warning) { .subject = subject };
        return latest;
}

static void write_sentence(AuthFinding *finding, uint64_t now_usec) {
        time_t seconds = (time_t) (finding->expiry_usec / USEC_PER_SEC);
        char when[64] = "at a time that cannot be shown";
        struct tm tm;

        if (gmtime_r(&seconds, &tm))
                (void) strftime(when, sizeof(when), "on %F at %R UTC", &tm);

        if (finding->expiry_usec <= now_usec)
                (void) snprintf(finding->text, sizeof(finding->text),
                                "The certificate ended %s; flows that need it fail until it is renewed", when);
        else
                (void) snprintf(finding->text, sizeof(finding->text),
                                "The certificate ends %s, in %" PRIu64 " h; it has to be renewed before", when,
                                (finding->expiry_usec - now_usec) / (3600 * USEC_PER_SEC));
}

bool warning_is_due(WarningTable *table, AuthFinding *finding, uint64_t now_realtime_nsec) {
        uint64_t now_usec = now_realtime_nsec / NSEC_PER_USEC, day = now_usec / USEC_PER_DAY;
        unsigned stage;
        Warning *w;

        assert(table);
        assert(finding);

        if (finding->expiry_usec == 0)
                return false;

        stage = stage_of(finding->expiry_usec, now_usec);
        if (stage == 0)
                return false;

        w = find_warning(table, siphash24(table->key, finding->subject, strlen(finding->subject)));
        if (w->expiry_usec != finding->expiry_usec)     /* another certificate in its place */
                *w = (Warning) { .subject = w->subject, .expiry_usec = finding->expiry_usec };
        if (stage <= w->stage && (stage < STAGE_LAST_DAY || day <= w->day))
                return false;

        w->stage = stage;
        w->day = day;
        write_sentence(finding, now_usec);
        return true;
}
