/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A timer that follows what a core says, see loop-timer.h. */

#include "services/common/loop-timer.h"

struct LoopTimer {
        sd_event_source *source;
        usec_t armed;                   /* what the source is set to */
        loop_timer_next_t next;
        loop_timer_elapsed_t elapsed;
        void *userdata;
};

static int timer_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        LoopTimer *t = userdata;

        (void) sd_event_source_set_time(source, USEC_INFINITY);
        t->armed = USEC_INFINITY;
        t->elapsed(t->userdata, time_now());
        return 0;
}

static int loop_prepares(sd_event_source *source, void *userdata) {
        LoopTimer *t = userdata;
        usec_t next = t->next(t->userdata);

        if (next == t->armed)
                return 0;

        t->armed = next;
        return sd_event_source_set_time(source, next);
}

LoopTimer *loop_timer_free(LoopTimer *t) {
        if (!t)
                return NULL;

        t->source = sd_event_source_disable_unref(t->source);
        return mfree(t);
}

int loop_timer_new(sd_event *event, loop_timer_next_t next, loop_timer_elapsed_t elapsed, void *userdata,
                   LoopTimer **ret) {
        _cleanup_(loop_timer_freep) LoopTimer *t = NULL;
        int r;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;

        *t = (LoopTimer) { .armed = USEC_INFINITY, .next = next, .elapsed = elapsed, .userdata = userdata };

        r = sd_event_add_time(event, &t->source, CLOCK_MONOTONIC, USEC_INFINITY, USEC_PER_MSEC, timer_elapsed, t);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(t->source, SD_EVENT_ON);        /* also where it waits for nothing */
        if (r < 0)
                return r;

        r = sd_event_source_set_prepare(t->source, loop_prepares);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}
