/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of an o7s_flow. flow.c makes and ends it, flow-info.c tells of it, flow-alloc.c gets it from the IRM,
 * flow-wait.c sleeps and tells event loops, flow-recv.c and flow-send.c move messages
 * (flow-transfer*.c, where they are ordered or checked), flow-set.c waits for many, flow-reattach.c goes on
 * with the next process of a layer that was killed.
 *
 * Threads: one reads, one writes, any may do the rest. What the two share is the doorbell, and that is
 * delicate, because a record that one takes off it may be meant for the other. Hence:
 *
 *  - Only flow_drain() takes records, with the mutex held. It counts up "turns" and wakes whoever sleeps on
 *    the condition, and it makes event loops look (the eventfd of flow_fd(), the ready list of the set).
 *  - Of the threads that block, one polls the doorbell (the "poller"), others sleep on the condition. While
 *    there is a poller nobody else drains: the kernel would not wake it for a record that is gone.
 *  - Who is going to sleep reads "turns" before it arms its word in the lane: if it changed since, its ring
 *    may have been taken by another, and it looks again instead of sleeping.
 *
 * Flows with a transfer have other rules, since FRCT is both directions in one: transfer.h.
 *
 * "watched" says that an event loop relies on us: then every call of the reading side ends in
 * flow_settle(), which keeps this true: messages left => the descriptor is readable; none left => the peer
 * will ring. Where the program has no use for messages (read_unarmed) neither is, and only what ends or changes the
 * flow rings.
 */

#include <pthread.h>
#include <time.h>

#include "basic/time.h"
#include "libo7s/channel.h"
#include "libo7s/pollable.h"
#include "libo7s/process.h"
#include "libo7s/spin.h"

#define FLOW_FLAGS_SETTABLE ((uint64_t) (O7S_TRUNCATE | O7S_LINGER))
#define FLOW_PARTS_MAX 1024U

typedef struct SetMember SetMember;
typedef struct Transfer Transfer;
typedef struct LocalFlow LocalFlow;

typedef enum FlowState {
        FLOW_PENDING,           /* asked for; the outcome will come on the doorbell */
        FLOW_UP,                /* there is a channel; it may have ended, see .ended */
        FLOW_FAILED,            /* never came up: .error */
        FLOW_CLOSED,            /* by us */
        _FLOW_STATE_MAX,
        _FLOW_STATE_INVALID = -EINVAL,
} FlowState;

#define FLOW_NOT_ENDED 0U

/* Of the thread that reads. */
typedef struct FlowReader {
        Channel *channel;               /* that it reads from; behind flow->channel until it is empty */
        uint64_t timeout_usec;          /* atomic */
        Spin spin;
        bool end_pending;               /* the message ended with the buffer: the next read says 0 */
        bool held;                      /* a message is peeked */
        uint8_t *copy;                  /* of a message that spans slots, for peek; kept for the next */
        size_t copy_size;               /* 0: the peeked message is in the lane */
        uint64_t n_messages;            /* counters: atomic, so that others can look */
        uint64_t n_bytes;
        uint64_t n_waits;
        uint64_t n_cut;
} FlowReader;

/* Of the thread that writes. */
typedef struct FlowWriter {
        Channel *channel;               /* that it knows; behind flow->channel until its next call */
        pthread_mutex_t mutex;          /* held while messages are pushed and published */
        void *slot;                     /* that was handed out by reserve */
        uint64_t timeout_usec;          /* atomic */
        Spin spin;
        size_t reserved;                /* bytes handed out by reserve; 0: none */
        uint32_t slots_wanted;          /* by the message that waits */
        struct timespec checked;        /* when we last looked for the end; on the coarse clock */
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_waits;
} FlowWriter;

