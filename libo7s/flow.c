/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The library's tour. An application's flow is:
 *
 *   o7s.h             what applications see
 *   flow.c            the flow as an object: made, closed; flow-info.c  asked about
 *   flow-alloc.c      how it is got from the IRM
 *   listener.c        how it is accepted
 *   flow-send.c       messages out; flow-recv.c  messages in; flow-transfer*.c  both, ordered, reliable or checked
 *   flow-local.c      large messages and streams between two programs of one host
 *   transfer.c        between such flows and their lanes: frct*.c, checksum.c; transfer-wait.c  who sees to it when;
 *                     transfer-seal.c  protected, see seal.h
 *   engine.c          the thread that keeps them going while the program does something else
 *   flow-reattach.c   a layer's process was killed: on with the next one
 *   flow-wait.c       sleeping, and event loops; flow-set.c  many at once
 *   process.c         what there is once per process: the control connection, forks, last errors
 *   irm-client.c irm-message.c    the words spoken with the IRM
 *   spin.c pollable.c qos.c error.c    small nouns
 *   channel*.c lane.c doorbell.c  shared memory, alike for applications and daemons
 *   endpoint.c packet.c drop.c    the provider's face, for daemons
 */

#include <sys/socket.h>

#include "libo7s/flow-local.h"
#include "libo7s/irm-client.h"
#include "libo7s/transfer.h"

#define LINGER_USEC (5 * USEC_PER_SEC)

static const uint8_t state_next[_FLOW_STATE_MAX] = {
        [FLOW_PENDING] = 1U << FLOW_UP | 1U << FLOW_FAILED | 1U << FLOW_CLOSED,
        [FLOW_UP] = 1U << FLOW_CLOSED,
        [FLOW_FAILED] = 0,
        [FLOW_CLOSED] = 0,
};

void flow_set_state(o7s_flow *flow, FlowState state) {
        assert(state_next[flow->state] & 1U << state);

        __atomic_store_n(&flow->state, state, __ATOMIC_RELEASE);
}

/* -- lifecycle -- */

/* The current channel, and those that a side has not left yet. */
static void flow_free_channels(o7s_flow *flow, Channel *(*channel_end)(Channel *channel)) {
        Channel *reader = TAKE_PTR(flow->reader.channel), *writer = TAKE_PTR(flow->writer.channel);

        if (reader != flow->channel)
                channel_end(reader);
        if (writer != flow->channel && writer != reader)
                channel_end(writer);
        flow->channel = channel_end(flow->channel);
}

/* Also in a forked child: other threads may have held the mutex, so it is not touched. */
static void flow_forget(Handle *handle) {
        o7s_flow *flow = container_of(handle, o7s_flow, handle);

        pollable_done(&flow->pollable);
        flow->doorbell_fd = safe_close(flow->doorbell_fd);
        if (handle_is_foreign(handle)) {
                flow->own_lane = lane_forget(flow->own_lane);
                flow_free_channels(flow, channel_forget);
        } else {
                flow->own_lane = lane_free(flow->own_lane);
                flow_free_channels(flow, channel_free);
        }
}

static int condition_init(pthread_cond_t *condition) {
        pthread_condattr_t attributes;
        int r;

        r = pthread_condattr_init(&attributes);
        if (r != 0)
                return -r;

        r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (r == 0)
                r = pthread_cond_init(condition, &attributes);

        (void) pthread_condattr_destroy(&attributes);
        return -r;
}

