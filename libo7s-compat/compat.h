/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libo7s-compat: the calls of <ouroboros/dev.h>, <ouroboros/fccntl.h>, <ouroboros/fqueue.h> and <ouroboros/irm.h> for
 * programs that were written for Ouroboros, made of those of <o7s.h>, which alone this folder stands on. Read it in
 * this order:
 *
 *   ouroboros/ (.h)  what such programs include; written from the public interface alone
 *   descriptor.c     small integers for flows: the one table of the process, and what fork() does to it
 *   dev.c            flow_alloc(), flow_accept(), flow_join(), flow_dealloc()
 *   transfer.c       flow_read(), flow_write()
 *   fccntl.c         fccntl()
 *   fset.c           sets of flows, on an o7s_set each
 *   fqueue.c         events: fevent(), fqueue_next(), fqueue_type()
 *   wait.c           time-outs and sleeping
 *   error.c          errors of <o7s.h> in the numbers that such programs know
 *   irm.c            names and bindings. A library of its own, with what follows:
 *   ipcp.c           IPCPs, which are layers here
 *   irm-bus*.c       what both ask o7s-irm for; nothing else needs libsystemd
 *
 * Threads: what <o7s.h> leaves to its caller, one reader and one writer of a flow at a time, is done here. Nobody
 * sleeps with .reading held: a call of <o7s.h> that would wait says -EAGAIN, and what it would wait for is polled
 * without any lock. So flow_dealloc(), fset_add() and further readers always get on, and a thread can be cancelled
 * while it waits, and only then: all calls hold cancellation off but in wait_readable() and between two turns of a
 * write.
 *
 * Order of locks: reading, the set's, the table's. Nothing is locked with .writing held.
 */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <o7s.h>

#include <ouroboros/errno.h>
#include <ouroboros/fccntl.h>
#include <ouroboros/fqueue.h>
#include <ouroboros/qos.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _public_ __attribute__((visibility("default")))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* -- time, wait.c -- */

typedef uint64_t nsec_t;

#define NSEC_INFINITY UINT64_MAX
#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_USEC UINT64_C(1000)

nsec_t now_nsec(void);

/* A relative time of the application in nanoseconds; NULL: NSEC_INFINITY. Saturates. Returns: 0; -EINVAL. */
int nsec_from_timespec(const struct timespec *time, nsec_t *ret);
struct timespec timespec_from_nsec(nsec_t nsec);

/* The point in time; NSEC_INFINITY plus anything stays that. */
nsec_t nsec_deadline(nsec_t timeout);

/* What is left until then, for calls of <o7s.h>: rounded up, 0: nothing, O7S_FOREVER. */
uint64_t usec_left(nsec_t deadline);

/* Waits until a descriptor of the kernel is readable; signals do not end it. A cancellation point, for which
 * cancellation is set as it was before the call. Returns: 0; -ETIMEDOUT. */
int wait_readable(int fd, nsec_t deadline, int cancel_state);
int wait_either(int fd, int other_fd, nsec_t deadline, int cancel_state);

/* Cancellation is off from here to the end of the scope. The value is for wait_readable(). */
static inline int cancel_hold(void) {
        int before;

        (void) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        return before;
}

static inline void cancel_restorep(int *before) {
        (void) pthread_setcancelstate(*before, NULL);
}

#define _cleanup_cancel_ __attribute__((cleanup(cancel_restorep), unused))

/* -- descriptors, descriptor.c -- */

#define DESCRIPTOR_FIRST 64
#define DESCRIPTORS_MAX 4096

typedef struct Descriptor {
        unsigned n_refs;                /* atomic; one is the table's, until flow_dealloc() */
        unsigned generation;            /* of the process that has the flow */
        int number;
        uint64_t serial;                /* no other descriptor of this process has, or had, it */
        o7s_flow *flow;
        o7s_qos qos;                    /* granted */
        bool is_local;                  /* both ends are on this host */
        bool deallocated;               /* atomic */
        int down_fd;                    /* readable while FLOWFDOWN is set, for who waits in a read; -1: nobody has */

        uint32_t flags;                 /* FLOWF; atomic, like the next three */
        uint16_t frct_flags;            /* FRCTF; 0: no FRCT */
        nsec_t read_timeout;            /* NSEC_INFINITY: none */
        nsec_t write_timeout;

        pthread_mutex_t reading;        /* held by who asks the flow for messages or events */
        pthread_mutex_t writing;        /* guards .has_writer, and is never held for long */
        pthread_cond_t writer_left;     /* on the monotonic clock */
        bool has_writer;
        fset_t *set;                    /* that we are in; not owned; changes with .reading held */
        bool told_down;                 /* FLOW_DOWN was the last to be told of the link. Locked for reading */
} Descriptor;

