/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Becoming and staying a member. The first member bootstraps; others enroll through a member that they reach over a
 * layer below, with back-off, for ever. A member then keeps its neighbours: one over each layer below (whoever
 * answers to the name of the layer there, or those that [Neighbour] names, or those that an operator asked for), each
 * with management and data transfer, opened again with back-off whenever they are lost, at once after a layer below
 * came back.
 *
 *   starting → bootstrapping ─────────────→ member
 *            └→ enrolling (attempt n) ────────↑
 *
 * Where an operator's order or a file names a neighbour, that one is held for ever; those that connected to us by
 * themselves are theirs to keep.
 */

#include "services/ipcp-unicast/lower-flow.h"

#define JOIN_TARGETS_MAX 256U
#define JOIN_RETRY_USEC (50 * USEC_PER_MSEC)            /* the first; doubles, with jitter */
#define JOIN_RETRY_MAX_USEC (60 * USEC_PER_SEC)
/* the longest where somebody is there, whose messages are lost or no good */
#define JOIN_RETRY_REACHED_USEC (2 * USEC_PER_SEC)
#define JOIN_ALLOCATE_TIMEOUT_USEC (5 * USEC_PER_SEC)
/* two that look for each other should not do so at the same time */
#define JOIN_SPREAD_USEC (50 * USEC_PER_MSEC)
/* a neighbour lost sooner is tried again as one that never came */
#define JOIN_STEADY_USEC USEC_PER_SEC
/* after finding a neighbour: whether others are there; doubles */
#define JOIN_PROBE_USEC USEC_PER_SEC
#define JOIN_PROBE_MAX_USEC (60 * USEC_PER_SEC)

/* A new address for a stranger's sake ends all flows: at most one in this time, which doubles each time. Two members
 * have the same one once in a lifetime; whoever claims ours again and again is none of them. */
#define JOIN_CONFLICT_USEC (10 * USEC_PER_SEC)
#define JOIN_CONFLICT_MAX_USEC (3600 * USEC_PER_SEC)

/* A neighbour that we want. */
typedef struct JoinTarget {
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* of a flow of the layer below */
        int lower;                              /* index; -1: whichever layer knows the name, in order */
        bool management;
        bool data;
        bool implicit;                          /* the layer's own name over one lower layer: content with any
                                                 * neighbour there */
        uint32_t cost;
        uint64_t address;                       /* of the member that it turned out to be; 0: not known yet */
        LowerFlow *flow;                        /* being opened for it now; NULL: none (not owned) */
        bool satisfied;
        usec_t since;                           /* satisfied */
        usec_t probe;                           /* implicit, satisfied: when to ask who else is there */
        usec_t probe_pause_usec;
        uint64_t stray;                         /* a member that was found so, and is to be a neighbour too; 0: none */
        usec_t retry;                           /* when to try again; USEC_INFINITY: something else happens first */
        usec_t backoff_usec;
        unsigned n_attempts;
        char problem[256];                      /* why it is not there, one clause; "" */
        ListNode by_join;
} JoinTarget;

typedef struct Join {
        Unicast *unicast;                       /* not owned */
        List targets;                           /* JoinTarget.by_join */
        unsigned n_targets;
        size_t next_via;                        /* which Via= over which layer is tried next */
        unsigned n_round;                       /* tried since the last pause */
        LowerFlow *enrolling;                   /* not owned */
        bool failed;                            /* gave up */
        usec_t started;
        usec_t retry;
        usec_t backoff_usec;
        usec_t next_conflict;                   /* from then on a stranger with our address is given way to */
        usec_t conflict_pause_usec;             /* the last one's */
        unsigned n_attempts;
        char problem[256];
} Join;

/* Also again, after join_done(). */
void join_start(Join *join, Unicast *u, usec_t now);
void join_done(Join *join);

/* Orders of an operator; the outcome shows in the state of the layer and of its neighbours. name and lower as in
 * JoinTarget. Disconnecting holds until the next start, or until an order to connect; it ends flows that the
 * neighbour opened, too. Returns: 0; -EBUSY: the layer is not in the state for it; -EINVAL; -EEXIST; -ENOENT;
 * -ENOSPC; -ENOMEM. */
int join_connect(Join *join, const char *name, int lower, bool management, bool data, usec_t now);
int join_disconnect(Join *join, const char *name, bool management, bool data, usec_t now);

/* The cost that a file gives to the link to this flow's peer; 0: none. */
uint32_t join_cost(const Join *join, const LowerFlow *flow);

/* A lower flow of ours opened, failed or ended; problem says why, or is NULL. */
void join_flow_opened(Join *join, LowerFlow *flow, usec_t now);
void join_flow_ended(Join *join, LowerFlow *flow, const char *problem, usec_t now);

/* A layer below came up (again): everything that waits for it is tried at once. */
void join_lower_up(Join *join, unsigned lower, usec_t now);

/* What is going on, in one sentence: "waiting for a flow to home over lan1 (attempt 3, last error: no answer in 5
 * s)". */
void join_describe(const Join *join, usec_t now, char *text, size_t size);

/* Whether we give up our address now because somebody else claims it; counts as having done so. */
bool join_give_way(Join *join, usec_t now);

/* Whether TimeoutSec= of [Enroll] is over without success. */
bool join_has_failed(const Join *join);

void join_expire(Join *join, usec_t now);
usec_t join_next(const Join *join);

/* -- between join.c, join-target.c and join-order.c -- */

/* The next pause of something that failed, with jitter; *backoff_usec is what it grew to, 0 before. reached: there
 * was a flow to somebody. */
usec_t join_back_off(Join *join, usec_t *backoff_usec, bool reached);

/* Random, up to max. */
usec_t join_jitter(Join *join, usec_t max);

/* The targets that the file means. */
void join_targets_make(Join *join, usec_t now);
void join_targets_done(Join *join);

int join_target_new(Join *join, const char *name, int lower, usec_t retry, JoinTarget **ret);
void join_target_free(Join *join, JoinTarget *target);

/* Something changed that may be what a target waits for, or may be missing to it now. */
void join_target_look(Join *join, JoinTarget *target, usec_t now);
void join_targets_look(Join *join, usec_t now);

/* The flow that was opened for a target, if it was. */
void join_target_opened(Join *join, const LowerFlow *flow);
void join_target_ended(Join *join, const LowerFlow *flow, const char *problem, usec_t now);

void join_targets_lower_up(Join *join, unsigned lower, usec_t now);
void join_targets_expire(Join *join, usec_t now);
usec_t join_targets_next(const Join *join);

/* What the first of them that is not there waits for. Returns whether there is one. */
bool join_targets_describe(const Join *join, char *text, size_t size);
