/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages between an application and the IRM on a socket, and the descriptors that travel with them. */

#include <sys/socket.h>

#include "libo7s/doorbell.h"
#include "libo7s/irm-message.h"

/* A record, with what a doorbell puts in front. */
typedef uint8_t RecordBuffer[1 + IRM_MESSAGE_BYTES_MAX];

static void record_buffer_wipe(RecordBuffer *buffer) {
        explicit_bzero(*buffer, sizeof(*buffer));
}

/* How many descriptors travel with each type. */
static const struct {
        uint8_t least;
        uint8_t most;
} type_fds[_IRM_MESSAGE_TYPE_MAX] = {
        [IRM_LANE] = { 1, 1 },
        [IRM_REPLY] = { 0, 1 },
        [IRM_OUTCOME] = { 0, 1 },
        [IRM_ESTABLISHED] = { 2, 2 },
};

/* As parse, after the descriptors: the number that came has to fit the type, and an outcome its result. */
static bool fds_are_valid(const IrmMessage *message, unsigned n_fds) {
        if (n_fds < type_fds[message->type].least || n_fds > type_fds[message->type].most)
                return false;

        return message->type != IRM_OUTCOME || (message->result == 0) == (n_fds == 1);
}

static int send_record(int socket_fd, const void *record, size_t size, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * IRM_FDS_MAX)];
        } control = {};
        struct iovec part = { .iov_base = (void *) record, .iov_len = size };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *c;

                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&header);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }

        for (;;) {
                if (sendmsg(socket_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno == ECONNRESET)
                        return -EPIPE;
                if (errno != EINTR)
                        return -errno;
        }
}

int irm_message_send(int socket_fd, const IrmMessage *message, const int *fds, unsigned n_fds) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(n_fds <= IRM_FDS_MAX);

        n = irm_message_pack(message, buffer, IRM_MESSAGE_BYTES_MAX);
        if (n < 0)
                return (int) n;

        return send_record(socket_fd, buffer, (size_t) n, fds, n_fds);
}

int irm_message_send_outcome(int doorbell_fd, const IrmMessage *message, int lane_fd) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(message->type == IRM_OUTCOME);

        n = irm_message_pack(message, buffer + 1, sizeof(buffer) - 1);
        if (n < 0)
                return (int) n;

        buffer[0] = DOORBELL_OUTCOME;
        return send_record(doorbell_fd, buffer, (size_t) n + 1, &lane_fd, lane_fd >= 0);
}

/* Puts away every descriptor that came, so that none is lost whatever the message says: those that have a place
 * in ret_fds stay, others are closed. Returns how many came. */
static unsigned take_fds(struct msghdr *header, int ret_fds[IRM_FDS_MAX]) {
        unsigned n = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                size_t n_here;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
                        continue;

                n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n_here; i++, n++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (n < IRM_FDS_MAX)
                                ret_fds[n] = fd;
                        else
                                (void) safe_close(fd);
                }
        }

        return n;
}

static int receive_record(int socket_fd, void *buffer, size_t size, int ret_fds[IRM_FDS_MAX], unsigned *ret_n_fds,
                          size_t *ret_size) {
        /* More room than we accept: what is sent on top is then ours to close and to complain about. */
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * (IRM_FDS_MAX + 2)) + CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec part = { .iov_base = buffer, .iov_len = size };
        struct msghdr header = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        /* ECONNRESET: the other end closed with records of ours unread. It is said once, before what it sent. */
        do
                n = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;

        *ret_n_fds = take_fds(&header, ret_fds);
        if (n == 0)
                return -EPIPE;
        if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;

        *ret_size = (size_t) n;
        return 0;
}

static void close_fds(int fds[IRM_FDS_MAX]) {
        for (unsigned i = 0; i < IRM_FDS_MAX; i++)
                fds[i] = safe_close(fds[i]);
}

/* prefix: the record type in front of the message on a doorbell; 0: none. */
static int receive_message(int socket_fd, uint8_t prefix, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        size_t skip = prefix ? 1 : 0, size = 0;
        unsigned n_fds = 0;
        int r;

        r = receive_record(socket_fd, buffer, IRM_MESSAGE_BYTES_MAX + skip, fds, &n_fds, &size);
        if (r >= 0 && prefix && buffer[0] != prefix)
                r = -EBADMSG;
        if (r >= 0)
                r = irm_message_parse(buffer + skip, size - skip, &message);
        if (r >= 0 && !fds_are_valid(&message, n_fds))
                r = -EBADMSG;
        if (r < 0) {
                close_fds(fds);
                return r;
        }

        memcpy(ret_fds, fds, sizeof(fds));
        *ret = message;
        return 0;
}

int irm_message_receive(int socket_fd, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        return receive_message(socket_fd, 0, ret, ret_fds);
}

int irm_message_receive_outcome(int doorbell_fd, IrmMessage *ret, int *ret_lane_fd) {
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        int r;

        r = receive_message(doorbell_fd, DOORBELL_OUTCOME, &message, fds);
        if (r < 0)
                return r;
        if (message.type != IRM_OUTCOME) {
                close_fds(fds);
                return -EBADMSG;
        }

        *ret_lane_fd = fds[0];
        *ret = message;
        return 0;
}
