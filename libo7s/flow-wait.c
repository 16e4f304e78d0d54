/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sleeping until the other side did something, and telling event loops. flow.h has the rules. */

#include <poll.h>

#include "libo7s/flow-local.h"
#include "libo7s/flow-set.h"
#include "libo7s/irm-client.h"
#include "libo7s/transfer.h"

#define ARM_TRIES_MAX 16U       /* while parts of a large message come in */
#define IGNORED_MAX 2U          /* reads in vain: the first may end a series, the second was woken for nothing */

/* -- the doorbell -- */

void flow_signal(o7s_flow *flow) {
        if (!flow_get_flag(&flow->watched))
                return;

        pollable_signal(&flow->pollable, true);
        if (flow->member)
                set_member_make_ready(flow->member);
        __atomic_store_n(&flow->signalled, true, __ATOMIC_RELAXED);
}

/* What the layer said of the path. One that is told of packets' size alone may have nothing to change: FRCT looks for
 * itself how much of it is good for, and that is told by transfer_look_at_path(). Mutex held. */
static void path_heard(o7s_flow *flow, const PathState *path) {
        bool changed = path->down != flow_get_flag(&flow->link_down);

        __atomic_store_n(&flow->link_down, path->down, __ATOMIC_RELAXED);
        if (changed && !path->down && flow->transfer)
                transfer_link_is_back(flow->transfer);

        if (path->packet_max > 0 && path->packet_max != flow->info.mtu) {
                size_t before = flow_message_max(flow);

                flow->info.mtu = path->packet_max;
                flow_set_message_max(flow);
                changed = changed || flow_message_max(flow) != before;
        }

        if (changed)
                flow_change(flow);
}

/* What the channel's doorbell says. Between two programs nobody has anything to say of a path. Mutex held. */
static void channel_heard(o7s_flow *flow) {
        PathState path = { .down = flow_get_flag(&flow->link_down) };
        CloseReason reason = CLOSE_NORMAL;
        int r;

        r = channel_drain_path(flow->channel, flow->info.local ? NULL : &path, &reason);
        path_heard(flow, &path);
        if (r == 1)
                flow_end(flow, reason);
        else if (r == -EPIPE && flow_may_reattach(flow))
                flow_suspend(flow);
        else if (r == -EPIPE)
                flow_end(flow, CLOSE_PEER_DIED);
        else if (r < 0)
                flow_end(flow, CLOSE_VIOLATION);
}

void flow_drain(o7s_flow *flow) {
        assert(!flow->has_poller);

        if (flow->suspended)
                flow_reattach_continue(flow);
        else
                channel_heard(flow);

        (void) __atomic_add_fetch(&flow->turns, 1, __ATOMIC_RELAXED);
        if (flow->n_sleepers > 0)
                (void) pthread_cond_broadcast(&flow->condition);
}

/* Sleeps until somebody takes records off the doorbell, or the poller leaves. Mutex held.
 * Returns: 0; -ETIMEDOUT. */
static int flow_sleep(o7s_flow *flow, usec_t deadline) {
        struct timespec until = {
                .tv_sec = (time_t) (deadline / USEC_PER_SEC),
                .tv_nsec = (long) (deadline % USEC_PER_SEC * NSEC_PER_USEC),
        };
        int r;

        flow->n_sleepers++;
        if (deadline / USEC_PER_SEC > INT32_MAX)
                r = pthread_cond_wait(&flow->condition, &flow->mutex);
        else
                r = pthread_cond_timedwait(&flow->condition, &flow->mutex, &until);
        flow->n_sleepers--;

        return -r;
}

/* Polls the doorbell for everybody, and then takes what is there. Mutex held, but not while it polls. */
static int flow_poll(o7s_flow *flow, usec_t deadline) {
        int fd = flow_doorbell(flow), r;

        /* Only who drains can replace it, and meanwhile nobody does. */
        flow->has_poller = true;
        (void) pthread_mutex_unlock(&flow->mutex);

        r = wait_for_fd(fd, POLLIN, deadline);

        (void) pthread_mutex_lock(&flow->mutex);
        flow->has_poller = false;
        if (r > 0) {
                flow_drain(flow);
                flow_signal(flow);
                return 0;
        }

        if (flow->n_sleepers > 0)
                (void) pthread_cond_broadcast(&flow->condition);        /* one of them polls now */
        return r;
}

