/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings and facts of a flow. */

#include <stdarg.h>
#include <sys/eventfd.h>

#include "libo7s-compat/compat.h"

static int set_timeout(nsec_t *timeout, const struct timespec *time) {
        nsec_t nsec;
        int r;

        r = nsec_from_timespec(time, &nsec);
        if (r < 0)
                return r;

        __atomic_store_n(timeout, nsec, __ATOMIC_RELAXED);
        return 0;
}

static int get_timeout(const nsec_t *timeout, struct timespec *ret) {
        nsec_t nsec = __atomic_load_n(timeout, __ATOMIC_RELAXED);

        if (!ret)
                return -EINVAL;
        if (nsec == NSEC_INFINITY)
                return -EPERM;

        *ret = timespec_from_nsec(nsec);
        return 0;
}

static int get_qos(const Descriptor *d, qosspec_t *ret) {
        if (!ret)
                return -EINVAL;

        *ret = qosspec_from_qos(&d->qos);
        return 0;
}

/* Whoever waits in a read hears of it. Locked for reading. */
static void tell_down(const Descriptor *d, bool down) {
        eventfd_t before;

        if (d->down_fd < 0)
                return;

        (void) eventfd_read(d->down_fd, &before);       /* it counts */
        if (down)
                (void) eventfd_write(d->down_fd, 1);
}

/* All of them are replaced. Whether reads cut is for <o7s.h> to know, the rest is looked at here. */
static int set_flags(Descriptor *d, uint32_t flags) {
        uint64_t truncate = flags & FLOWFRNOPART ? O7S_TRUNCATE : 0, now = 0;
        int r;

        if ((flags & FLOWFACCMODE) == FLOWFINVALID)
                return -EINVAL;

        descriptor_lock(d);
        r = o7s_flow_get_flags(d->flow, &now);
        if (r >= 0)
                r = o7s_flow_set_flags(d->flow, (now & ~(uint64_t) O7S_TRUNCATE) | truncate);
        if (r >= 0) {
                __atomic_store_n(&d->flags, flags, __ATOMIC_RELAXED);
                tell_down(d, flags & FLOWFDOWN);
        }
        descriptor_unlock(d);

        return r < 0 ? -ENOTALLOC : 0;
}

static int get_flags(const Descriptor *d, uint32_t *ret) {
        if (!ret)
                return -EINVAL;

        *ret = __atomic_load_n(&d->flags, __ATOMIC_RELAXED);
        return 0;
}

static int get_queue_length(const Descriptor *d, int cmd, size_t *ret) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };

        if (!ret)
                return -EINVAL;
        if (o7s_flow_stats(d->flow, &stats) < 0)
                return -ENOTALLOC;

        *ret = cmd == FLOWGRXQLEN ? stats.rx_queued : stats.tx_queued;
        return 0;
}

/* Whether a flow is reliable its QoS has said; the other two are replaced. */
static int set_frct_flags(Descriptor *d, uint16_t flags) {
        uint16_t now = __atomic_load_n(&d->frct_flags, __ATOMIC_RELAXED);

        if (d->qos.in_order == 0)
                return -EPERM;

        flags = (uint16_t) ((now & FRCTFRTX) | (flags & (FRCTFRESCNTL | FRCTFLINGER)));
        __atomic_store_n(&d->frct_flags, flags, __ATOMIC_RELAXED);
        return 0;
}

static int get_frct_flags(const Descriptor *d, uint16_t *ret) {
        if (!ret)
                return -EINVAL;
        if (d->qos.in_order == 0)
                return -EPERM;

        *ret = __atomic_load_n(&d->frct_flags, __ATOMIC_RELAXED);
        return 0;
}

static int control(Descriptor *d, int cmd, va_list arguments) {
        switch (cmd) {
        case FLOWSRCVTIMEO:
                return set_timeout(&d->read_timeout, va_arg(arguments, const struct timespec *));
        case FLOWGRCVTIMEO:
                return get_timeout(&d->read_timeout, va_arg(arguments, struct timespec *));
        case FLOWSSNDTIMEO:
                return set_timeout(&d->write_timeout, va_arg(arguments, const struct timespec *));
        case FLOWGSNDTIMEO:
                return get_timeout(&d->write_timeout, va_arg(arguments, struct timespec *));
        case FLOWGQOSSPEC:
                return get_qos(d, va_arg(arguments, qosspec_t *));
        case FLOWSFLAGS:
                return set_flags(d, va_arg(arguments, uint32_t));
        case FLOWGFLAGS:
                return get_flags(d, va_arg(arguments, uint32_t *));
        case FLOWGRXQLEN:
        case FLOWGTXQLEN:
                return get_queue_length(d, cmd, va_arg(arguments, size_t *));
        case FRCTSFLAGS:
                return set_frct_flags(d, (uint16_t) va_arg(arguments, int));
        case FRCTGFLAGS:
                return get_frct_flags(d, va_arg(arguments, uint16_t *));
        default:
                return -ENOTSUP;
        }
}

_public_ int fccntl(int fd, int cmd, ...) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        va_list arguments;
        int r;

        r = descriptor_get(fd, &d);
        if (r < 0)
                return r;

        va_start(arguments, cmd);
        r = control(d, cmd, arguments);
        va_end(arguments);

        return r;
}
