/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See service-mark.h. Not synchronised with the disk: after a loss of power 20 s, a request's life, have gone by. */

#include <fcntl.h>

#include "basic/cursor.h"
#include "basic/string.h"
#include "services/auth/service-mark.h"
#include "services/common/oap.h"

#define MAGIC UINT32_C(0x4f37736d)      /* "O7sm" */
#define VERSION 1U

int mark_parse(const void *data, size_t size, uint64_t *ret) {
        Cursor c = cursor_from(data, size);
        uint32_t magic, version;
        uint64_t stamp;

        magic = cursor_be32(&c);
        version = cursor_be32(&c);
        stamp = cursor_be64(&c);
        if (c.bad || c.left > 0 || magic != MAGIC || version != VERSION)
                return -EBADMSG;

        *ret = stamp;
        return 0;
}

/* Returns: what was before this process. */
static uint64_t read_mark(int fd, uint64_t now) {
        uint8_t bytes[MARK_FILE_BYTES + 1];
        uint64_t stamp;
        ssize_t n;

        n = pread(fd, bytes, sizeof(bytes), 0);
        if (n == 0)
                return 0;
        if (n < 0 || mark_parse(bytes, (size_t) n, &stamp) < 0)
                return now;

        return stamp;
}

uint64_t mark_before(const Mark *mark, uint64_t now_realtime_nsec) {
        return mark->newest > now_realtime_nsec + OAP_REPLAY_STEP_NSEC ? now_realtime_nsec : mark->newest;
}

static int write_mark(const Mark *mark) {
        uint8_t bytes[MARK_FILE_BYTES];
        Writer w = writer_to(bytes, sizeof(bytes));

        writer_be32(&w, MAGIC);
        writer_be32(&w, VERSION);
        writer_be64(&w, mark->newest);
        return pwrite(mark->fd, bytes, sizeof(bytes), 0) == (ssize_t) sizeof(bytes) ? 0 : -EIO;
}

int mark_open(Mark *mark, const char *directory, uint64_t now_realtime_nsec) {
        _cleanup_free_ char *path = NULL;
        int fd, r;

        mark_done(mark);
        r = format_string(&path, "%s/" MARK_FILE, directory);
        if (r < 0)
                return r;

        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) {
                mark->newest = now_realtime_nsec;
                return -errno;
        }

        mark->fd = fd;
        mark->newest = read_mark(fd, now_realtime_nsec);
        mark->newest = mark_before(mark, now_realtime_nsec);

        /* Its place on the disk is taken before it is needed. */
        r = ftruncate(fd, MARK_FILE_BYTES) < 0 ? -errno : write_mark(mark);
        if (r < 0) {
                mark->fd = safe_close(mark->fd);
                mark->newest = now_realtime_nsec;
        }

        return r;
}

void mark_done(Mark *mark) {
        mark->fd = safe_close(mark->fd);
        mark->newest = 0;
}

int mark_raise(Mark *mark, uint64_t stamp) {
        if (stamp <= mark->newest)
                return 0;

        mark->newest = stamp;
        return mark->fd < 0 ? 0 : write_mark(mark);
}
