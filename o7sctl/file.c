/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of the caller's: read whole, written whole. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "o7sctl/file.h"

/* Reads until the end or one byte more than max. Returns: bytes; a negative errno. */
static ssize_t read_all(int fd, char *text, size_t max) {
        size_t size = 0;

        while (size <= max) {
                ssize_t n = read(fd, text + size, max + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }

        return (ssize_t) size;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_secret_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t n;

        /* Without waiting: a FIFO has no business here, and must not keep us. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > (off_t) max)
                return -EFBIG;

        /* What the file has now, and room to see that it grew meanwhile. */
        max = (size_t) st.st_size;
        text = calloc(1, max + 2);
        if (!text)
                return -ENOMEM;

        n = read_all(fd, text, max);
        if (n < 0)
                return (int) n;
        if ((size_t) n > max)
                return -EAGAIN;

        text[n] = '\0';
        *ret = TAKE_PTR(text);
        if (ret_size)
                *ret_size = (size_t) n;
        return 0;
}

static int write_all(int fd, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                text += n;
                left -= (size_t) n;
        }

        return 0;
}

/* That the new name outlasts a power cut. */
static int sync_directory_of(const char *path) {
        _cleanup_free_ char *directory = strdup(path);
        _cleanup_close_ int fd = -1;
        char *slash;

        if (!directory)
                return -ENOMEM;

        slash = strrchr(directory, '/');
        if (slash)
                slash[slash == directory] = '\0';

        fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The owner comes before the mode: a file is never readable for somebody whom the final one would keep out. */
static int fill(int fd, const char *text, const FileTerms *terms) {
        int r;

        r = write_all(fd, text);
        if (r < 0)
                return r;

        if ((terms->owner != (uid_t) -1 || terms->group != (gid_t) -1) && fchown(fd, terms->owner, terms->group) < 0)
                return -errno;

        return fchmod(fd, terms->mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write(const char *path, const char *text, const FileTerms *terms) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = format_string(&temporary, "%s.XXXXXX", path);
        if (r < 0)
                return r;

        fd = mkostemp(temporary, O_CLOEXEC);    /* mode 0600 */
        if (fd < 0)
                return -errno;

        r = fill(fd, text, terms);
        if (r >= 0 && (terms->keep ? link(temporary, path) : rename(temporary, path)) < 0)
                r = -errno;
        if (r < 0 || terms->keep)
                (void) unlink(temporary);

        return r < 0 ? r : sync_directory_of(path);
}

int directory_make(const char *path) {
        _cleanup_free_ char *prefix = strdup(path);

        if (!prefix)
                return -ENOMEM;

        for (char *p = prefix + (prefix[0] == '/'); ; p++) {
                char saved = *p;

                if (saved != '/' && saved != '\0')
                        continue;

                *p = '\0';
                if (mkdir(prefix, 0755) == 0) {
                        if (chmod(prefix, 0755) < 0)    /* whatever the umask */
                                return -errno;
                } else if (errno != EEXIST)
                        return -errno;
                *p = saved;
                if (saved == '\0')
                        return 0;
        }
}
