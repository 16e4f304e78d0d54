/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which files make up a configuration: the strongest root's main file, then every drop-in of all roots in
 * the order of their file names, where a name in a stronger root hides the same name in the weaker ones.
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "basic/conf-internal.h"
#include "basic/string.h"

#define DROP_IN_SUFFIX ".conf"

typedef struct DropIn {
        char *path;
        const char *name;       /* the last part of path */
} DropIn;

typedef struct DropIns {
        DropIn *items;
        size_t n;
} DropIns;

static void closedirp(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

static void drop_ins_done(DropIns *drop_ins) {
        for (size_t i = 0; i < drop_ins->n; i++)
                free(drop_ins->items[i].path);

        free(drop_ins->items);
        *drop_ins = (DropIns) {};
}

/* Opens what may be read as configuration; a device or a FIFO must not make us wait or act. *ret is -1 for
 * /dev/null. */
static int open_regular(const char *path, int *ret) {
        _cleanup_close_ int fd = -1;
        struct stat st, null;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;

        if (S_ISCHR(st.st_mode) && stat("/dev/null", &null) >= 0 && st.st_rdev == null.st_rdev) {
                *ret = -1;
                return 0;
        }
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;

        *ret = TAKE_FD(fd);
        return 0;
}

int conf_add_file(ConfFile *file, const char *path) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        assert(file);
        assert(path);

        r = open_regular(path, &fd);
        if (r < 0)
                return r;
        if (fd < 0)
                return conf_add_text(file, path, NULL, 0);

        /* One byte more than allowed: that is how a file too large is told from one that just fits. */
        text = malloc(CONF_FILE_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;

        while (size < CONF_FILE_BYTES_MAX + 1) {
                ssize_t n = read(fd, text + size, CONF_FILE_BYTES_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }

        return conf_add_text(file, path, text, size);
}

static int join_path(const char *root, const char *directory, const char *name, const char *suffix,
                     char **ret) {
        return format_string(ret, "%s%s%s/%s%s", root, directory[0] != '\0' ? "/" : "", directory, name,
                             suffix);
}

static int load_main(ConfFile *file, const char *const *roots, const char *directory, const char *name) {
        for (; *roots; roots++) {
                _cleanup_free_ char *path = NULL;
                int r;

                r = join_path(*roots, directory, name, "", &path);
                if (r < 0)
                        return r;

                r = conf_add_file(file, path);
                if (r != -ENOENT)
                        return r;
        }

        return -ENOENT;
}

static int drop_ins_add(DropIns *drop_ins, const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;
        int r;

        for (size_t i = 0; i < drop_ins->n; i++)
                if (streq(drop_ins->items[i].name, name))
                        return 0;       /* hidden by a stronger root */

        if (drop_ins->n >= CONF_FILES_MAX)
                return -E2BIG;

        r = conf_array_reserve(&drop_ins->items, drop_ins->n, sizeof(*drop_ins->items));
        if (r < 0)
                return r;

        r = format_string(&path, "%s/%s", directory, name);
        if (r < 0)
                return r;

        drop_ins->items[drop_ins->n].name = path + strlen(directory) + 1;
        drop_ins->items[drop_ins->n++].path = TAKE_PTR(path);
        return 0;
}

/* Notes the drop-ins of one directory. That it does not exist is the usual case. */
static int drop_ins_scan(ConfFile *file, DropIns *drop_ins, const char *path) {
        _cleanup_(closedirp) DIR *directory = NULL;

        directory = opendir(path);
        if (!directory) {
                if (errno == ENOENT)
                        return 0;

                (void) conf_complain(file, CONF_ERROR, (ConfPlace) { .path = path }, "Cannot be listed: %s",
                                     strerrordesc_np(errno));
                return 0;
        }

        for (;;) {
                struct dirent *entry;
                int r;

                errno = 0;
                entry = readdir(directory);
                if (!entry)
                        return -errno;
                if (entry->d_name[0] == '.' || !endswith(entry->d_name, DROP_IN_SUFFIX))
                        continue;

                r = drop_ins_add(drop_ins, path, entry->d_name);
                if (r < 0)
                        return r;
        }
}

static int compare_drop_ins(const void *a, const void *b) {
        return strcmp(((const DropIn *) a)->name, ((const DropIn *) b)->name);
}

int conf_load_drop_ins(ConfFile *file, const char *const *roots, const char *directory, const char *name) {
        _cleanup_(drop_ins_done) DropIns drop_ins = {};
        int r;

        assert(file);
        assert(roots);
        assert(directory);
        assert(name);

        for (; *roots; roots++) {
                _cleanup_free_ char *path = NULL;

                r = join_path(*roots, directory, name, ".d", &path);
                if (r < 0)
                        return r;

                r = drop_ins_scan(file, &drop_ins, path);
                if (r < 0)
                        return r;
        }

        if (drop_ins.n > 0)
                qsort(drop_ins.items, drop_ins.n, sizeof(*drop_ins.items), compare_drop_ins);

        for (size_t i = 0; i < drop_ins.n; i++) {
                r = conf_add_file(file, drop_ins.items[i].path);
                if (r == -ENOMEM || r == -E2BIG)
                        return r;
                if (r < 0)
                        (void) conf_complain(file, CONF_ERROR, (ConfPlace) { .path = drop_ins.items[i].path },
                                             "Cannot be read: %s", strerrordesc_np(-r));
        }

        return 0;
}

int conf_load(ConfFile *file, const char *const *roots, const char *directory, const char *name) {
        int r;

        assert(file);
        assert(roots);
        assert(directory);
        assert(name);

        if (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))
                return -EINVAL;

        r = load_main(file, roots, directory, name);
        if (r < 0)
                return r;

        return conf_load_drop_ins(file, roots, directory, name);
}
