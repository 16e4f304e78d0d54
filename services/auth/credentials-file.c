/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of credentials: read whole, with what they were when they were read. Links are followed, since that is how
 * tools that renew certificates put new ones in place; what they lead to must be a regular file.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "services/auth/credentials-internal.h"

/* -- stamps -- */

void file_stamps_done(FileStamps *stamps) {
        for (size_t i = 0; i < stamps->n; i++)
                free(stamps->items[i].path);
        free(stamps->items);
        *stamps = (FileStamps) {};
}

static void stamp_take(FileStamp *stamp) {
        struct stat st;

        if (stat(stamp->path, &st) < 0) {
                stamp->exists = false;
                return;
        }

        stamp->exists = true;
        stamp->device = st.st_dev;
        stamp->inode = st.st_ino;
        stamp->size = st.st_size;
        stamp->modified = st.st_mtim;
        stamp->changed = st.st_ctim;
}

int file_stamps_add(FileStamps *stamps, const char *path) {
        FileStamp *items;

        items = reallocarray(stamps->items, stamps->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        stamps->items = items;

        items[stamps->n] = (FileStamp) { .path = strdup(path) };
        if (!items[stamps->n].path)
                return -ENOMEM;

        stamp_take(&items[stamps->n++]);
        return 0;
}

static bool time_is_equal(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool stamp_has_changed(const FileStamp *old) {
        FileStamp now = { .path = old->path };

        stamp_take(&now);
        if (now.exists != old->exists)
                return true;

        return now.exists &&
               (now.device != old->device || now.inode != old->inode || now.size != old->size ||
                !time_is_equal(&now.modified, &old->modified) || !time_is_equal(&now.changed, &old->changed));
}

bool file_stamps_have_changed(const FileStamps *stamps) {
        for (size_t i = 0; i < stamps->n; i++)
                if (stamp_has_changed(stamps->items + i))
                        return true;

        return false;
}

/* -- sentences -- */

int credentials_fail(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, AUTH_TEXT_BYTES_MAX, format, arguments);
        va_end(arguments);

        trust_clean(text);
        return -ENOKEY;
}

const char *credentials_reason(int error) {
        switch (-error) {
        case EBADMSG:
                return "it is not what must be there, in PEM or DER, and nothing else";
        case EISDIR:
                return "it is not a regular file";
        case EFBIG:
        case E2BIG:
                return "it is too large";
        default:
                return strerrordesc_np(-error) ? strerrordesc_np(-error) : "it cannot be read";
        }
}

/* -- reading -- */

static int read_all(int fd, size_t size, uint8_t **ret, size_t *ret_size) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t done = 0;

        data = malloc(size + 1);
        if (!data)
                return -ENOMEM;

        while (done <= size) {
                ssize_t n = read(fd, data + done, size + 1 - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        if (done > size)
                return -EFBIG;          /* it grew while it was read */

        *ret = TAKE_PTR(data);
        *ret_size = done;
        return 0;
}

int credential_file_read(FileStamps *stamps, const char *path, uint8_t **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        r = file_stamps_add(stamps, path);
        if (r < 0)
                return r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EISDIR;
        if (st.st_size > CREDENTIAL_FILE_BYTES_MAX)
                return -EFBIG;

        return read_all(fd, (size_t) st.st_size, ret, ret_size);
}

static int read_one(FileStamps *stamps, const char *path, credential_take_t take, void *userdata,
                    char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;
        int r;

        r = credential_file_read(stamps, path, &data, &size);
        if (r == 0)
                r = take(userdata, data, size);
        if (r == -ENOMEM || r >= 0)
                return MIN(r, 0);

        return credentials_fail(text, "%s cannot be used: %s", path, credentials_reason(r));
}

static int is_shown(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static int read_directory(FileStamps *stamps, const char *path, credential_take_t take, void *userdata,
                          char text[AUTH_TEXT_BYTES_MAX]) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(path, &entries, is_shown, alphasort);
        if (n < 0)
                return errno == ENOMEM
                               ? -ENOMEM
                               : credentials_fail(text, "%s cannot be used: %s", path, credentials_reason(-errno));
        if ((unsigned) n > CREDENTIAL_DIRECTORY_ENTRIES_MAX)
                r = credentials_fail(text, "%s has more than %u files", path, CREDENTIAL_DIRECTORY_ENTRIES_MAX);

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;

                if (r == 0)
                        r = format_string(&file, "%s/%s", path, entries[i]->d_name);
                if (r == 0)
                        r = read_one(stamps, file, take, userdata, text);
                free(entries[i]);
        }

        free(entries);
        return r;
}

int credential_path_read(FileStamps *stamps, const char *path, bool missing_is_fine, credential_take_t take,
                         void *userdata, char text[AUTH_TEXT_BYTES_MAX]) {
        struct stat st;
        int r;

        r = file_stamps_add(stamps, path);
        if (r < 0)
                return r;

        if (stat(path, &st) < 0) {
                if (errno == ENOENT && missing_is_fine)
                        return 0;
                return credentials_fail(text, "%s cannot be used: %s", path, credentials_reason(-errno));
        }

        return S_ISDIR(st.st_mode) ? read_directory(stamps, path, take, userdata, text)
                                   : read_one(stamps, path, take, userdata, text);
}
