/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Getting flows and giving them back. */

#include <ouroboros/dev.h>

#include "libo7s-compat/compat.h"

/* The IRM watches the time-out too, and its answer says more: it is waited for a little longer. */
#define ANSWER_GRACE_NSEC (NSEC_PER_SEC / 4)

#define LAYER_BACK_USEC 5000000ULL      /* after that the IRM gives up a layer that was restarted */

#define NINES_MAX 8U                    /* more than that o7s takes for a mistake */

static void set_unrefp(o7s_set **set) {
        *set = o7s_set_unref(*set);
}

static o7s_qos qos_from_qosspec(const qosspec_t *spec) {
        return (o7s_qos) {
                .delay_ms = spec->delay,
                .bandwidth_bps = spec->bandwidth,
                .availability_nines = spec->availability > NINES_MAX ? NINES_MAX : spec->availability,
                .loss = spec->loss,
                .ber = spec->ber,
                .in_order = spec->in_order != 0,
                .max_gap_ms = spec->max_gap,
                .timeout_ms = spec->timeout,
        };
}

/* Waits for the outcome in a set of its own: unlike the flow's descriptor, that is gone afterwards. */
static int alloc_wait(o7s_flow *flow, nsec_t deadline, int cancel_state) {
        _cleanup_(set_unrefp) o7s_set *set = NULL;
        o7s_event event;
        int r;

        r = o7s_set_new(&set);
        if (r >= 0)
                r = o7s_set_add(set, O7S_KIND_FLOW, flow);
        if (r < 0)
                return r;

        for (;;) {
                (void) o7s_set_wait(set, &event, 1, 0);         /* arms */

                r = o7s_flow_alloc_finish(flow);
                if (r != -EINPROGRESS)
                        return r;

                r = wait_readable(o7s_set_fd(set), deadline, cancel_state);
                if (r < 0)
                        return r;
        }
}

static int alloc(const char *name, const o7s_qos *qos, nsec_t timeout, int cancel_state, o7s_flow **ret) {
        nsec_t deadline = nsec_deadline(timeout);
        _cleanup_(flow_unrefp) o7s_flow *flow = NULL;
        int r;

        r = o7s_flow_alloc_start(name, qos, 0, usec_left(deadline), &flow);
        if (r < 0)
                return r;

        if (timeout > 0 && deadline < NSEC_INFINITY - ANSWER_GRACE_NSEC)
                deadline += ANSWER_GRACE_NSEC;

        r = alloc_wait(flow, deadline, cancel_state);
        if (r < 0)
                return r;

        *ret = flow;
        flow = NULL;
        return 0;
}

_public_ int flow_alloc(const char *dst_name, qosspec_t *qs, const struct timespec *timeo) {
        const o7s_qos qos = qs ? qos_from_qosspec(qs) : O7S_QOS_RAW;
        _cleanup_cancel_ int cancel_state = cancel_hold();
        o7s_flow *flow = NULL;
        nsec_t timeout;
        int r;

        r = nsec_from_timespec(timeo, &timeout);
        if (r < 0 || !dst_name)
                return -EINVAL;

        r = alloc(dst_name, &qos, timeout, cancel_state, &flow);
        return r < 0 ? error_translate(DOING_ALLOCATE, r) : descriptor_open(flow, qs);
}

/* Several threads may be here: each flow is one's, the others go on waiting. */
static int accept_from(o7s_listener *listener, nsec_t deadline, int cancel_state, o7s_flow **ret) {
        int fd = o7s_listener_fd(listener);

        if (fd < 0)
                return fd;

        for (;;) {
                int r;

                r = o7s_flow_accept(listener, 0, ret);
                if (r != -EAGAIN)
                        return r;

                r = wait_readable(fd, deadline, cancel_state);
                if (r < 0)
                        return r;
        }
}

_public_ int flow_accept(qosspec_t *qs, const struct timespec *timeo) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(listener_unrefp) o7s_listener *listener = NULL;
        o7s_flow *flow = NULL;
        nsec_t timeout, deadline;
        int r;

        r = nsec_from_timespec(timeo, &timeout);
        if (r < 0)
                return r;

        deadline = nsec_deadline(timeout);
        r = listener_get(&listener);
        if (r < 0)
                return error_translate(DOING_ACCEPT, r);

        r = accept_from(listener, deadline, cancel_state, &flow);
        if (r < 0 && r != -ETIMEDOUT && r != -ENOMEM && r != -EMFILE)
                listener_drop(listener);        /* the IRM does not let it serve any longer */

        return r < 0 ? error_translate(DOING_ACCEPT, r) : descriptor_open(flow, qs);
}

_public_ int flow_join(const char *bc, const struct timespec *timeo) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        o7s_flow *flow = NULL;
        nsec_t timeout;
        int r;

        r = nsec_from_timespec(timeo, &timeout);
        if (r < 0 || !bc)
                return -EINVAL;

        r = o7s_flow_join(bc, usec_left(nsec_deadline(timeout)), &flow);
        return r < 0 ? error_translate(DOING_JOIN, r) : descriptor_open(flow, NULL);
}

/* What two programs of one host have written lies in memory that both of them hold, so there is nothing to wait for:
 * it can be read when we are long gone. A layer has to take it first, and a reliable flow to see it acknowledged: that
 * one goes down where it cannot be. A flow that may lose packets does not, as long as its layer is there and takes
 * nothing, and is not worth more than the time in which a layer comes back. */
static uint64_t close_timeout(const Descriptor *d) {
        if (d->is_local || (d->frct_flags & (FRCTFRTX | FRCTFLINGER)) == FRCTFRTX)
                return 0;

        return d->frct_flags & FRCTFRTX ? O7S_FOREVER : LAYER_BACK_USEC;
}

_public_ int flow_dealloc(int fd) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        int r;

        r = descriptor_take(fd, &d);
        if (r < 0)
                return r == -EBADF ? -EINVAL : r;

        __atomic_store_n(&d->deallocated, true, __ATOMIC_RELEASE);
        fset_leave(d);

        (void) descriptor_begin_write(d, NSEC_INFINITY);
        (void) o7s_flow_close(d->flow, close_timeout(d));       /* closed whatever it says */
        descriptor_end_write(d);
        return 0;
}
