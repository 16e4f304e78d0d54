/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One line "Identity=SIZE MTIME INODE PATH" for each file, in the order read. Paths go last, with every unusual byte
 * escaped. */

#include <ctype.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/ipcp/record.h"

static const char *kind_text(int kind) {
        return kind < 0 ? "unknown" : layer_kind_to_string((LayerKind) kind);
}

void record_done(Record *record) {
        for (size_t i = 0; i < record->n_files; i++)
                free(record->files[i].path);
        free(record->files);
        *record = (Record) { .kind = _LAYER_KIND_INVALID };
}

static int identity_read(const char *root, const char *path, FileIdentity *ret) {
        struct stat st;
        char *copy;

        if (stat(path, &st) < 0)
                return -errno;

        copy = strdup(path + (startswith(path, root) ? strlen(root) : 0));
        if (!copy)
                return -ENOMEM;

        *ret = (FileIdentity) {
                .path = copy,
                .size = (uint64_t) st.st_size,
                .mtime_nsec = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                .inode = st.st_ino,
                .uid = st.st_uid,
                .gid = st.st_gid,
                .mode = st.st_mode,
        };
        return 0;
}

int record_from_layer_file(Record *record, const char *root, const LayerFile *file) {
        _cleanup_(record_done) Record made = { .kind = file->kind };
        const char *const *paths;
        size_t n;

        paths = conf_paths(file->conf, &n);
        made.files = calloc(n + 1, sizeof(*made.files));
        if (!made.files)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                int r;

                r = identity_read(root, paths[i], &made.files[i]);
                if (r < 0)
                        return r;
                made.n_files++;
        }

        *record = made;
        made = (Record) {};
        return 0;
}

/* -- whose files they are -- */

void record_owners(const char *root, uid_t *ret_administrator, uid_t *ret_manager) {
        _cleanup_free_ char *run = NULL;
        struct stat st;

        *ret_administrator = *ret_manager = stat(isempty(root) ? "/" : root, &st) < 0 ? 0 : st.st_uid;
        if (format_string(&run, "%s" O7S_RUN_DIRECTORY, root) >= 0 && stat(run, &st) >= 0)
                *ret_manager = st.st_uid;
}

const FileIdentity *record_untrusted(const Record *record, uid_t administrator, uid_t manager) {
        for (size_t i = 0; i < record->n_files; i++) {
                const FileIdentity *f = &record->files[i];
                bool owned = f->uid == administrator ||
                             (f->uid == manager && startswith(f->path, O7S_RUN_DIRECTORY "/"));

                if (!owned || f->mode & S_IWOTH || (f->mode & S_IWGRP && f->gid != 0))
                        return f;
        }

        return NULL;
}

/* -- text -- */

static int path_escape(const char *path, char **ret) {
        char *text, *p;

        p = text = malloc(strlen(path) * STRLEN("\\xff") + 1);
        if (!text)
                return -ENOMEM;

        for (; *path; path++)
                if (isalnum((unsigned char) *path) || strchr("/._-+:@", *path)) {
                        *p++ = *path;
                } else {
                        p = stpcpy(p, "\\x");
                        p = hex_encode(p, path, 1) + 2;
                }

        *p = '\0';
        *ret = text;
        return 0;
}

static int identity_text(const FileIdentity *identity, char **ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_escape(identity->path, &path);
        if (r < 0)
                return r;

        return format_string(ret, "%" PRIu64 " %" PRIi64 " %" PRIu64 " %s", identity->size, identity->mtime_nsec,
                             identity->inode, path);
}

int record_format(const Record *record, char **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = format_string(&text, "[" RECORD_SECTION "]\nType=%s\n", kind_text(record->kind));
        if (r < 0)
                return r;

        for (size_t i = 0; i < record->n_files; i++) {
                _cleanup_free_ char *identity = NULL, *longer = NULL;

                r = identity_text(&record->files[i], &identity);
                if (r < 0)
                        return r;
                r = format_string(&longer, "%sIdentity=%s\n", text, identity);
                if (r < 0)
                        return r;

                free(text);
                text = TAKE_PTR(longer);
        }

        *ret = TAKE_PTR(text);
        return 0;
}

/* -- comparing -- */

static int say(char **ret_difference, const char *format, const char *what) {
        int r;

        r = format_string(ret_difference, format, what);
        return r < 0 ? r : -ESTALE;
}

static int compare_identity(const Record *record, size_t i, const char *noted, char **ret_difference) {
        _cleanup_free_ char *present = NULL;
        int r;

        if (i >= record->n_files)
                return say(ret_difference, "%s", "a file that the unit was made from is gone");

        r = identity_text(&record->files[i], &present);
        if (r < 0)
                return r;

        return streq(present, noted)
                       ? 0
                       : say(ret_difference, "%s has changed since the unit was made from it", record->files[i].path);
}

int record_compare(const Record *record, const ConfFile *drop_in, char **ret_difference) {
        const ConfAssignment *assignments;
        size_t n, n_identities = 0;
        bool have_type = false;
        int r = 0;

        assignments = conf_assignments(drop_in, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const ConfAssignment *a = &assignments[i];

                if (!streq(a->section, RECORD_SECTION))
                        continue;

                if (streq(a->key, "Identity"))
                        r = compare_identity(record, n_identities++, a->value, ret_difference);
                else if (streq(a->key, "Type")) {
                        have_type = true;
                        if (!streq(a->value, kind_text(record->kind)))
                                r = say(ret_difference, "the unit was made for a layer of type %s", a->value);
                }
        }
        if (r < 0)
                return r;

        if (!have_type)
                return say(ret_difference, "%s", "the unit's drop-in does not say what it was made from");
        if (n_identities < record->n_files)
                return say(ret_difference, "%s is new since the unit was made", record->files[n_identities].path);

        return 0;
}
