/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of private keys. One that somebody else may have written, or can read, is no private key any more: it is
 * refused, and the sentence says how to mend it. Everything is asked of the open file, not of its path.
 *
 *   owner   mode
 *   ours    0400, 0600
 *   root    0400, 0600; 0440, 0640 where its group is ours
 */

#include <fcntl.h>
#include <stdio.h>

#include "libo7s/seal-memory.h"
#include "services/keyd/key.h"

#define MODE_OF_OWNER 0600U
#define MODE_OF_GROUP 0040U

static void stamp_from(const struct stat *st, KeyStamp *ret) {
        *ret = (KeyStamp) {
                .device = st->st_dev,
                .inode = st->st_ino,
                .size = st->st_size,
                .modified = st->st_mtim,
                .changed = st->st_ctim,
        };
}

static bool time_is_equal(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool key_stamp_is_equal(const KeyStamp *a, const KeyStamp *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               time_is_equal(&a->modified, &b->modified) && time_is_equal(&a->changed, &b->changed);
}

bool key_file_has_changed(const char *path, const KeyStamp *stamp) {
        struct stat st;
        KeyStamp now;

        if (stat(path, &st) < 0)
                return true;

        stamp_from(&st, &now);
        return !key_stamp_is_equal(&now, stamp);
}

static int check_file(const char *path, bool from_manager, const struct stat *st, char text[KEY_TEXT_BYTES_MAX]) {
        unsigned mode = st->st_mode & 07777U, allowed = MODE_OF_OWNER;

        if (!S_ISREG(st->st_mode))
                return key_fail(text, -EACCES, "The private key %s is not a regular file", path);
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return key_fail(
                        text, -EACCES,
                        "The private key %s belongs to user %u; it must be o7s-keyd's or root's (chown o7s-keyd: %s)",
                        path, (unsigned) st->st_uid, path);

        /* The manager gives us its credentials by an access list, whose mask shows as the group's bits. */
        if (st->st_uid == 0 && (from_manager || st->st_gid == getegid()))
                allowed |= MODE_OF_GROUP;
        if (mode & ~allowed)
                return key_fail(
                        text, -EACCES,
                        "The private key %s has mode %04o, so that others can read or write it; it must be 0400 or "
                        "0600 (chmod 0400 %s)",
                        path, mode, path);

        if (st->st_size == 0 || st->st_size > KEY_FILE_BYTES_MAX)
                return key_fail(text, -EBADMSG, "The private key %s is empty, or larger than 64 KiB", path);

        return 0;
}

static int open_file(const char *path, int *ret, char text[KEY_TEXT_BYTES_MAX]) {
        int fd;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0) {
                *ret = fd;
                return 0;
        }

        if (errno == ELOOP)
                return key_fail(text, -EACCES, "The private key %s is a symbolic link", path);
        if (errno == ENOENT || errno == ENOTDIR)
                return key_fail(text, -ENOENT, "There is no private key %s", path);

        return key_fail(text, errno == ENOMEM ? -ENOMEM : -EACCES, "The private key %s cannot be opened: %s", path,
                        strerror(errno));
}

int key_file_read(const char *path, bool from_manager, void **ret, size_t *ret_size, KeyStamp *ret_stamp,
                  char text[KEY_TEXT_BYTES_MAX]) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        size_t done = 0;
        void *memory;
        ssize_t n;
        int r;

        r = open_file(path, &fd, text);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return key_fail(text, -EACCES, "The private key %s cannot be looked at: %s", path, strerror(errno));

        r = check_file(path, from_manager, &st, text);
        if (r < 0)
                return r;

        r = seal_memory_new(KEY_FILE_BYTES_MAX, &memory);
        if (r < 0)
                return r;

        do {
                n = read(fd, (uint8_t *) memory + done, (size_t) st.st_size - done);
                done += n > 0 ? (size_t) n : 0;
        } while ((n > 0 && done < (size_t) st.st_size) || (n < 0 && errno == EINTR));

        if (n < 0 || done < (size_t) st.st_size) {
                (void) seal_memory_free(memory, KEY_FILE_BYTES_MAX);
                return key_fail(text, -EACCES, "The private key %s cannot be read, or changes while it is read", path);
        }

        stamp_from(&st, ret_stamp);
        *ret = memory;
        *ret_size = done;
        return 0;
}
