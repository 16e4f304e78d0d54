/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who takes care of a transfer while nobody is inside a call: the thread that waits in one, the engine, the event
 * loop's bell. */

#include <poll.h>

#include "libo7s/irm-client.h"
#include "libo7s/transfer.h"

/* Pumps in a row that found something when about to leave; then the engine goes on. */
#define ARM_ATTEMPTS 8U
#define SOON ((nsec_t) 250 * NSEC_PER_USEC)     /* no time-out is that short: what is due by then is sent at a pace */
#define SLACK ((nsec_t) 50 * NSEC_PER_USEC)     /* what a thread oversleeps anyway */

/* Beyond R, after which FRCT itself gives up. */
#define AFTERLIFE_MAX (FRCT_RETRANSMIT_MAX + (nsec_t) 5 * NSEC_PER_SEC)

/* -- the engine's times -- */

static int doorbell(Transfer *t) {
        int fd;

        (void) pthread_mutex_lock(&t->flow->mutex);
        fd = flow_doorbell(t->flow);
        (void) pthread_mutex_unlock(&t->flow->mutex);
        return fd;
}

static void tell_engine(Transfer *t, nsec_t due) {
        if (!t->in_engine || due >= t->due)
                return;

        t->due = due;
        engine_set_due(process_engine(), &t->engine, due);
}

/* When FRCT or the seal want to go on by themselves. A full lane rings when there is room; the time is for bells that
 * are lost with a layer. */
static nsec_t next_time(const Transfer *t, nsec_t now) {
        nsec_t next = transfer_seal_next(t);

        if (transfer_has_ended(t))
                return NSEC_INFINITY;
        if (t->frct && t->lane_full)
                return now + TRANSFER_TAKE_OVER;
        if (t->frct)
                next = MIN(next, frct_next(t->frct, now));

        return MAX(next, now + SLACK);
}

/* Without FRCT nothing waits for an answer but the seal, and that has time until the event loop comes by. */
static bool may_take_over(const Transfer *t) {
        return t->frct || !flow_get_flag(&t->flow->watched);
}

/* When the engine should come by. */
static nsec_t due_time(const Transfer *t, nsec_t now) {
        nsec_t next = next_time(t, now), look = MAX(t->left + TRANSFER_TAKE_OVER, t->take_over_from);

        if (transfer_has_ended(t))
                return t->afterlife ? now : NSEC_INFINITY;
        if (t->engine_fd >= 0)
                return t->afterlife ? MIN(next, t->afterlife_end) : next;
        if (t->polling)
                return next < t->poll_until ? next : now < look ? look : NSEC_INFINITY;
        if (!may_take_over(t))
                return next;
        if (t->frct && t->lane_full)
                return MAX(now, t->take_over_from);     /* to take over: nobody has asked to be rung */

        /* A lossy flow has few times of its own: of packets that wait for others, or for the pace. They are kept. */
        if (t->frct && !t->reliable)
                return MIN(next, look);

        return next < now + SOON ? next : look;
}

static void schedule(Transfer *t, nsec_t now) {
        nsec_t due = due_time(t, now);

        if (due != NSEC_INFINITY)
                tell_engine(t, MAX(due, now + SLACK));
}

void transfer_begin(Transfer *t) {
        nsec_t now = time_now_nsec();

        t->left = now;
        tell_engine(t, now + TRANSFER_TAKE_OVER);
}

/* -- those who rely on the doorbell -- */

void transfer_drain(Transfer *t) {
        if (t->polling)
                return;

        (void) pthread_mutex_lock(&t->flow->mutex);
        flow_drain(t->flow);
        (void) pthread_mutex_unlock(&t->flow->mutex);
        t->moved = true;
}

/* Asks for what is missing. Returns false where it is there by now. */
static bool arm(Transfer *t) {
        o7s_flow *flow = t->flow;

        /* Without FRCT a message that is kept has to be read before the next one is of interest. */
        if (!transfer_is_pollers(t, FLOW_READING) && (t->frct || t->content_size == 0) &&
            channel_arm_read(flow->reader.channel) != 1)
                return false;

        if (t->lane_full && !transfer_is_pollers(t, FLOW_WRITING) && channel_arm_write(flow->writer.channel) != 1) {
                t->lane_full = false;
                return false;
        }

        return true;
}

void transfer_settle(Transfer *t, bool drain) {
        bool watched = flow_get_flag(&t->flow->watched);

        if (!watched && !t->polling && t->engine_fd < 0)
                return;

        for (unsigned i = 0; i < ARM_ATTEMPTS && !transfer_has_ended(t); i++) {
                if (drain && watched && transfer_events_now(t) == 0)
                        transfer_drain(t);
                if (arm(t))
                        return;
                transfer_pump(t);
        }

        /* The other side is faster than we can ask to be rung. What has ended needs nobody. */
        if (!transfer_has_ended(t))
                tell_engine(t, time_now_nsec() + SLACK);
}

