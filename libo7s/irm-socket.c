/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages between an application and the IRM on a socket, and the descriptors that travel with them. */

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

int irm_message_send(int socket_fd, const IrmMessage *message, const int *fds, unsigned n_fds) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(n_fds <= IRM_FDS_MAX);

        n = irm_message_pack(message, buffer, IRM_MESSAGE_BYTES_MAX);
        if (n < 0)
                return (int) n;

        return record_send(socket_fd, buffer, (size_t) n, fds, n_fds);
}

int irm_message_send_outcome(int doorbell_fd, const IrmMessage *message, int lane_fd) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        ssize_t n;

        assert(message->type == IRM_OUTCOME);

        n = irm_message_pack(message, buffer + 1, sizeof(buffer) - 1);
        if (n < 0)
                return (int) n;

        buffer[0] = DOORBELL_OUTCOME;
        return record_send(doorbell_fd, buffer, (size_t) n + 1, &lane_fd, lane_fd >= 0);
}

/* prefix: the record type in front of the message on a doorbell; 0: none. */
static int receive_message(int socket_fd, uint8_t prefix, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        _cleanup_(record_buffer_wipe) RecordBuffer buffer;
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        size_t skip = prefix ? 1 : 0;
        ssize_t n;
        int r;

        n = record_receive(socket_fd, buffer, IRM_MESSAGE_BYTES_MAX + skip, &fds);
        if (n < 0)
                return (int) n;
        if (prefix && buffer[0] != prefix)
                return -EBADMSG;

        r = irm_message_parse(buffer + skip, (size_t) n - skip, &message);
        if (r < 0)
                return r;
        if (!fds_are_valid(&message, fds.n))
                return -EBADMSG;

        record_fds_take(&fds, ret_fds);
        *ret = message;
        return 0;
}

int irm_message_receive(int socket_fd, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        return receive_message(socket_fd, 0, ret, ret_fds);
}

int irm_message_receive_outcome(int doorbell_fd, IrmMessage *ret, int *ret_lane_fd) {
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        int r;

        r = receive_message(doorbell_fd, DOORBELL_OUTCOME, &message, fds.fds);
        if (r < 0)
                return r;
        if (message.type != IRM_OUTCOME)
                return -EBADMSG;

        *ret_lane_fd = TAKE_FD(fds.fds[0]);
        *ret = message;
        return 0;
}
