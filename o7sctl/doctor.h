/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What "doctor" looks at, a file each: the host (clocks, services), files (certificates, keys, configuration), and what
 * o7s-irm says (layers, names). A finding is good, a note (it works, and may not for long), or a problem; the last two
 * say how to mend it.
 */

#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"

#define DOCTOR_SOON_SEC (14U * 86400U)          /* a certificate that expires by then is worth a note */

typedef enum FindingKind {
        FINDING_GOOD,
        FINDING_NOTE,
        FINDING_PROBLEM,
} FindingKind;

typedef struct Finding {
        FindingKind kind;
        char *subject;          /* owned, as the others */
        char *text;             /* a sentence without its full stop */
        char *mend;             /* a command or what else to do; NULL: nothing, of what is good */
        uint64_t expiry_sec;    /* of a certificate; 0: none */
} Finding;

typedef struct Doctor {
        Ctl *ctl;
        const char *what;       /* a layer or a name; NULL: everything */
        uint64_t now_sec;
        bool deaf;              /* o7s-irm cannot be asked */
        Finding *findings;      /* owned */
        size_t n;
} Doctor;

void doctor_done(Doctor *doctor);

/* One more. mend is NULL where it is good, and only there. Out of memory, it is lost. */
void doctor_add(Doctor *doctor, FindingKind kind, const char *subject, const char *mend, const char *format, ...)
        _printf_(5, 6);

/* Of something that expires, good until then: a note where that is soon, a problem where it is over. */
void doctor_add_expiring(Doctor *doctor, const char *subject, const char *text, uint64_t expiry_sec, const char *mend);

/* Whether something was said already, so that it is not said twice: of what o7s-auth tells of a file, what the file
 * itself showed; of what it tells of several names, what it told of the first. */
bool doctor_knows_file(const Doctor *doctor, const char *path, FindingKind kind);
bool doctor_knows(const Doctor *doctor, const char *subject, const char *text);

/* Whether this layer or name is to be looked at. */
bool doctor_wants(const Doctor *doctor, const char *name);

void doctor_check_clock(Doctor *doctor);
void doctor_check_services(Doctor *doctor);
void doctor_check_files(Doctor *doctor);
void doctor_check_configuration(Doctor *doctor);
void doctor_check_layers(Doctor *doctor);
void doctor_check_refusals(Doctor *doctor);
void doctor_check_names(Doctor *doctor);
