/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers that tell one set of files from another, see file-stamp.h. Files are summed up: directories have no order. */

#include <dirent.h>
#include <sys/stat.h>

#include "basic/siphash.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/irm/file-stamp.h"

#define DROP_IN_SUFFIX ".conf"

static const char *const conf_roots[] = { O7S_CONF_ROOTS };

/* The files are root's, who need not be kept from finding collisions. */
static const uint8_t stamp_key[SIPHASH_KEY_BYTES] = "o7s file stamp.";

static void close_directory(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

static uint64_t stamp_of(const char *path) {
        _cleanup_free_ char *text = NULL;
        struct stat st;

        if (stat(path, &st) < 0)
                return 0;
        if (format_string(&text, "%s %ju %ju %jd %jd.%ld %jd.%ld", path, (uintmax_t) st.st_dev, (uintmax_t) st.st_ino,
                          (intmax_t) st.st_size, (intmax_t) st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                          (intmax_t) st.st_ctim.tv_sec, st.st_ctim.tv_nsec) < 0)
                return 0;

        return siphash24(stamp_key, text, strlen(text));
}

static uint64_t stamp_of_drop_ins(const char *path) {
        _cleanup_(close_directory) DIR *directory = opendir(path);
        const struct dirent *entry;
        uint64_t sum = 0;

        while (directory && (entry = readdir(directory))) {
                _cleanup_free_ char *file = NULL;

                if (entry->d_name[0] != '.' && endswith(entry->d_name, DROP_IN_SUFFIX) &&
                    format_string(&file, "%s/%s", path, entry->d_name) >= 0)
                        sum += stamp_of(file);
        }

        return sum;
}

uint64_t file_stamp(const char *root, const char *directory, const char *name) {
        uint64_t sum = 0;

        for (size_t i = 0; i < ELEMENTSOF(conf_roots); i++) {
                _cleanup_free_ char *path = NULL, *drop_ins = NULL;

                if (format_string(&path, "%s%s/%s%s%s", root, conf_roots[i], directory, directory[0] ? "/" : "",
                                  name) < 0 ||
                    format_string(&drop_ins, "%s.d", path) < 0)
                        continue;

                sum += stamp_of(path) + stamp_of_drop_ins(drop_ins);
        }

        return sum;
}

static uint64_t stamp_of_entry(const char *path, const char *name, const char *suffix) {
        _cleanup_free_ char *whole = NULL, *of_file = NULL;

        if (name[0] == '.' || format_string(&whole, "%s/%s", path, name) < 0)
                return 0;
        if (endswith(name, suffix))
                return stamp_of(whole);

        /* "web.name.d" belongs to "web.name" */
        if (!endswith(name, ".d"))
                return 0;

        of_file = strndup(name, strlen(name) - STRLEN(".d"));
        return of_file && endswith(of_file, suffix) ? stamp_of_drop_ins(whole) : 0;
}

uint64_t file_stamp_all(const char *root, const char *directory, const char *suffix) {
        uint64_t sum = 0;

        for (size_t i = 0; i < ELEMENTSOF(conf_roots); i++) {
                _cleanup_(close_directory) DIR *entries = NULL;
                _cleanup_free_ char *path = NULL;
                const struct dirent *entry;

                if (format_string(&path, "%s%s/%s", root, conf_roots[i], directory) < 0)
                        continue;

                entries = opendir(path);
                while (entries && (entry = readdir(entries)))
                        sum += stamp_of_entry(path, entry->d_name, suffix);
        }

        return sum;
}