int flow_new(uint64_t flags, const o7s_qos *qos, o7s_flow **ret) {
        o7s_flow *flow;
        int r;

        flow = aligned_alloc(_Alignof(o7s_flow), sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        *flow = (o7s_flow) {
                .n_refs = 1,
                .flags = flags,
                .qos_asked = *qos,
                .reader = { .timeout_usec = O7S_FOREVER, .spin = SPIN_INIT },
                .writer = { .timeout_usec = O7S_FOREVER, .spin = SPIN_INIT },
                .doorbell_fd = -1,
                .pollable = POLLABLE_INIT,
                .handle = { .is_flow = true, .forget = flow_forget },
        };
        list_init(&flow->handle.by_process);
        flow->handle.generation = process_generation();
        (void) pthread_mutex_init(&flow->mutex, NULL);
        (void) pthread_mutex_init(&flow->writer.mutex, NULL);

        r = condition_init(&flow->condition);
        if (r < 0) {
                (void) pthread_mutex_destroy(&flow->writer.mutex);
                (void) pthread_mutex_destroy(&flow->mutex);
                free(flow);
                return r;
        }

        *ret = flow;
        return 0;
}

void flow_set_message_max(o7s_flow *flow) {
        size_t max = flow->local ? LOCAL_MESSAGE_MAX : channel_message_max(flow->channel);

        if (flow->info.mtu > 0)
                max = MIN(max, (size_t) flow->info.mtu);
        if (flow->transfer)
                max = transfer_set_packet_max(flow->transfer, max);
        __atomic_store_n(&flow->message_max, max, __ATOMIC_RELAXED);
}

int flow_need_transfer(o7s_flow *flow, const IrmFlowInfo *info, const SealKeys *keys) {
        if (info->local && keys->suite != SEAL_NONE)
                return -EPROTO;
        if (local_is_needed(info))
                return local_new(info, &flow->local);

        return transfer_is_needed(info, keys) ? transfer_new(flow, info, keys, &flow->transfer) : 0;
}

int flow_set_up(o7s_flow *flow, Lane *own, Lane *peer, int doorbell_fd, const IrmFlowInfo *info) {
        int r;

        r = channel_new(flow->lane_class, own, peer, doorbell_fd, &flow->channel);
        if (r < 0)
                return r;

        flow->reader.channel = flow->writer.channel = flow->channel;
        flow->info = *info;
        flow_set_message_max(flow);
        if (flow->transfer)
                transfer_begin(flow->transfer);
        flow_set_state(flow, FLOW_UP);
        return 0;
}

static o7s_flow *flow_free(o7s_flow *flow) {
        bool foreign = handle_is_foreign(&flow->handle);

        if (flow->transfer && !foreign)
                transfer_stop(flow->transfer);
        flow->transfer = transfer_free(flow->transfer, foreign);
        if (!foreign)
                flow->local = local_free(flow->local);          /* else a thread may have been in the middle of it */
        process_remove(&flow->handle);
        flow_forget(&flow->handle);
        free(flow->reader.copy);

        /* In a forked child a thread that is not there may hold them. */
        if (!foreign) {
                (void) pthread_cond_destroy(&flow->condition);
                (void) pthread_mutex_destroy(&flow->writer.mutex);
                (void) pthread_mutex_destroy(&flow->mutex);
        }

        return mfree(flow);
}

/* -- ending -- */

void flow_end(o7s_flow *flow, CloseReason reason) {
        uint32_t expected = FLOW_NOT_ENDED;

        (void) __atomic_compare_exchange_n(&flow->ended, &expected, 1U + (uint32_t) reason, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE);
}

int flow_check(const o7s_flow *flow, int closed) {
        if (!flow)
                return -EINVAL;
        if (handle_is_foreign(&flow->handle))
                return -ECHILD;

        switch (flow_state(flow)) {
        case FLOW_UP:
                return 0;
        case FLOW_PENDING:
                return -EINPROGRESS;
        case FLOW_FAILED:
                return flow->error;
        case FLOW_CLOSED:
        case _FLOW_STATE_MAX:
        case _FLOW_STATE_INVALID:
                break;
        }

        return closed;
}

/* How the other side ended, for people; NULL where that says nothing beyond the errno. */
static const char *end_text(uint32_t ended) {
        static const char *const texts[1 + _CLOSE_REASON_MAX] = {
                [1 + CLOSE_NORMAL] = "The other side closed the flow. Open a new one",
                [1 + CLOSE_PEER_DIED] = "The program on the other side ended without closing. Open a new flow",
                [1 + CLOSE_PEER_TIMEOUT] = "Nothing was heard from the other side for too long. Open a new flow",
                [1 + CLOSE_LAYER_DOWN] = "The layer below went away. See its state with: o7sctl status",
                [1 + CLOSE_REFUSED] = "The other side did not accept the flow after all",
                [1 + CLOSE_VIOLATION] = "The other side broke the rules of shared memory, the flow was ended",
                [1 + CLOSE_BY_OPERATOR] = "An administrator ended the flow",
        };

        return ended < ELEMENTSOF(texts) ? texts[ended] : NULL;
}

int flow_fail(const o7s_flow *flow, int error, const char *what) {
        const char *why = NULL;

        if (!flow || error == -EAGAIN || error == -ECHILD || error == -EINPROGRESS)
                return process_fail(error, what, NULL, NULL, NULL, NULL);       /* often, or info is not settled */

        if (error == -EPIPE || error == -ENOTCONN || error == -ECONNRESET)
                why = flow->transfer ? transfer_why(flow->transfer) : NULL;
        if (!why && (error == -EPIPE || error == -ENOTCONN || error == -ECONNRESET))
                why = end_text(flow_ended(flow));
        if (flow_state(flow) == FLOW_FAILED)
                why = flow->text;

        return process_fail(error, what, flow->info.name, flow->info.layer, flow->info.peer, why);
}

/* Waits until the peer has taken everything. An armed writer is rung when half of the lane is free; the rest of
 * the way has no bell, so it is looked at now and then, while the doorbell tells if the other side ends. */
static int flow_wait_empty(o7s_flow *flow, usec_t timeout) {
        usec_t deadline = usec_add(time_now(), timeout), nap = 20;

        for (;;) {
                uint32_t queued;
                int r;

                (void) flow_writer_follow(flow);
                queued = channel_queued(flow->writer.channel);

                if (queued == 0)
                        return 0;

                flow_look_for_end(flow);
                if (flow_ended(flow) != FLOW_NOT_ENDED)
                        return channel_queued(flow->writer.channel) == 0 ? 0 : -EPIPE;
                if (timeout == 0)
                        return -EAGAIN;
                if (time_now() >= deadline)
                        return -ETIMEDOUT;

                r = wait_for_fd(-1, 0, MIN(deadline, usec_add(time_now(), nap)));
                if (r < 0 && r != -ETIMEDOUT)
                        return r;
                nap = MIN(2 * nap, USEC_PER_MSEC);
        }
}

/* What was written is with the peer, or, on flows that are not reliable, has left our lane. finish: nothing more will
 * be written. */
static int flow_await_taken(o7s_flow *flow, bool finish, usec_t timeout) {
        return flow->transfer ? transfer_flush(flow, finish, timeout) : flow_wait_empty(flow, timeout);
}

/* Tells both the other side and the IRM. Mutex held. */
static void flow_tell_end(o7s_flow *flow) {
        uint32_t ended = flow_ended(flow);
        CloseReason reason = ended == FLOW_NOT_ENDED ? CLOSE_NORMAL : (CloseReason) (ended - 1);
        IrmMessage message = {
                .type = IRM_DEALLOCATE,
                .flow_id = flow->handle.flow_id,
                .close_reason = reason,
        };

        flow_set_state(flow, FLOW_CLOSED);
        flow_end(flow, CLOSE_NORMAL);
        reason = reason == CLOSE_VIOLATION ? reason : CLOSE_NORMAL;
        channel_close(flow->channel, reason);
        if (flow->suspended)
                doorbell_close(flow->doorbell_fd, reason);      /* the next process may have the other end already */
        process_remove(&flow->handle);
        (void) process_notify(&message, NULL, 0);       /* an IRM that is not there has nothing to forget */
}

/* Ends a flow that is up. Its own threads and event loops are woken: the other side may never hang up. */
static void flow_shut(o7s_flow *flow) {
        if (flow->transfer)
                transfer_lock(flow->transfer);
        (void) pthread_mutex_lock(&flow->mutex);

        if (flow_state(flow) == FLOW_UP) {
                flow_tell_end(flow);
                (void) shutdown(flow_doorbell(flow), SHUT_RDWR);
                if (flow->transfer) {
                        transfer_seal_end(flow->transfer);
                        flow->transfer->moved = true;
                }
        }

        (void) pthread_mutex_unlock(&flow->mutex);
        if (flow->transfer)
                transfer_unlock(flow->transfer, false);
}

void flow_close_and_free(o7s_flow *flow) {
        flow_shut(flow);
        flow_free(flow);
}

o7s_flow *o7s_flow_ref(o7s_flow *flow) {
        if (flow)
                (void) __atomic_add_fetch(&flow->n_refs, 1, __ATOMIC_RELAXED);

        return flow;
}

o7s_flow *o7s_flow_unref(o7s_flow *flow) {
        if (!flow || __atomic_sub_fetch(&flow->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;

        if (!handle_is_foreign(&flow->handle) && flow_state(flow) == FLOW_UP) {
                if (flow->flags & O7S_LINGER)
                        (void) flow_await_taken(flow, true, LINGER_USEC);
                if (flow->transfer && transfer_outlive(flow->transfer))
                        return NULL;
                flow_shut(flow);
        }

        return flow_free(flow);
}

int o7s_flow_close(o7s_flow *flow, uint64_t timeout_usec) {
        static const char what[] = "Closing the flow";
        bool gone;
        int r;

        r = flow_check(flow, -ENOTCONN);
        if (r < 0)
                return flow_fail(flow, r, what);

        r = flow_await_taken(flow, true, timeout_usec);
        gone = flow_ended(flow) != FLOW_NOT_ENDED && !(flow->transfer && flow->transfer->frct);
        flow_shut(flow);

        if (r == 0 && gone)
                r = -EPIPE;
        return r < 0 ? flow_fail(flow, r, what) : 0;
}

int o7s_flow_flush(o7s_flow *flow, uint64_t timeout_usec) {
        int r;

        r = flow_check(flow, -EPIPE);
        if (r >= 0)
                r = flow_await_taken(flow, false, timeout_usec);

        return r < 0 ? flow_fail(flow, r, "Flushing the flow") : 0;
}
