/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A binary heap; the keys stand in it, so that moving through it does not touch the events. */

#include <stdio.h>

#include "tests/sim/timeline.h"

struct TimelineEntry {
        usec_t when;
        uint64_t sequence;
        TimelineEvent *event;
};

typedef struct TimelineEntry TimelineEntry;

static bool entry_is_before(const TimelineEntry *a, const TimelineEntry *b) {
        return a->when < b->when || (a->when == b->when && a->sequence < b->sequence);
}

static void place(Timeline *t, size_t i, TimelineEntry entry) {
        t->entries[i] = entry;
        entry.event->index = i;
}

static void sift_up(Timeline *t, size_t i, TimelineEntry entry) {
        for (; i > 1 && entry_is_before(&entry, &t->entries[i / 2]); i /= 2)
                place(t, i, t->entries[i / 2]);

        place(t, i, entry);
}

static void sift_down(Timeline *t, size_t i, TimelineEntry entry) {
        for (;;) {
                size_t child = 2 * i;

                if (child > t->n)
                        break;
                if (child < t->n && entry_is_before(&t->entries[child + 1], &t->entries[child]))
                        child++;
                if (!entry_is_before(&t->entries[child], &entry))
                        break;

                place(t, i, t->entries[child]);
                i = child;
        }

        place(t, i, entry);
}

static void grow(Timeline *t) {
        size_t n = t->n_allocated > 0 ? 2 * t->n_allocated : 1024;
        TimelineEntry *entries;

        entries = realloc(t->entries, n * sizeof(*entries));
        if (!entries) {
                fputs("o7s-sim: out of memory\n", stderr);
                abort();
        }

        t->entries = entries;
        t->n_allocated = n;
}

/* Puts an entry where another one was, in whichever direction that is. */
static void settle(Timeline *t, size_t i, TimelineEntry entry) {
        if (i > 1 && entry_is_before(&entry, &t->entries[i / 2]))
                sift_up(t, i, entry);
        else
                sift_down(t, i, entry);
}

void timeline_init(Timeline *t) {
        *t = (Timeline) {};
}

void timeline_done(Timeline *t) {
        while (t->n > 0) {
                TimelineEvent *event = t->entries[t->n--].event;

                event->index = 0;
                if (event->kind->abandon)
                        event->kind->abandon(event);
        }

        t->entries = mfree(t->entries);
        t->n_allocated = 0;
}

void timeline_cancel(Timeline *t, TimelineEvent *event) {
        size_t i = event->index;

        if (i == 0)
                return;

        event->index = 0;
        if (i == t->n) {
                t->n--;
                return;
        }

        t->n--;
        settle(t, i, t->entries[t->n + 1]);
}

void timeline_set(Timeline *t, TimelineEvent *event, usec_t when) {
        TimelineEntry entry;

        if (when == USEC_INFINITY) {
                timeline_cancel(t, event);
                return;
        }

        entry = (TimelineEntry) {
                .when = MAX(when, t->now),
                .sequence = ++t->sequence,
                .event = event,
        };

        if (event->index != 0) {
                if (t->entries[event->index].when != entry.when)        /* else it keeps its turn */
                        settle(t, event->index, entry);
                return;
        }

        if (t->n + 2 > t->n_allocated)
                grow(t);

        t->n++;
        sift_up(t, t->n, entry);
}

void timeline_run(Timeline *t, usec_t until) {
        while (t->n > 0 && t->entries[1].when <= until) {
                TimelineEvent *event = t->entries[1].event;

                t->now = t->entries[1].when;
                t->n_happened++;
                timeline_cancel(t, event);
                event->kind->happen(event, t->now);
        }

        t->now = MAX(t->now, until);
}
