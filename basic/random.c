/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random bytes, from the kernel alone: no seed, no pool and no generator of our own to get wrong. */

#include <sys/random.h>

#include "basic/random.h"

int random_bytes(void *ret, size_t size) {
        uint8_t *p = ret;

        /* Above 256 bytes the kernel may return less than asked for, or be interrupted. */
        while (size > 0) {
                ssize_t n = getrandom(p, size, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                p += n;
                size -= (size_t) n;
        }

        return 0;
}
