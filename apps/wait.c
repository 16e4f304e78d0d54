/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sleeping until a descriptor or a time. */

#include <time.h>

#include "apps/common.h"
#include "apps/units.h"
#include "apps/wait.h"

int wait_until(struct pollfd *polled, unsigned n, uint64_t deadline_nsec) {
        uint64_t now = clock_nsec(), left = deadline_nsec > now ? deadline_nsec - now : 0;
        struct timespec wait = { .tv_sec = (time_t) (left / NSEC_PER_SEC), .tv_nsec = (long) (left % NSEC_PER_SEC) };

        if (ppoll(polled, n, deadline_nsec == WAIT_FOREVER ? NULL : &wait, NULL) >= 0)
                return 0;
        if (errno != EINTR)
                return -errno;

        for (unsigned i = 0; i < n; i++)
                polled[i].revents = 0;          /* what they were before the call means nothing */
        return 0;
}
