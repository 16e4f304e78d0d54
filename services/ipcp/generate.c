/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The work of the generator. systemd waits for it at boot and at each reload, so it reads and writes files and does
 * nothing else. A file that cannot be used still gets a drop-in, one without rights: the unit is there, and says what
 * is wrong.
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "basic/map.h"
#include "basic/string.h"
#include "services/common/file-check.h"
#include "services/ipcp/drop-in.h"
#include "services/ipcp/generate.h"

/* -- which layers there are -- */

static void directory_close(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

static int collect_name(Map *seen, ConfStrings *names, const char *file_name) {
        _cleanup_free_ char *name = NULL;
        int r;

        if (!endswith(file_name, LAYER_FILE_SUFFIX))
                return 0;

        name = strndup(file_name, strlen(file_name) - strlen(LAYER_FILE_SUFFIX));
        if (!name)
                return -ENOMEM;
        if (!layer_name_is_valid(name)) {
                log_warning(
                        "%s is ignored: the name of a layer has 1 to 63 of A-Z a-z 0-9 . _ - and no dot in front. "
                        "Rename the file.",
                        file_name);
                return 0;
        }
        if (map_get_string(seen, name))
                return 0;
        if (names->n >= GENERATE_LAYERS_MAX)
                return log_warning_errno(E2BIG, "More than %u layer files: the rest is ignored.", GENERATE_LAYERS_MAX);

        r = conf_strings_add(names, name);
        if (r < 0)
                return r;

        return map_put_string(seen, names->items[names->n - 1], names);
}

static int collect_directory(Map *seen, ConfStrings *names, const char *root) {
        _cleanup_(directory_close) DIR *directory = NULL;
        _cleanup_free_ char *path = NULL;
        struct dirent *entry;
        int r;

        r = format_string(&path, "%s/" LAYER_FILE_DIRECTORY, root);
        if (r < 0)
                return r;

        directory = opendir(path);
        if (!directory)
                return errno == ENOENT ? 0 : log_warning_errno(errno, "Cannot read %s: %m", path);

        while ((entry = readdir(directory))) {
                r = collect_name(seen, names, entry->d_name);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int collect_names(const char *root, ConfStrings *names) {
        _cleanup_(conf_roots_done) ConfRoots roots = {};
        _cleanup_(map_freep) Map *seen = NULL;
        int r;

        r = conf_roots_init(&roots, root);
        if (r < 0)
                return r;

        r = map_new(&seen);
        if (r < 0)
                return r;

        for (size_t i = 0; roots.paths[i]; i++) {
                r = collect_directory(seen, names, roots.paths[i]);
                if (r == -ENOMEM)
                        return r;
        }

        return 0;
}

/* -- one layer -- */

static int write_file(const char *directory, const char *name, const char *text) {
        _cleanup_free_ char *sub = NULL, *path = NULL, *file = NULL;
        _cleanup_close_ int fd = -1;
        size_t size = strlen(text);
        int r;

        r = drop_in_directory(name, &sub);
        if (r >= 0)
                r = format_string(&path, "%s/%s", directory, sub);
        if (r >= 0)
                r = format_string(&file, "%s/" DROP_IN_FILE, path);
        if (r < 0)
                return r;

        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;

        fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;

        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, text + done, size - done);

                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }

        return 0;
}

static void log_messages(const LayerFile *file) {
        const ConfMessage *messages;
        size_t n;

        messages = conf_messages(file->conf, &n);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;

                if (check_message_text(&messages[i], &text) >= 0)
                        log_full(messages[i].severity == CONF_ERROR ? LOG_ERR : LOG_WARNING, "%s", text);
        }
}

static bool files_are_trusted(const char *root, const Record *record) {
        uid_t administrator, manager;
        const FileIdentity *untrusted;

        record_owners(root, &administrator, &manager);
        untrusted = record_untrusted(record, administrator, manager);
        if (untrusted)
                log_error("%s could be changed by users other than root, so that its layer gets no rights: "
                          "run chown root:root and chmod 644 on it.", untrusted->path);

        return !untrusted;
}

static int generate_one(const char *root, const char *directory, const char *name) {
        _cleanup_(record_done) Record record = { .kind = _LAYER_KIND_INVALID };
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        _cleanup_free_ char *text = NULL;
        bool usable;
        int r;

        r = layer_file_load(root, name, &file);
        if (r == -ENOMEM)
                return r;
        usable = r >= 0;
        if (file)
                log_messages(file);
        else
                (void) log_error_errno(r, "Cannot read the file of layer %s: %m", name);

        if (file) {
                r = record_from_layer_file(&record, root, file);
                if (r < 0)
                        return r;
                usable = files_are_trusted(root, &record) && usable;
        }

        r = drop_in_format(name, file, &record, usable, &text);
        if (r < 0)
                return r;

        return write_file(directory, name, text);
}

int generate(const char *root, const char *directory) {
        _cleanup_(conf_strings_done) ConfStrings names = {};
        int r, n = 0;

        r = collect_names(root, &names);
        if (r < 0)
                return r;

        for (size_t i = 0; i < names.n; i++) {
                r = generate_one(root, directory, names.items[i]);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to write the drop-in of layer %s: %m", names.items[i]);
                else
                        n++;
        }

        return n;
}