static void tell_watchers(Transfer *t) {
        o7s_flow *flow = t->flow;
        uint32_t events;

        if (!flow_get_flag(&flow->watched) || flow_state(flow) != FLOW_UP)
                return;

        transfer_look_at_path(t);
        events = transfer_events_now(t);
        if ((events != 0) == flow_get_flag(&flow->signalled))
                return;

        (void) pthread_mutex_lock(&flow->mutex);
        if (events != 0)
                flow_signal(flow);
        else if (!flow->up_untold)
                flow_unsignal(flow);
        (void) pthread_mutex_unlock(&flow->mutex);
}

static void wake_sleepers(Transfer *t) {
        if (t->n_sleepers > 0 && t->moved)
                (void) pthread_cond_broadcast(&t->condition);
        t->moved = false;
}

/* What has to be true when the mutex is let go. */
static void leave(Transfer *t, bool drain, nsec_t now) {
        transfer_settle(t, drain);
        tell_watchers(t);
        wake_sleepers(t);
        if (t->in_engine)
                schedule(t, now);
}

void transfer_lock(Transfer *t) {
        (void) pthread_mutex_lock(&t->mutex);
}

void transfer_unlock(Transfer *t, bool drain) {
        t->left = time_now_nsec();
        leave(t, drain, t->left);
        (void) pthread_mutex_unlock(&t->mutex);
}

/* -- waiting -- */

/* Looks for a while, letting others in between. Returns whether that was worth it. */
static bool look(Transfer *t, FlowSide side, size_t wanted, Spin *spin, uint64_t begin, uint32_t budget_nsec) {
        do {
                for (unsigned i = spin_looks(spin); i > 0; i--) {
                        (void) pthread_mutex_unlock(&t->mutex);
                        spin_pause();
                        (void) pthread_mutex_lock(&t->mutex);

                        if (!t->polling && channel_readable(t->flow->reader.channel))
                                break;
                        if (transfer_is_ready(t, side, wanted))
                                return true;
                }

                transfer_pump(t);
                if (transfer_is_ready(t, side, wanted))
                        return true;

                (void) pthread_mutex_unlock(&t->mutex);
                spin_offer(spin);
                (void) pthread_mutex_lock(&t->mutex);
        } while (spin_now() - begin < budget_nsec);

        /* Others were let in: what was looked for may be there, and would not ring any more. */
        return transfer_is_ready(t, side, wanted);
}

/* Until somebody says that something moved. */
static int sleep_beside_poller(Transfer *t, FlowSide side, size_t wanted, usec_t deadline) {
        struct timespec until = {
                .tv_sec = (time_t) (deadline / USEC_PER_SEC),
                .tv_nsec = (long) (deadline % USEC_PER_SEC * NSEC_PER_USEC),
        };
        int r;

        leave(t, false, time_now_nsec());
        if (transfer_is_ready(t, side, wanted))
                return 0;

        t->n_sleepers++;
        if (deadline / USEC_PER_SEC > INT32_MAX)
                r = pthread_cond_wait(&t->condition, &t->mutex);
        else
                r = pthread_cond_timedwait(&t->condition, &t->mutex, &until);
        t->n_sleepers--;

        return -r;
}

/* Polls the doorbell for everybody, until FRCT wants something, and then does what there is to do. */
static int poll_for_all(Transfer *t, FlowSide side, usec_t deadline) {
        nsec_t next;
        int fd, r;

        if (!arm(t)) {
                transfer_pump(t);
                return 0;
        }

        next = next_time(t, time_now_nsec());
        fd = doorbell(t);
        transfer_unwatch(t, t->engine_fd);
        tell_watchers(t);
        wake_sleepers(t);

        /* Only who drains can replace it, and meanwhile nobody does. */
        t->polling = true;
        t->poller = side;
        t->poll_until = next;
        (void) pthread_mutex_unlock(&t->mutex);

        r = wait_for_fd(fd, POLLIN, MIN(deadline, next / NSEC_PER_USEC + 1));

        (void) pthread_mutex_lock(&t->mutex);
        t->polling = false;
        if (r > 0)
                transfer_drain(t);
        transfer_pump(t);
        if (t->n_sleepers > 0)
                (void) pthread_cond_broadcast(&t->condition);           /* one of them polls now */

        return r == -ETIMEDOUT && time_now() < deadline ? 0 : MIN(r, 0);
}

