/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ringing and being rung over a socket pair whose other end may be hostile.
 *
 * No call relies on O_NONBLOCK: it belongs to the open file description, and who made the socket could have kept a copy
 * of it. A drain takes a bounded number of records and leaves the rest in the socket, which stays readable.
 */

#include <sys/socket.h>

#include "basic/cursor.h"
#include "basic/record.h"
#include "libo7s/doorbell.h"

/* An honest peer has at most one ring per direction and the closed record under way, and what a layer had to say of the
 * path since we last looked. */
#define DRAIN_RECORDS_MAX 32U

#define CLOSED_RECORD_BYTES 3U
#define PATH_RECORD_BYTES 6U

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

int doorbell_ring(int fd) {
        uint8_t record = DOORBELL_RING;
        int r;

        /* A full socket has rings in it that nobody has taken yet. */
        r = record_send(fd, &record, sizeof(record), NULL, 0);
        return r == -EAGAIN ? 0 : r;
}

int doorbell_tell_path(int fd, const PathState *path) {
        uint8_t record[PATH_RECORD_BYTES];
        Writer w = writer_to(record, sizeof(record));

        writer_u8(&w, DOORBELL_PATH);
        writer_u8(&w, path->down);
        writer_be32(&w, MIN(path->packet_max, DOORBELL_PACKET_MAX));
        assert(!w.bad);

        return record_send(fd, record, sizeof(record), NULL, 0);
}

void doorbell_close(int fd, CloseReason reason) {
        uint8_t record[CLOSED_RECORD_BYTES] = { DOORBELL_CLOSED, (uint8_t) (reason >> 8), (uint8_t) reason };

        (void) record_send(fd, record, sizeof(record), NULL, 0);
}

/* One record, which has no business to bring a descriptor. Returns: its size; -EAGAIN; -EPIPE: end; -EBADMSG. */
static ssize_t receive(int fd, uint8_t *record, size_t size) {
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        ssize_t n;

        n = record_receive(fd, record, size, &fds);
        if (fds.n > 0)
                return -EBADMSG;
        if (n < 0 && n != -EAGAIN && n != -EBADMSG)
                return -EPIPE;

        return n;
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

static int path_parse(const uint8_t *record, size_t size, PathState *path) {
        Cursor c = cursor_from(record, size);
        uint32_t packet_max;
        uint8_t down;

        (void) cursor_u8(&c);
        down = cursor_u8(&c);
        packet_max = cursor_be32(&c);

        if (c.bad || size != PATH_RECORD_BYTES || down > 1 || packet_max > DOORBELL_PACKET_MAX)
                return -EBADMSG;

        *path = (PathState) { .down = down == 1, .packet_max = packet_max };
        return 0;
}

/* path NULL: the other side has no business to speak of one. Returns: 0; 1: closed; -EBADMSG. */
static int record_parse(const uint8_t *record, ssize_t size, PathState *path, CloseReason *ret_reason) {
        switch (record[0]) {
        case DOORBELL_RING:
                return size == 1 ? 0 : -EBADMSG;
        case DOORBELL_CLOSED:
                return closed_parse(record, size, ret_reason);
        case DOORBELL_PATH:
                return path ? path_parse(record, (size_t) size, path) : -EBADMSG;
        default:
                return -EBADMSG;
        }
}

int doorbell_drain_path(int fd, unsigned *ret_rings, PathState *path, CloseReason *ret_reason) {
        /* One byte more than the longest record, to see what is too long. */
        uint8_t record[PATH_RECORD_BYTES + 1];
        unsigned rings = 0;
        int r = 0;

        for (unsigned i = 0; i < DRAIN_RECORDS_MAX; i++) {
                ssize_t n;

                n = receive(fd, record, sizeof(record));
                if (n == -EAGAIN)
                        break;

                r = n < 0 ? (int) n : record_parse(record, n, path, ret_reason);
                if (r != 0)
                        break;
                rings++;
        }

        if (ret_rings)
                *ret_rings = rings;
        return r;
}

int doorbell_drain_counted(int fd, unsigned *ret_rings, CloseReason *ret_reason) {
        return doorbell_drain_path(fd, ret_rings, NULL, ret_reason);
}

int doorbell_drain(int fd, CloseReason *ret_reason) {
        return doorbell_drain_counted(fd, NULL, ret_reason);
}
