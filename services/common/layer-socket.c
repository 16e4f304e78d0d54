/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records with descriptors on /run/o7s/layer.sock. How many descriptors a record carries follows from its type and
 * result; any other number makes the record bad, and no descriptor of a bad record survives.
 */

#include <sys/socket.h>

#include "services/common/layer-message.h"

/* Closed when it goes out of scope, unless taken. */
typedef struct Received {
        int fds[LAYER_FDS_MAX];
        unsigned n;
} Received;

static void received_done(Received *received) {
        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                received->fds[i] = safe_close(received->fds[i]);
}

/* Of a message that may hold keys: wiped when it goes out of scope. */
typedef struct Buffer {
        uint8_t *bytes;
        size_t n;                       /* written to it */
} Buffer;

static void buffer_done(Buffer *buffer) {
        if (buffer->bytes)
                explicit_bzero(buffer->bytes, buffer->n);
        free(buffer->bytes);
}

static void message_freep(LayerMessage **message) {
        if (*message)
                explicit_bzero(&(*message)->control, sizeof((*message)->control));
        free(*message);
}

static unsigned fds_of(const LayerMessage *message) {
        if (message->type == LAYER_REPLY)
                return message->result == 0 ? 1 : 0;

        if (message->type == LAYER_REATTACH)
                return 1;
        if (message->type == LAYER_ORDER)
                return message->order == LAYER_ORDER_CAPTURE ? 1 : 0;

        return message->type == LAYER_ESTABLISHED ? 2 : 0;
}

int layer_message_send(int socket_fd, const LayerMessage *message, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(LAYER_FDS_MAX * sizeof(int))];
        } control = {};
        _cleanup_(buffer_done) Buffer buffer = {};
        struct iovec part;
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t n;

        if (n_fds != fds_of(message))
                return -EINVAL;

        buffer.bytes = malloc(LAYER_MESSAGE_BYTES_MAX);
        if (!buffer.bytes)
                return -ENOMEM;

        n = layer_message_pack(message, buffer.bytes, LAYER_MESSAGE_BYTES_MAX);
        if (n < 0)
                return (int) n;
        buffer.n = (size_t) n;
        part = (struct iovec) { .iov_base = buffer.bytes, .iov_len = buffer.n };

        if (n_fds > 0) {
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }

        do
                n = sendmsg(socket_fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;

        return 0;
}

static void received_collect(Received *received, struct msghdr *header) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;

                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (received->n < LAYER_FDS_MAX)
                                received->fds[received->n] = fd;
                        else
                                (void) safe_close(fd);
                        received->n++;
                }
        }
}

int layer_message_receive(int socket_fd, LayerMessage *ret, int ret_fds[LAYER_FDS_MAX]) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(LAYER_FDS_MAX * sizeof(int))];
        } control;
        _cleanup_(received_done) Received received = { .fds = { -1, -1 } };
        _cleanup_(message_freep) LayerMessage *message = NULL;
        _cleanup_(buffer_done) Buffer buffer = {};
        struct iovec part;
        struct msghdr header = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;
        int r;

        buffer.bytes = malloc(LAYER_MESSAGE_BYTES_MAX);
        message = calloc(1, sizeof(*message));
        if (!buffer.bytes || !message)
                return -ENOMEM;
        part = (struct iovec) { .iov_base = buffer.bytes, .iov_len = LAYER_MESSAGE_BYTES_MAX };

        do
                n = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;

        buffer.n = (size_t) n;
        received_collect(&received, &header);
        if (n == 0)
                return -EPIPE;
        if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EBADMSG;

        r = layer_message_parse(buffer.bytes, buffer.n, message);
        if (r < 0)
                return r;
        if (received.n != fds_of(message))
                return -EBADMSG;

        *ret = *message;
        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                ret_fds[i] = TAKE_FD(received.fds[i]);

        return 0;
}