struct o7s_flow {
        Handle handle;
        unsigned n_refs;                /* atomic */
        FlowState state;                /* atomic; changes with the mutex held */
        uint32_t ended;                 /* atomic; FLOW_NOT_ENDED or 1 + CloseReason */
        uint64_t flags;                 /* atomic */
        LaneClass lane_class;
        o7s_qos qos_asked;
        Channel *channel;               /* the current one, from FLOW_UP on; atomic; changes with both mutexes held */
        Transfer *transfer;             /* from just before FLOW_UP on, where QoS or keys need one; see transfer.h */
        LocalFlow *local;               /* the same for ordered flows between two programs of one host; see
                                         * flow-local.h */
        size_t message_max;             /* atomic; bytes; what both the lane and the layer carry */

        FlowReader reader __attribute__((aligned(128)));
        FlowWriter writer __attribute__((aligned(128)));

        pthread_mutex_t mutex __attribute__((aligned(128)));
        pthread_cond_t condition;       /* turns changed, or the poller left; on the monotonic clock */
        bool has_poller;
        unsigned n_sleepers;            /* on the condition */
        uint32_t turns;                 /* atomic; drains so far */

        int doorbell_fd;                /* while pending or suspended; then it is the channel's */
        Lane *own_lane;                 /* while pending or suspended */
        bool suspended;                 /* the layer's process was killed, see flow-reattach.c */
        unsigned n_asked;               /* the IRM about that */
        bool changed_untold;            /* atomic; something is new, and nobody was told: O7S_CHANGED */
        bool changed_owed;              /* atomic; the same, and watchers are no longer woken for it */
        unsigned changed_ignored;       /* atomic; reads since then that found nothing */
        bool link_down;                 /* atomic; the layer says that nothing gets through now */
        bool up_untold;                 /* decided, and finish was not called since: O7S_UP */
        int error;                      /* FLOW_FAILED */
        char text[IRM_TEXT_BYTES_MAX];  /* what the IRM said of it */
        IrmFlowInfo info;

        bool watched;                   /* atomic; by an event loop through .pollable, or by a set */
        bool signalled;                 /* atomic; all of the watchers have been told that something is left */
        bool read_unarmed;              /* atomic; O7S_READABLE is not reported */
        bool write_armed;               /* atomic; O7S_WRITABLE is reported */
        Pollable pollable;
        SetMember *member;              /* of the set that we are in; not owned, the set's */
};

/* -- making and ending, flow.c -- */

/* A pending flow with nothing in it. Returns: 0; -ENOMEM. */
int flow_new(uint64_t flags, const o7s_qos *qos, o7s_flow **ret);

/* Where QoS or keys need a transfer: makes it. Before flow_set_up(), and where forks are not held: it may wait for
 * the engine. Returns: 0; what transfer_new() says; -EPROTO: keys of a flow within this host. */
int flow_need_transfer(o7s_flow *flow, const IrmFlowInfo *info, const SealKeys *keys);

/* Makes a pending flow one that is up. Takes the lanes and the doorbell, also on failure. Mutex held, or
 * not yet shared. Returns: 0; -ENOMEM. */
int flow_set_up(o7s_flow *flow, Lane *own, Lane *peer, int doorbell_fd, const IrmFlowInfo *info);

void flow_set_state(o7s_flow *flow, FlowState state);
DEFINE_CLEANUP(o7s_flow, o7s_flow_unref);

/* Notes what ended it; the first reason stays. */
void flow_end(o7s_flow *flow, CloseReason reason);

static inline size_t flow_message_max(const o7s_flow *f) {
        return __atomic_load_n(&f->message_max, __ATOMIC_RELAXED);
}

static inline FlowState flow_state(const o7s_flow *f) {
        return __atomic_load_n(&f->state, __ATOMIC_ACQUIRE);
}

static inline uint32_t flow_ended(const o7s_flow *f) {
        return __atomic_load_n(&f->ended, __ATOMIC_ACQUIRE);
}

/* The end of a flow without references, which the engine kept for a while. */
void flow_close_and_free(o7s_flow *flow);

/* Whether messages can be moved. Returns: 0; -ECHILD; -EINPROGRESS; closed; or why it never came up. */
int flow_check(const o7s_flow *flow, int closed);

/* process_fail() with all that is known of the flow. */
int flow_fail(const o7s_flow *flow, int error, const char *what);

