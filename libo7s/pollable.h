/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A descriptor for other people's event loops that stays the same while what is behind it changes: an epoll
 * instance that holds a socket and a private eventfd. The socket makes it readable when something arrives,
 * the eventfd for as long as something is left that was taken off the socket already. Whoever owns it
 * guards it.
 */

#include "basic/macro.h"

typedef struct Pollable {
        int epoll_fd;           /* -1: not made yet */
        int event_fd;
        bool signalled;         /* the eventfd is readable */
} Pollable;

#define POLLABLE_INIT                                                                                             \
        (Pollable) {                                                                                              \
                .epoll_fd = -1, .event_fd = -1                                                                    \
        }

/* Returns: 0; -ENOMEM, -EMFILE, -ENFILE. */
int pollable_make(Pollable *pollable);
void pollable_done(Pollable *pollable);

static inline bool pollable_is_made(const Pollable *pollable) {
        return pollable->epoll_fd >= 0;
}

/* Adds and takes out a descriptor; out before it is closed. */
int pollable_add(Pollable *pollable, int fd);
void pollable_remove(Pollable *pollable, int fd);

/* Makes the whole readable, or no longer for this reason. Without effect where not made. */
void pollable_signal(Pollable *pollable, bool on);
