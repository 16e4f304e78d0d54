/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ringing and being rung over a socket pair whose other end may be hostile.
 *
 * No call relies on O_NONBLOCK: it belongs to the open file description, and who made the socket could have kept a copy
 * of it. A drain takes a bounded number of records and leaves the rest in the socket, which stays readable.
 */

#include <sys/socket.h>

#include "basic/record.h"
#include "libo7s/doorbell.h"

/* An honest peer has at most one ring per direction and the closed record under way. */
#define DRAIN_RECORDS_MAX 32U

#define CLOSED_RECORD_BYTES 3U

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

int doorbell_drain_counted(int fd, unsigned *ret_rings, CloseReason *ret_reason) {
        /* One byte more than the longest record, to see what is too long. */
        uint8_t record[CLOSED_RECORD_BYTES + 1];
        unsigned rings = 0;
        int r = 0;

        for (unsigned i = 0; i < DRAIN_RECORDS_MAX; i++) {
                ssize_t n;

                n = receive(fd, record, sizeof(record));
                if (n == -EAGAIN)
                        break;
                if (n < 0) {
                        r = (int) n;
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
