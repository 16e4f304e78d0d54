/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records on a doorbell, whose other end is a layer of any kind. Each record is a byte with its size and that many
 * bytes; a size of 0xff is a look at what came. What must hold: a look ends, takes a bounded number of records, and
 * leaves the path within its bounds.
 */

#include <sys/socket.h>

#include "basic/cursor.h"
#include "libo7s/doorbell.h"

#define LOOK 0xffU
#define RECORD_BYTES_MAX 16U
#define RINGS_MAX 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns whether the doorbell goes on. */
static bool look(int fd, PathState *path) {
        CloseReason reason = _CLOSE_REASON_INVALID;
        unsigned rings = 0;
        int r;

        r = doorbell_drain_path(fd, &rings, path, &reason);
        if (r != 0 && r != 1 && r != -EBADMSG && r != -EPIPE)
                abort();
        if (rings > RINGS_MAX || path->packet_max > DOORBELL_PACKET_MAX)
                abort();
        if ((r == 1) != (close_reason_to_string(reason) != NULL))
                abort();

        return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Cursor c = cursor_from(data, size);
        PathState path = {};
        bool open = true;
        int fds[2];

        if (doorbell_pair(fds) < 0)
                return 0;

        while (open && c.left > 0) {
                size_t n = cursor_u8(&c);
                const uint8_t *record;

                if (n == LOOK) {
                        open = look(fds[0], &path);
                        continue;
                }

                n = MIN(MIN(n, c.left), (size_t) RECORD_BYTES_MAX);
                record = cursor_bytes(&c, n);
                if (record)
                        (void) send(fds[1], record, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        }

        (void) close(fds[1]);
        while (open)
                open = look(fds[0], &path);
        (void) close(fds[0]);
        return 0;
}