int transfer_wait(Transfer *t, FlowSide side, size_t wanted, usec_t timeout, usec_t *deadline) {
        o7s_flow *flow = t->flow;
        Spin *spin = side == FLOW_READING ? &flow->reader.spin : &flow->writer.spin;
        uint32_t budget_nsec;
        uint64_t begin;
        bool found;
        int r = 0;

        if (timeout == 0) {
                transfer_drain(t);
                transfer_pump(t);
                return transfer_is_ready(t, side, wanted) ? 0 : -EAGAIN;
        }

        /* The caller pumped after it had asked: what it waits for may have come just then, and would ring no more. */
        if (transfer_is_ready(t, side, wanted))
                return 0;

        flow_count(side == FLOW_READING ? &flow->reader.n_waits : &flow->writer.n_waits, 1);
        if (*deadline == 0)
                *deadline = usec_add(time_now(), timeout);

        begin = spin_now();
        budget_nsec = spin_begin(spin);
        found = budget_nsec > 0 && look(t, side, wanted, spin, begin, budget_nsec);
        if (!found)
                r = t->polling ? sleep_beside_poller(t, side, wanted, *deadline) : poll_for_all(t, side, *deadline);
        spin_end(spin, budget_nsec, spin_now() - begin, found);

        if (transfer_is_ready(t, side, wanted))
                return 0;

        /* A peer that sends garbage all the time keeps the doorbell ringing; it does not keep the caller. */
        return r < 0 ? r : time_now() >= *deadline ? -ETIMEDOUT : 0;
}

/* -- the engine's turn -- */

/* Nobody has been here for a while, or nobody will be. */
static bool must_take_over(const Transfer *t, nsec_t now) {
        if (transfer_has_ended(t) || t->polling || t->engine_fd >= 0 || !may_take_over(t) || now < t->take_over_from)
                return false;

        return t->afterlife || (t->frct && t->lane_full) || now >= t->left + TRANSFER_TAKE_OVER;
}

static void take_over(Transfer *t, nsec_t now) {
        int fd = doorbell(t);

        if (engine_watch(process_engine(), &t->engine, fd) >= 0)
                t->engine_fd = fd;
        else
                t->take_over_from = now + TRANSFER_TAKE_OVER;   /* until then by time alone */
}

static bool afterlife_is_over(Transfer *t, nsec_t now) {
        return t->afterlife && (transfer_has_ended(t) || transfer_is_flushed(t) || now >= t->afterlife_end);
}

void transfer_run(EngineFlow *engine) {
        Transfer *t = container_of(engine, Transfer, engine);
        nsec_t now;

        (void) pthread_mutex_lock(&t->mutex);

        t->due = NSEC_INFINITY;
        if (t->engine_fd >= 0)
                transfer_drain(t);
        transfer_pump(t);
        now = time_now_nsec();

        if (afterlife_is_over(t, now)) {
                (void) pthread_mutex_unlock(&t->mutex);
                flow_close_and_free(t->flow);
                process_afterlife_end();
                return;
        }

        /* One that has ended would ring for ever. */
        if (transfer_has_ended(t))
                transfer_unwatch(t, t->engine_fd);
        else if (must_take_over(t, now))
                take_over(t, now);

        leave(t, false, now);
        (void) pthread_mutex_unlock(&t->mutex);
}

void transfer_unwatch(Transfer *t, int fd) {
        if (t->engine_fd < 0 || t->engine_fd != fd)
                return;

        engine_unwatch(process_engine(), fd);
        t->engine_fd = -1;
}

/* -- the end -- */

bool transfer_outlive(Transfer *t) {
        o7s_flow *flow = t->flow;
        bool outlives;

        if (!t->frct)
                return false;

        (void) pthread_mutex_lock(&t->mutex);

        frct_finish(t->frct, time_now_nsec());
        transfer_pump(t);
        outlives = t->reliable && !transfer_has_ended(t) && !frct_is_flushed(t->frct);
        if (outlives) {
                process_afterlife_begin();
                t->afterlife = true;
                t->afterlife_end = time_now_nsec() + AFTERLIFE_MAX;

                (void) pthread_mutex_lock(&flow->mutex);
                __atomic_store_n(&flow->watched, false, __ATOMIC_RELAXED);
                pollable_done(&flow->pollable);
                (void) pthread_mutex_unlock(&flow->mutex);

                tell_engine(t, time_now_nsec());
        }

        (void) pthread_mutex_unlock(&t->mutex);
        return outlives;
}

void transfer_stop(Transfer *t) {
        if (!t->in_engine)
                return;

        (void) pthread_mutex_lock(&t->mutex);
        transfer_unwatch(t, t->engine_fd);
        (void) pthread_mutex_unlock(&t->mutex);

        engine_remove(process_engine(), &t->engine);
        t->in_engine = false;
}
