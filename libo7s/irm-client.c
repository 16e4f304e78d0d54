/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One connection to the IRM. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "libo7s/bus-names.h"
#include "libo7s/irm-client.h"

int wait_for_fd(int fd, short events, usec_t deadline) {
        struct pollfd p = { .fd = fd, .events = events };
        struct timespec left;
        usec_t usec;
        int r;

        usec = deadline == USEC_INFINITY ? USEC_INFINITY : usec_sub(deadline, time_now());
        left.tv_sec = (time_t) (usec / USEC_PER_SEC);
        left.tv_nsec = (long) (usec % USEC_PER_SEC * NSEC_PER_USEC);

        r = ppoll(&p, 1, usec > (usec_t) INT32_MAX * USEC_PER_SEC ? NULL : &left, NULL);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;

        return r == 0 ? -ETIMEDOUT : p.revents;
}

static int irm_address(struct sockaddr_un *ret, socklen_t *ret_size) {
        const char *path = secure_getenv("O7S_SOCKET");
        size_t n;

        if (isempty(path))
                path = O7S_SOCKET_IRM;

        n = strlen(path);
        if (n >= sizeof(ret->sun_path))
                return -EINVAL;

        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        memcpy(ret->sun_path, path, n);
        if (path[0] == '@')
                ret->sun_path[0] = '\0';

        *ret_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
        return 0;
}

int irm_connect(int *ret_fd) {
        /* Also limits connect(), which waits where the queue of the listening socket is full. */
        static const struct timeval limit = { .tv_sec = IRM_REPLY_USEC / USEC_PER_SEC };
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address;
        socklen_t size;
        int r;

        r = irm_address(&address, &size);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
                return -errno;

        while (connect(fd, (const struct sockaddr *) &address, size) < 0)
                switch (errno) {
                case EINTR:
                        continue;
                case ENOENT:
                case ECONNREFUSED:
                        return -EHOSTDOWN;
                case EAGAIN:
                        return -ETIMEDOUT;
                default:
                        return -errno;
                }

        *ret_fd = TAKE_FD(fd);
        return 0;
}

int irm_send(int fd, const IrmMessage *message, const int *fds, unsigned n_fds, usec_t deadline) {
        for (;;) {
                int r;

                r = irm_message_send(fd, message, fds, n_fds);
                if (r != -EAGAIN)
                        return r;

                r = wait_for_fd(fd, POLLOUT, deadline);
                if (r < 0)
                        return r;
        }
}

static int irm_receive(int fd, IrmMessage *ret, int ret_fds[IRM_FDS_MAX], usec_t deadline) {
        for (;;) {
                int r;

                r = irm_message_receive(fd, ret, ret_fds);
                if (r != -EAGAIN)
                        return r;

                r = wait_for_fd(fd, POLLIN, deadline);
                if (r < 0)
                        return r;
        }
}

int irm_request(int fd, const IrmMessage *request, IrmMessage *ret, int *ret_fd) {
        usec_t deadline = usec_add(time_now(), IRM_REPLY_USEC);
        _cleanup_(irm_message_wipe) IrmMessage reply = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        int r;

        r = irm_send(fd, request, NULL, 0, deadline);
        if (r < 0)
                return r;

        r = irm_receive(fd, &reply, fds, deadline);
        if (r < 0)
                return r;

        if (reply.type != IRM_REPLY) {
                (void) safe_close(fds[0]);
                (void) safe_close(fds[1]);
                return -EPROTO;
        }

        *ret = reply;
        *ret_fd = fds[0];
        return 0;
}
