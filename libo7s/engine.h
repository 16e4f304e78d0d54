/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps flows going while the program computes or sleeps: one thread per process, started with the first flow
 * that has retransmission or acknowledgements to see to, ended with the last. It sleeps in epoll until a doorbell
 * rings that no thread of the application waits for, or until the earliest time that a flow asked for; an idle flow
 * asks for none. All signals are blocked in it. A forked child has none until it opens flows of its own.
 *
 * The engine knows nothing of flows but when and why to run them: it calls .run, on its thread, with no lock held,
 * one at a time. Its mutex is the last in the order of locks: any of these calls but engine_remove() may be made with
 * others held.
 */

#include <pthread.h>

#include "basic/map.h"
#include "basic/time.h"

typedef struct EngineFlow EngineFlow;

/* Embedded in what is to be run. */
struct EngineFlow {
        EngineFlow *self;               /* key in the engine's map */
        nsec_t due;                     /* NSEC_INFINITY: only when it rings. The engine's mutex guards it */
        size_t position;                /* in the heap, from 1 on; 0: not in it */
        void (*run)(EngineFlow *flow);  /* it is due, or its descriptor is readable; may remove and free the flow */
};

/* The process has one (process.h). All zeros but for what ENGINE_INIT says: none running. */
typedef struct Engine {
        pthread_mutex_t mutex;          /* guards all of it */
        pthread_cond_t changed;         /* a run ended, or the thread did */
        Map *flows;
        EngineFlow **heap;              /* by .due, earliest at 1 */
        size_t n_heap;
        size_t heap_size;               /* entries that it has room for */
        pthread_t thread;
        bool running;                   /* there is a thread, perhaps about to end */
        bool ending;                    /* it is */
        bool ended_by_itself;           /* a run removed the last flow: nobody joins */
        EngineFlow *current;            /* that is being run; maybe gone already, only to be compared */
        nsec_t asleep_until;            /* 0: awake, and will look at the heap before it sleeps */
        int epoll_fd;
        int event_fd;
} Engine;

#define ENGINE_INIT                                                                                               \
        (Engine) {                                                                                                \
                .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .epoll_fd = -1,          \
                .event_fd = -1,                                                                                   \
        }

/* Enters a flow that is not due yet, and starts the thread with the first. Returns: 0; -ENOMEM, -EMFILE, -EAGAIN: no
 * thread. */
int engine_add(Engine *e, EngineFlow *flow);

/* Takes it out; when this returns it is not being run, unless it is itself that asks. The last one ends the thread,
 * and waits for that. Its descriptor must not be watched any more. No lock that .run takes may be held. Fine for one
 * that is not in. */
void engine_remove(Engine *e, EngineFlow *flow);

/* When to run it; NSEC_INFINITY: not by time. Once: it is asked again by whoever wants more. */
void engine_set_due(Engine *e, EngineFlow *flow, nsec_t due);
nsec_t engine_due(Engine *e, const EngineFlow *flow);

/* Runs the flow while the descriptor is readable or hung up, until it is watched no more; before it is closed.
 * Returns: 0; -ENOMEM, -ENOSPC. */
int engine_watch(Engine *e, EngineFlow *flow, int fd);
void engine_unwatch(Engine *e, int fd);

/* Around fork(): held from before until after in both processes; the child has no thread then, and forgets the
 * flows. */
void engine_hold(Engine *e);
void engine_release(Engine *e);
void engine_release_in_child(Engine *e);
