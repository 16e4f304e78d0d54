/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clock of a protocol core: a timer that is due when the core says that it is next. Whatever happens in a turn of
 * the loop may move that, so it is asked each time before the loop sleeps. (A "post" source would do too, but take
 * another turn of the loop, with a system call, after each turn that did something.)
 */

#include <systemd/sd-event.h>

#include "basic/time.h"

typedef struct LoopTimer LoopTimer;

typedef usec_t (*loop_timer_next_t)(void *userdata);            /* USEC_INFINITY: nothing is due */
typedef void (*loop_timer_elapsed_t)(void *userdata, usec_t now);

/* Returns: 0; -ENOMEM and errors of sd-event. */
int loop_timer_new(sd_event *event, loop_timer_next_t next, loop_timer_elapsed_t elapsed, void *userdata,
                   LoopTimer **ret);
LoopTimer *loop_timer_free(LoopTimer *timer);
DEFINE_CLEANUP(LoopTimer, loop_timer_free);
