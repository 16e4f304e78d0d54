/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An epoll instance with a socket and an eventfd in it. */

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "libo7s/pollable.h"

int pollable_make(Pollable *pollable) {
        _cleanup_close_ int epoll_fd = -1, event_fd = -1;
        struct epoll_event event = { .events = EPOLLIN };

        assert(!pollable_is_made(pollable));

        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fd < 0)
                return -errno;

        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (event_fd < 0)
                return -errno;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event) < 0)
                return -errno;

        *pollable = (Pollable) { .epoll_fd = TAKE_FD(epoll_fd), .event_fd = TAKE_FD(event_fd) };
        return 0;
}

void pollable_done(Pollable *pollable) {
        pollable->epoll_fd = safe_close(pollable->epoll_fd);
        pollable->event_fd = safe_close(pollable->event_fd);
        pollable->signalled = false;
}

int pollable_add(Pollable *pollable, int fd) {
        struct epoll_event event = { .events = EPOLLIN };

        return epoll_ctl(pollable->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void pollable_remove(Pollable *pollable, int fd) {
        if (pollable_is_made(pollable))
                (void) epoll_ctl(pollable->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void pollable_signal(Pollable *pollable, bool on) {
        uint64_t value = 1;

        if (!pollable_is_made(pollable) || pollable->signalled == on)
                return;

        /* Neither fails: the counter is 0 before the write and 1 before the read. */
        if (on)
                (void) !write(pollable->event_fd, &value, sizeof(value));
        else
                (void) !read(pollable->event_fd, &value, sizeof(value));

        pollable->signalled = on;
}
