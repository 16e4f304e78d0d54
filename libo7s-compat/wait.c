/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time-outs as applications give them, and sleeping until a descriptor or a time. */

#include <poll.h>

#include "libo7s-compat/compat.h"

nsec_t now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (nsec_t) now.tv_sec * NSEC_PER_SEC + (nsec_t) now.tv_nsec;
}

int nsec_from_timespec(const struct timespec *time, nsec_t *ret) {
        nsec_t nsec;

        if (!time) {
                *ret = NSEC_INFINITY;
                return 0;
        }
        if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= (long) NSEC_PER_SEC)
                return -EINVAL;

        if (__builtin_mul_overflow((nsec_t) time->tv_sec, NSEC_PER_SEC, &nsec) ||
            __builtin_add_overflow(nsec, (nsec_t) time->tv_nsec, &nsec) || nsec == NSEC_INFINITY)
                nsec = NSEC_INFINITY - 1;       /* some centuries; not "none" */

        *ret = nsec;
        return 0;
}

struct timespec timespec_from_nsec(nsec_t nsec) {
        return (struct timespec) { .tv_sec = (time_t) (nsec / NSEC_PER_SEC), .tv_nsec = (long) (nsec % NSEC_PER_SEC) };
}

nsec_t nsec_deadline(nsec_t timeout) {
        nsec_t now = now_nsec();

        return timeout >= NSEC_INFINITY - now ? NSEC_INFINITY : now + timeout;
}

static nsec_t nsec_left(nsec_t deadline) {
        nsec_t now;

        if (deadline == NSEC_INFINITY)
                return NSEC_INFINITY;

        now = now_nsec();
        return deadline > now ? deadline - now : 0;
}

uint64_t usec_left(nsec_t deadline) {
        nsec_t left = nsec_left(deadline);

        return left == NSEC_INFINITY ? O7S_FOREVER : left / NSEC_PER_USEC + (left % NSEC_PER_USEC > 0);
}

int wait_readable(int fd, nsec_t deadline, int cancel_state) {
        return wait_either(fd, -1, deadline, cancel_state);
}

int wait_either(int fd, int other_fd, nsec_t deadline, int cancel_state) {
        for (;;) {
                struct pollfd polls[] = {
                        { .fd = fd, .events = POLLIN },
                        { .fd = other_fd, .events = POLLIN },
                };
                nsec_t left = nsec_left(deadline);
                struct timespec wait = timespec_from_nsec(left);
                int n;

                (void) pthread_setcancelstate(cancel_state, NULL);
                n = ppoll(polls, ELEMENTSOF(polls), left == NSEC_INFINITY ? NULL : &wait, NULL);
                (void) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);

                if (n > 0)
                        return 0;
                if (left == 0)
                        return -ETIMEDOUT;
        }
}
