/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ringing and being rung over a socket pair whose other end may be hostile.
 *
 * Every call names MSG_DONTWAIT itself: O_NONBLOCK belongs to the open file description, but who made the
 * socket could have kept a copy of it. Every receive has a control buffer, because a descriptor that nobody
 * takes out would otherwise pass unnoticed; what arrives is closed. A drain takes a bounded number of records and
 * leaves the rest in the socket, which stays readable.
 */

#include <sys/socket.h>

#include "libo7s/doorbell.h"

/* An honest peer has at most one ring per direction and the closed record under way. */
#define DRAIN_RECORDS_MAX 32U

#define CLOSED_RECORD_BYTES 3U
#define CONTROL_FDS_MAX 16U

static const char *const close_reason_table[_CLOSE_REASON_MAX] = {
        [CLOSE_NORMAL] = "normal",
        [CLOSE_PEER_DIED] = "peer-died",
        [CLOSE_PEER_TIMEOUT] = "peer-timeout",
        [CLOSE_LAYER_DOWN] = "layer-down",
        [CLOSE_REFUSED] = "refused",
        [CLOSE_VIOLATION] = "violation",
        [CLOSE_BY_OPERATOR] = "by-operator",
};

const char *close_reason_to_string(CloseReason reason) {
        if ((int) reason < 0 || reason >= _CLOSE_REASON_MAX)
                return NULL;

        return close_reason_table[reason];
}

int doorbell_pair(int ret_fds[2]) {
        int fds[2];

        assert(ret_fds);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;

        ret_fds[0] = fds[0];
        ret_fds[1] = fds[1];
        return 0;
}

static int record_send(int fd, const void *record, size_t size) {
        for (;;) {
                if (send(fd, record, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
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

int doorbell_ring(int fd) {
        uint8_t record = DOORBELL_RING;
        int r;

        /* A full socket has rings in it that nobody has taken yet. */
        r = record_send(fd, &record, sizeof(record));
        return r == -EAGAIN ? 0 : r;
}

void doorbell_close(int fd, CloseReason reason) {
        uint8_t record[CLOSED_RECORD_BYTES] = { DOORBELL_CLOSED, (uint8_t) (reason >> 8), (uint8_t) reason };

        (void) record_send(fd, record, sizeof(record));
}

/* Closes whatever came along. Returns whether something did. */
static bool close_descriptors(struct msghdr *message) {
        bool found = message->msg_flags & MSG_CTRUNC;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;

                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        (void) safe_close(fd);
                }
                found = true;
        }

        return found;
}

/* One record. Returns: its size; 0: end; -EAGAIN; -EBADMSG: it came with a descriptor. */
static ssize_t record_receive(int fd, uint8_t *record, size_t size) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
        } control;

        for (;;) {
                struct iovec part = { .iov_base = record, .iov_len = size };
                struct msghdr message = {
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };
                ssize_t n;

                n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

                /* The other end closed with records of ours unread. This is said once, and before what it sent. */
                if (n < 0 && (errno == EINTR || errno == ECONNRESET))
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? -EAGAIN : -EPIPE;

                if (close_descriptors(&message))
                        return -EBADMSG;
                if (message.msg_flags & MSG_TRUNC)
                        return -EBADMSG;

                return n;
        }
}

static int closed_parse(const uint8_t *record, ssize_t size, CloseReason *ret_reason) {
        unsigned reason;

        if (size != CLOSED_RECORD_BYTES)
                return -EBADMSG;

        reason = (unsigned) record[1] << 8 | record[2];
        if (reason >= _CLOSE_REASON_MAX)
                return -EBADMSG;

        if (ret_reason)
                *ret_reason = (CloseReason) reason;
        return 1;
}

int doorbell_drain_counted(int fd, unsigned *ret_rings, CloseReason *ret_reason) {
        /* One byte more than the longest record, to see what is too long. */
        uint8_t record[CLOSED_RECORD_BYTES + 1];
        unsigned rings = 0;
        int r = 0;

        for (unsigned i = 0; i < DRAIN_RECORDS_MAX; i++) {
                ssize_t n;

                n = record_receive(fd, record, sizeof(record));
                if (n == -EAGAIN)
                        break;
                if (n <= 0) {
                        r = n == 0 ? -EPIPE : (int) n;
                        break;
                }

                if (record[0] == DOORBELL_RING && n == 1) {
                        rings++;
                        continue;
                }

                r = record[0] == DOORBELL_CLOSED ? closed_parse(record, n, ret_reason) : -EBADMSG;
                break;
        }

        if (ret_rings)
                *ret_rings = rings;
        return r;
}

int doorbell_drain(int fd, CloseReason *ret_reason) {
        return doorbell_drain_counted(fd, NULL, ret_reason);
}
