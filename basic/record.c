/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/macro.h"
#include "basic/record.h"

void record_fds_close(RecordFds *fds) {
        for (unsigned i = 0; i < RECORD_FDS_MAX; i++)
                fds->fds[i] = safe_close(fds->fds[i]);
}

void record_fds_take(RecordFds *fds, int ret[RECORD_FDS_MAX]) {
        for (unsigned i = 0; i < RECORD_FDS_MAX; i++)
                ret[i] = TAKE_FD(fds->fds[i]);
}

int record_send(int socket_fd, const void *record, size_t size, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(RECORD_FDS_MAX * sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *) (uintptr_t) record, .iov_len = size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        assert(n_fds <= RECORD_FDS_MAX);

        if (n_fds > 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }

        for (;;) {
                if (sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;

                switch (errno) {
                case EINTR:
                        continue;
                case EPIPE:
                case ECONNRESET:
                case ECONNREFUSED:
                case ENOTCONN:
                        return -EPIPE;
                default:
                        return -errno;
                }
        }
}

static void collect_fds(struct msghdr *message, RecordFds *fds) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
                        continue;

                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++, fds->n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (fds->n < RECORD_FDS_MAX)
                                fds->fds[fds->n] = fd;
                        else
                                (void) safe_close(fd);
                }
        }
}

ssize_t record_receive(int socket_fd, void *buffer, size_t size, RecordFds *fds) {
        /* More room than we accept: what is sent on top is then ours to close and to complain about. */
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE((RECORD_FDS_MAX + 2) * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec part = { .iov_base = buffer, .iov_len = size };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        /* ECONNRESET: the other end closed with records of ours unread. It is said once, before what it sent. */
        do
                n = recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;

        collect_fds(&message, fds);
        if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;

        return n > 0 ? n : -EPIPE;
}
