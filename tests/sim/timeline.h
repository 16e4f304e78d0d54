/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Virtual time: everything that will happen, in order. What happens at the same microsecond happens in the order in
 * which it was planned, so a run depends on nothing but its seed. Events are embedded in the objects that they happen
 * to.
 */

#include "basic/time.h"

typedef struct Timeline Timeline;
typedef struct TimelineEvent TimelineEvent;

typedef struct TimelineKind {
        void (*happen)(TimelineEvent *event, usec_t now);
        void (*abandon)(TimelineEvent *event);          /* the timeline ends first; NULL: nothing to free */
} TimelineKind;

struct TimelineEvent {
        const TimelineKind *kind;
        size_t index;                   /* in the heap, from 1; 0: not planned */
};

struct Timeline {
        usec_t now;
        uint64_t sequence;
        uint64_t n_happened;
        struct TimelineEntry *entries;  /* entries[0] is unused */
        size_t n;
        size_t n_allocated;
};

void timeline_init(Timeline *t);

/* Abandons all that is still planned. */
void timeline_done(Timeline *t);

/* Plans or moves an event; a time that is past means now. USEC_INFINITY takes it out. The only failure is lack of
 * memory, which ends the program: a simulation that lost an event is worth nothing. */
void timeline_set(Timeline *t, TimelineEvent *event, usec_t when);

/* Takes it out; one that is not planned is fine. */
void timeline_cancel(Timeline *t, TimelineEvent *event);

/* Lets everything happen that is planned before or at until, and sets the time to it. */
void timeline_run(Timeline *t, usec_t until);