/* turns: as it was before the word in the lane was armed. */
static int flow_await_ring(o7s_flow *flow, uint32_t turns, usec_t deadline) {
        int r = 0;

        (void) pthread_mutex_lock(&flow->mutex);
        if (flow->turns == turns && flow_ended(flow) == FLOW_NOT_ENDED)
                r = flow->has_poller ? flow_sleep(flow, deadline) : flow_poll(flow, deadline);
        (void) pthread_mutex_unlock(&flow->mutex);

        return r;
}

void flow_look_for_end(o7s_flow *flow) {
        if (flow_ended(flow) != FLOW_NOT_ENDED)
                return;

        (void) pthread_mutex_lock(&flow->mutex);
        if (!flow->has_poller && wait_for_fd(flow_doorbell(flow), POLLIN, 0) > 0) {
                flow_drain(flow);
                flow_signal(flow);
        }
        (void) pthread_mutex_unlock(&flow->mutex);
}

/* -- blocking -- */

static Channel *flow_side_channel(const o7s_flow *flow, FlowSide side) {
        return side == FLOW_READING ? flow->reader.channel : flow->writer.channel;
}

/* Whether it is worth coming back. A side that has yet to follow to the current channel does so then. A writer waits
 * for a quarter of the lane at least: the two sides would else fight over each cache line. */
static bool flow_is_ready(o7s_flow *flow, FlowSide side) {
        uint32_t n_slots = lane_class_slots(flow->lane_class);

        if (flow_side_channel(flow, side) != flow_channel(flow))
                return true;
        if (side == FLOW_READING)
                return channel_readable(flow->reader.channel);

        return n_slots - channel_queued(flow->writer.channel) >= MAX(flow->writer.slots_wanted, n_slots / 4);
}

static bool flow_spin(o7s_flow *flow, FlowSide side, Spin *spin, uint64_t begin, uint32_t budget_nsec) {
        do {
                for (unsigned i = spin_looks(spin); i > 0; i--) {
                        if (flow_is_ready(flow, side))
                                return true;
                        spin_pause();
                }
                spin_offer(spin);
        } while (spin_now() - begin < budget_nsec);

        return flow_is_ready(flow, side);
}

/* Arms and sleeps. Returns: 0: look again; -ETIMEDOUT. */
static int flow_wait_asleep(o7s_flow *flow, FlowSide side, usec_t deadline) {
        uint32_t turns = __atomic_load_n(&flow->turns, __ATOMIC_ACQUIRE);
        Channel *channel = flow_side_channel(flow, side);
        int r;

        /* After reading turns: whoever replaces the channel from now on changes them. */
        if (channel != flow_channel(flow))
                return 0;

        r = side == FLOW_READING ? channel_arm_read(channel) : channel_arm_write(channel);
        if (r != 1)
                return 0;

        r = flow_await_ring(flow, turns, deadline);

        if (side == FLOW_READING)
                channel_disarm_read(channel);
        else
                channel_disarm_write(channel);
        return r;
}

int flow_wait(o7s_flow *flow, FlowSide side, usec_t timeout, usec_t *deadline) {
        Spin *spin = side == FLOW_READING ? &flow->reader.spin : &flow->writer.spin;
        uint32_t budget_nsec;
        uint64_t begin;
        bool found;
        int r = 0;

        if (timeout == 0) {
                flow_look_for_end(flow);
                return flow_ended(flow) != FLOW_NOT_ENDED || flow_is_ready(flow, side) ? 0 : -EAGAIN;
        }

        flow_count(side == FLOW_READING ? &flow->reader.n_waits : &flow->writer.n_waits, 1);
        if (*deadline == 0)
                *deadline = usec_add(time_now(), timeout);

        begin = spin_now();
        budget_nsec = spin_begin(spin);
        found = budget_nsec > 0 && flow_spin(flow, side, spin, begin, budget_nsec);
        if (!found)
                r = flow_wait_asleep(flow, side, *deadline);
        spin_end(spin, budget_nsec, spin_now() - begin, found);

        return r;
}

/* -- event loops -- */

int flow_doorbell(const o7s_flow *flow) {
        return flow->doorbell_fd >= 0 || !flow->channel ? flow->doorbell_fd : channel_fd(flow->channel);
}

