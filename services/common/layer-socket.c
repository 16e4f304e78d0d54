/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records with descriptors on /run/o7s/layer.sock. How many descriptors a record carries follows from its type and
 * result; any other number makes the record bad, and no descriptor of a bad record survives.
 */

#include "services/common/layer-message.h"

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
        _cleanup_(buffer_done) Buffer buffer = {};
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

        return record_send(socket_fd, buffer.bytes, buffer.n, fds, n_fds);
}

int layer_message_receive(int socket_fd, LayerMessage *ret, int ret_fds[LAYER_FDS_MAX]) {
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        _cleanup_(message_freep) LayerMessage *message = NULL;
        _cleanup_(buffer_done) Buffer buffer = {};
        ssize_t n;
        int r;

        buffer.bytes = malloc(LAYER_MESSAGE_BYTES_MAX);
        message = calloc(1, sizeof(*message));
        if (!buffer.bytes || !message)
                return -ENOMEM;

        n = record_receive(socket_fd, buffer.bytes, LAYER_MESSAGE_BYTES_MAX, &fds);
        buffer.n = n == -EBADMSG ? LAYER_MESSAGE_BYTES_MAX : n > 0 ? (size_t) n : 0;
        if (n < 0)
                return (int) n;

        r = layer_message_parse(buffer.bytes, buffer.n, message);
        if (r < 0)
                return r;
        if (fds.n != fds_of(message))
                return -EBADMSG;

        *ret = *message;
        record_fds_take(&fds, ret_fds);
        return 0;
}