/* How large a message can be, now that mtu and channel are what they are. Mutex held, or not yet shared. */
void flow_set_message_max(o7s_flow *flow);

/* -- the IRM's answer, flow-alloc.c -- */

/* Makes our lane and hands it in. The doorbell is kept by the flow whatever comes of it. */
int flow_send_lane(o7s_flow *flow);

/* For IPCPs: as o7s_flow_alloc_start(), and through this one layer, never to a listener of this host. layer NULL:
 * any. */
int flow_alloc_start_over(const char *layer, const char *name, const o7s_qos *qos, uint64_t flags,
                          uint64_t timeout_usec, o7s_flow **ret);

/* Looks for the outcome. Mutex held. Returns: 0: decided, see the state; -EINPROGRESS. */
int flow_receive_outcome(o7s_flow *flow);

/* -- the next process of the layer, flow-reattach.c -- */

/* The doorbell hung up: asks the IRM. Mutex held. */
void flow_suspend(o7s_flow *flow);

/* Looks for the outcome. Mutex held. */
void flow_reattach_continue(o7s_flow *flow);

/* To the current channel, each by its own thread. Returns whether that is another one. */
bool flow_reader_follow(o7s_flow *flow);
bool flow_writer_follow(o7s_flow *flow);

/* Only to be compared with, without the mutex: it may go at any moment. */
static inline const Channel *flow_channel(const o7s_flow *f) {
        return __atomic_load_n(&f->channel, __ATOMIC_ACQUIRE);
}

/* Whether a hang-up is not the end. */
static inline bool flow_may_reattach(const o7s_flow *f) {
        return f->state == FLOW_UP && !f->info.local && f->info.layer[0] != '\0' &&
               __atomic_load_n(&f->ended, __ATOMIC_ACQUIRE) == FLOW_NOT_ENDED;
}

/* -- waiting, flow-wait.c -- */

typedef enum FlowSide {
        FLOW_READING,
        FLOW_WRITING,
        _FLOW_SIDE_MAX,
        _FLOW_SIDE_INVALID = -EINVAL,
} FlowSide;

/* Waits for one side; the deadline is made from its time-out at the first wait (0 before).
 * Returns: 0: look again; -EAGAIN, -ETIMEDOUT. */
int flow_wait(o7s_flow *flow, FlowSide side, usec_t timeout, usec_t *deadline);

/* Takes records off the doorbell. Mutex held. */
void flow_drain(o7s_flow *flow);

/* For writers: whether the other side is still there, asked of the kernel at most once per tick of the coarse
 * clock, so that a write costs no system call and yet none goes to a peer that died long ago. */
void flow_look_for_end(o7s_flow *flow);

/* Keeps the promise to event loops; see the top. By the reading thread. */
void flow_settle(o7s_flow *flow);

/* The watchers' view: mask of events, after draining and arming. By the reading thread. */
uint32_t flow_events(o7s_flow *flow);

/* The same for whoever asked for events: what is only told once is told now. */
uint32_t flow_report_events(o7s_flow *flow);

/* There is news for O7S_CHANGED. */
void flow_change(o7s_flow *flow);

/* What a read came to. Who reads whenever the descriptor says so, and never asks for events, must not be woken for
 * news for ever; who reads until there is nothing, and then asks, must not miss them. */
void flow_note_read(o7s_flow *flow, ssize_t r);

/* Makes watchers look; nothing is left that they have not been told. Mutex held. */
void flow_signal(o7s_flow *flow);
void flow_unsignal(o7s_flow *flow);

/* Begins to be watched; mutex held. Stays so. */
void flow_watch(o7s_flow *flow);

/* What the watchers should poll: the doorbell, pending, suspended or not. Mutex held. -1 where it is closed. */
int flow_doorbell(const o7s_flow *flow);

/* -- counters -- */

static inline void flow_count(uint64_t *counter, uint64_t n) {
        /* One thread writes it: no locked instruction is needed, only that readers see no half of it. */
        __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t flow_get(const uint64_t *value) {
        return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static inline bool flow_get_flag(const bool *flag) {
        return __atomic_load_n(flag, __ATOMIC_RELAXED);
}