void flow_watch(o7s_flow *flow) {
        __atomic_store_n(&flow->watched, true, __ATOMIC_RELAXED);

        /* What is in the lane already has not been told to anybody. */
        flow_signal(flow);
}

/* Part of a large message is nothing to read. */
static bool flow_is_readable(o7s_flow *flow) {
        return flow->local ? local_readable(flow) : channel_readable(flow->reader.channel);
}

/* What is known without a look at the doorbell. */
static uint32_t flow_events_known(o7s_flow *flow) {
        uint32_t ended = flow_ended(flow), events = 0;

        if (!flow->reader.held && !channel_readable(flow->reader.channel))
                (void) flow_reader_follow(flow);
        if (!flow_get_flag(&flow->read_unarmed) &&
            (flow->reader.end_pending || flow->reader.held || flow_is_readable(flow)))
                events |= O7S_READABLE;
        if (flow_get_flag(&flow->changed_untold))
                events |= O7S_CHANGED;
        if (ended != FLOW_NOT_ENDED)
                events |= O7S_DOWN;
        if (ended == 1 + CLOSE_PEER_DIED || ended == 1 + CLOSE_PEER_TIMEOUT)
                events |= O7S_PEER_GONE;

        return events;
}

/* Where that is asked for. Arms the writing side too, whose thread this is then. */
static bool flow_is_writable(o7s_flow *flow) {
        if (!flow_get_flag(&flow->write_armed))
                return false;

        (void) flow_writer_follow(flow);
        return channel_arm_write(flow->writer.channel) != 1;
}

void flow_unsignal(o7s_flow *flow) {
        pollable_signal(&flow->pollable, false);
        __atomic_store_n(&flow->signalled, false, __ATOMIC_RELAXED);
}

/* Returns: whether there is nothing to read and the peer will ring. */
static bool flow_arm_read(o7s_flow *flow) {
        for (unsigned i = 0; i < ARM_TRIES_MAX; i++) {
                if (channel_arm_read(flow->reader.channel) == 1)
                        return true;
                if (flow_is_readable(flow))
                        break;
        }

        return false;
}

/* Nothing more is known, so drain, then look, then arm. Returns the events that turned up; 0: armed. */
static uint32_t flow_events_fresh(o7s_flow *flow) {
        uint32_t events;

        (void) pthread_mutex_lock(&flow->mutex);

        /* Cleared before arming: a writer that takes the ring from now on sets it again. */
        flow_unsignal(flow);
        if (!flow->has_poller)
                flow_drain(flow);

        (void) pthread_mutex_unlock(&flow->mutex);

        events = flow_events_known(flow);
        if (events != 0 || flow_get_flag(&flow->read_unarmed))
                channel_disarm_read(flow->reader.channel);      /* its ring may be among what was drained */
        else if (!flow_arm_read(flow))
                events |= O7S_READABLE;
        if (flow_is_writable(flow))
                events |= O7S_WRITABLE;

        return events;
}

/* Whether what is there has rung, or is about to, and nobody has taken that off the doorbell: it is still armed. */
static bool flow_rings_itself(const o7s_flow *flow, uint32_t events) {
        return events == O7S_READABLE && channel_is_armed_read(flow->reader.channel);
}

static uint32_t flow_events_up(o7s_flow *flow) {
        uint32_t events;

        if (flow->transfer)
                return transfer_events(flow);

        events = flow_events_known(flow);
        if (events == 0)
                return flow_events_fresh(flow);

        if (flow_is_writable(flow))
                events |= O7S_WRITABLE;
        return events;
}

/* A flow that is pending, failed or closed. */
static uint32_t flow_events_down(o7s_flow *flow) {
        uint32_t events = 0;

        (void) pthread_mutex_lock(&flow->mutex);
        if (flow->state == FLOW_PENDING)
                (void) flow_receive_outcome(flow);
        if (flow->up_untold)
                events |= O7S_UP;
        if (flow->state == FLOW_FAILED || flow->state == FLOW_CLOSED)
                events |= O7S_DOWN;
        if (events == 0)
                flow_unsignal(flow);    /* the outcome will make the doorbell readable */
        (void) pthread_mutex_unlock(&flow->mutex);

        return events;
}

