/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages. Reads are tried, and what they wait for is polled; a write that finds no room waits inside <o7s.h>, in
 * slices, as there is no descriptor that tells of room alone. Between two slices the flow may be deallocated, and the
 * thread cancelled.
 */

#include <ouroboros/dev.h>

#include "libo7s-compat/compat.h"

#define WRITE_SLICE_NSEC (NSEC_PER_SEC / 20)
#define LOOK_AGAIN_NSEC (NSEC_PER_SEC / 200)

static uint32_t flags_of(const Descriptor *d) {
        return __atomic_load_n(&d->flags, __ATOMIC_RELAXED);
}

static bool ended(int error) {
        return error == -ENOTCONN || error == -ECONNRESET || error == -EPIPE || error == -EBADMSG || error == -EPROTO ||
               error == -ECHILD;
}

/* -- reading -- */

/* The whole message, or none of it. */
static ssize_t read_whole(o7s_flow *flow, void *buf, size_t count) {
        o7s_msg message = { .data = buf, .capacity = count };
        int n;

        n = o7s_flow_read_batch(flow, &message, 1);
        if (n < 0)
                return n;
        if (n == 0)
                return -EAGAIN;

        return message.flags & O7S_MSG_TRUNCATED ? -EMSGSIZE : (ssize_t) message.size;
}

/* Locked for reading. Returns: as flow_read(); -EAGAIN: nothing there. */
static ssize_t read_locked(Descriptor *d, void *buf, size_t count, uint32_t flags) {
        ssize_t size;

        if (__atomic_load_n(&d->deallocated, __ATOMIC_ACQUIRE))
                return -ENOTALLOC;

        size = flags & FLOWFRNOPART ? read_whole(d->flow, buf, count) : o7s_flow_read(d->flow, buf, count);
        if (ended((int) size))
                return descriptor_end(d);
        if (size == -EAGAIN && ((flags_of(d) & FLOWFDOWN) || descriptor_link_is_down(d)))
                return -EFLOWDOWN;

        return size;
}

static ssize_t read_now(Descriptor *d, void *buf, size_t count, uint32_t flags) {
        ssize_t size;

        descriptor_lock(d);
        size = read_locked(d, buf, count, flags);
        descriptor_unlock(d);

        return size;
}

/* Until something may be there to read, or the flow is marked down. Where there is no descriptor left for that, we look
 * now and then. */
static int read_wait(Descriptor *d, nsec_t deadline, int cancel_state) {
        int fd = o7s_flow_fd(d->flow), down_fd;
        nsec_t look = nsec_deadline(LOOK_AGAIN_NSEC);

        descriptor_lock(d);
        down_fd = descriptor_down_fd(d);
        descriptor_unlock(d);

        if (fd >= 0 && down_fd >= 0)
                return wait_either(fd, down_fd, deadline, cancel_state);
        if (look >= deadline)
                return wait_readable(-1, deadline, cancel_state);

        (void) wait_readable(-1, look, cancel_state);
        return 0;
}

_public_ ssize_t flow_read(int fd, void *buf, size_t count) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        nsec_t deadline = 0;
        uint32_t flags;
        int r;

        r = descriptor_get(fd, &d);
        if (r < 0)
                return r;
        if (!buf && count > 0)
                return -EINVAL;

        flags = flags_of(d);
        if ((flags & FLOWFACCMODE) == FLOWFWRONLY)
                return -EPERM;
        if (count == 0)
                return 0;

        for (;;) {
                ssize_t size;

                size = read_now(d, buf, count, flags);
                if (size != -EAGAIN || (flags & FLOWFRNOBLOCK))
                        return size;

                if (deadline == 0)
                        deadline = nsec_deadline(__atomic_load_n(&d->read_timeout, __ATOMIC_RELAXED));
                r = read_wait(d, deadline, cancel_state);
                if (r < 0)
                        return r;
        }
}

/* -- writing -- */

/* Waits until then; 0: not at all. Returns: count; -EAGAIN: no room yet; errors of <o7s.h>. */
static ssize_t write_until(Descriptor *d, const void *buf, size_t count, nsec_t until) {
        ssize_t size;
        int r;

        r = descriptor_begin_write(d, until);
        if (r < 0)
                return r;

        if (__atomic_load_n(&d->deallocated, __ATOMIC_ACQUIRE))
                size = -ENOTALLOC;
        else {
                (void) o7s_flow_set_timeout(d->flow, O7S_TIMEOUT_WRITE, until > 0 ? usec_left(until) : 0);
                size = o7s_flow_write(d->flow, buf, count);
        }
        descriptor_end_write(d);

        return size == -ETIMEDOUT ? -EAGAIN : size;
}

/* How the flow is for a write that finds no room: 0: up. */
static int write_look(Descriptor *d) {
        int r = 0;

        descriptor_lock(d);
        if (__atomic_load_n(&d->deallocated, __ATOMIC_ACQUIRE) || (descriptor_events(d) & O7S_DOWN))
                r = descriptor_end(d);
        descriptor_unlock(d);

        return r;
}

static int write_end(Descriptor *d) {
        int r;

        descriptor_lock(d);
        r = descriptor_end(d);
        descriptor_unlock(d);

        return r;
}

/* Where somebody wants to cancel us, here is the place. */
static void let_cancel(int cancel_state) {
        (void) pthread_setcancelstate(cancel_state, NULL);
        pthread_testcancel();
        (void) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

/* Waits for room. Returns: as flow_write(). */
static ssize_t write_waiting(Descriptor *d, const void *buf, size_t count, nsec_t timeout, int cancel_state) {
        nsec_t deadline = nsec_deadline(timeout);

        for (;;) {
                nsec_t slice = nsec_deadline(WRITE_SLICE_NSEC);
                ssize_t size;
                int r;

                size = write_until(d, buf, count, slice < deadline ? slice : deadline);
                r = size == -EAGAIN ? write_look(d) : ended((int) size) ? write_end(d) : 0;

                /* The other side went away while there was a time by which it should have read. */
                if (r == -EFLOWDOWN || r == -EFLOWPEER)
                        return timeout != NSEC_INFINITY ? -ECONNRESET : r;
                if (r < 0)
                        return r;
                if (size != -EAGAIN)
                        return size;
                if (usec_left(deadline) == 0)
                        return -ETIMEDOUT;

                let_cancel(cancel_state);
        }
}

_public_ ssize_t flow_write(int fd, const void *buf, size_t count) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_(descriptor_unrefp) Descriptor *d = NULL;
        uint32_t flags;
        ssize_t size;
        int r;

        if (!buf && count > 0)
                return -EINVAL;

        r = descriptor_get(fd, &d);
        if (r < 0)
                return r;

        flags = flags_of(d);
        if ((flags & FLOWFACCMODE) == FLOWFRDONLY)
                return -EPERM;
        if (flags & FLOWFDOWN)
                return -EFLOWDOWN;

        /* An empty message is a keepalive, and those are the layer's: it sends them whether we ask or not. What is
         * left is the question whether the flow is up. */
        if (count == 0)
                return write_look(d);

        size = write_until(d, buf, count, 0);
        if (ended((int) size))
                return write_end(d);
        if (size != -EAGAIN)
                return size;
        if (flags & FLOWFWNOBLOCK) {
                r = write_look(d);
                return r < 0 ? r : -EAGAIN;
        }

        return write_waiting(d, buf, count, __atomic_load_n(&d->write_timeout, __ATOMIC_RELAXED), cancel_state);
}