/* Enters a flow under the lowest free number. Takes the flow, also on failure. Returns: the number; -EBADF: all are
 * in use; -ENOMEM, -EIRMD. */
int descriptor_open(o7s_flow *flow, qosspec_t *ret_qos);

/* Qualities of service have the same members on both sides, by other names. */
static inline qosspec_t qosspec_from_qos(const o7s_qos *qos) {
        qosspec_t spec = { qos->delay_ms, qos->bandwidth_bps, qos->availability_nines, qos->loss,
                           qos->ber,      qos->in_order,      qos->max_gap_ms,         qos->timeout_ms };

        return spec;
}

/* Returns: 0, with a reference; -EBADF: out of range; -ENOTALLOC. */
int descriptor_get(int number, Descriptor **ret);

/* As descriptor_get(), and the number is free again. The reference is the table's. */
int descriptor_take(int number, Descriptor **ret);

/* Whether the number still means the same flow. */
bool descriptor_is_current(int number, uint64_t serial);

Descriptor *descriptor_ref(Descriptor *d);
Descriptor *descriptor_unref(Descriptor *d);

static inline void descriptor_unrefp(Descriptor **d) {
        *d = descriptor_unref(*d);
}

/* Locks for reading: the flow's own mutex, and that of its set where it is in one. */
void descriptor_lock(Descriptor *d);
void descriptor_unlock(Descriptor *d);

/* What tells who waits in a read that the flow is marked down. Locked for reading. Returns: the descriptor; -errno. */
int descriptor_down_fd(Descriptor *d);

/* One writer at a time, who may wait inside <o7s.h>. until: for another one to leave; 0: not at all. Returns: 0;
 * -EAGAIN. */
int descriptor_begin_write(Descriptor *d, nsec_t until);
void descriptor_end_write(Descriptor *d);

/* o7s_flow_events(); what that tells only once is kept for the set. Locked for reading. */
int descriptor_events(Descriptor *d);

/* Whether nothing gets through at the moment, though the flow goes on: the link below is down. */
bool descriptor_link_is_down(const Descriptor *d);

/* What a call says when the flow has ended: -ENOTALLOC: we ended it; -EFLOWPEER, -EFLOWDOWN. Locked for reading. */
int descriptor_end(Descriptor *d);

/* The process's listener for every name that is bound to it, made at the first call, with a reference. As
 * o7s_listen(). */
int listener_get(o7s_listener **ret);

/* Lets go of it after a failure; the next call makes another. */
void listener_drop(o7s_listener *listener);

static inline void listener_unrefp(o7s_listener **listener) {
        *listener = o7s_listener_unref(*listener);
}

static inline void flow_unrefp(o7s_flow **flow) {
        *flow = o7s_flow_unref(*flow);
}

/* Counts forks on the way to this process, from the first use of the library on. */
unsigned compat_generation(void);

/* -- sets, fset.c -- */

struct flow_set {
        o7s_set *set;
        int fd;                         /* of that; readable while something is the case at a member */
        unsigned generation;            /* of the process that made it */
        pthread_mutex_t mutex;          /* held by who asks the members for events, or one of them for messages */
        void *members;                  /* tree of Descriptors by their flow; each has a reference */
        bool changed;                   /* somebody else was told that a member has changed: all are to be looked at */
};

/* Whether it is of this process. */
bool fset_is_ours(const fset_t *set);

/* The member with this flow. Mutex held. */
Descriptor *fset_find(const fset_t *set, const o7s_flow *flow);

/* Leaves its set, if it is in one. */
void fset_leave(Descriptor *d);

/* -- errors, error.c -- */

typedef enum Doing {
        DOING_ALLOCATE,
        DOING_ACCEPT,
        DOING_JOIN,
        _DOING_MAX,
} Doing;

/* The number that programs know for a negative errno of a call of <o7s.h>. */
int error_translate(Doing doing, int error);