uint32_t flow_events(o7s_flow *flow) {
        uint32_t events;

        if (handle_is_foreign(&flow->handle))
                return 0;       /* a set of a forked child has such members at most */

        if (flow_check(flow, -ENOTCONN) < 0 || flow_get_flag(&flow->up_untold))
                events = flow_events_down(flow);
        else
                events = flow_events_up(flow);

        if (events != 0 && flow_get_flag(&flow->watched) && !flow_get_flag(&flow->signalled)) {
                (void) pthread_mutex_lock(&flow->mutex);
                if (flow->member || !flow_rings_itself(flow, events))
                        flow_signal(flow);
                (void) pthread_mutex_unlock(&flow->mutex);
        }

        return events;
}

void flow_change(o7s_flow *flow) {
        __atomic_store_n(&flow->changed_ignored, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&flow->changed_untold, true, __ATOMIC_RELAXED);
}

void flow_note_read(o7s_flow *flow, ssize_t r) {
        if ((r != -EAGAIN && r != -ETIMEDOUT) || !flow_get_flag(&flow->watched) ||
            !flow_get_flag(&flow->changed_untold))
                return;

        if (__atomic_add_fetch(&flow->changed_ignored, 1, __ATOMIC_RELAXED) < IGNORED_MAX)
                return;

        /* Nobody is woken for it any more; who asks is told all the same. */
        __atomic_store_n(&flow->changed_owed, true, __ATOMIC_RELAXED);
        __atomic_store_n(&flow->changed_untold, false, __ATOMIC_RELAXED);
}

uint32_t flow_report_events(o7s_flow *flow) {
        uint32_t events = flow_events(flow);

        if (events & O7S_CHANGED)
                __atomic_store_n(&flow->changed_untold, false, __ATOMIC_RELAXED);
        if (flow_get_flag(&flow->changed_owed) && __atomic_exchange_n(&flow->changed_owed, false, __ATOMIC_RELAXED))
                events |= O7S_CHANGED;
        return events;
}

void flow_settle(o7s_flow *flow) {
        if (!flow_get_flag(&flow->watched) || handle_is_foreign(&flow->handle))
                return;

        (void) flow_events(flow);
}

int o7s_flow_events(o7s_flow *flow) {
        if (!flow || handle_is_foreign(&flow->handle))
                return flow_fail(flow, flow ? -ECHILD : -EINVAL, "Looking at the flow");

        return (int) flow_report_events(flow);
}

int o7s_flow_arm_write(o7s_flow *flow, bool on) {
        int r;

        r = flow_check(flow, -EPIPE);
        if (r < 0)
                return flow_fail(flow, r, "Watching the flow");

        __atomic_store_n(&flow->write_armed, on, __ATOMIC_RELAXED);
        if (!on && !flow->transfer)
                channel_disarm_write(flow->writer.channel);

        flow_settle(flow);
        return 0;
}

int o7s_flow_arm_read(o7s_flow *flow, bool on) {
        int r;

        r = flow_check(flow, -ENOTCONN);
        if (r < 0)
                return flow_fail(flow, r, "Watching the flow");

        __atomic_store_n(&flow->read_unarmed, !on, __ATOMIC_RELAXED);
        flow_settle(flow);
        return 0;
}

/* Mutex held. */
static int flow_make_pollable(o7s_flow *flow) {
        int doorbell_fd = flow_doorbell(flow), r;

        if (pollable_is_made(&flow->pollable))
                return 0;

        r = pollable_make(&flow->pollable);
        if (r < 0)
                return r;

        if (doorbell_fd >= 0) {
                r = pollable_add(&flow->pollable, doorbell_fd);
                if (r < 0) {
                        pollable_done(&flow->pollable);
                        return r;
                }
        }

        flow_watch(flow);
        return 0;
}

int o7s_flow_fd(o7s_flow *flow) {
        int r;

        if (!flow || handle_is_foreign(&flow->handle))
                return flow_fail(flow, flow ? -ECHILD : -EINVAL, "Watching the flow");

        (void) pthread_mutex_lock(&flow->mutex);
        r = flow_make_pollable(flow);
        if (r >= 0)
                r = flow->pollable.epoll_fd;
        (void) pthread_mutex_unlock(&flow->mutex);

        return r < 0 ? flow_fail(flow, r, "Watching the flow") : r;
}
