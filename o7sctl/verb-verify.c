/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Checks .layer and .name files with the very code that the daemons read them with, so that what passes here
 * is accepted there. Needs no daemon and no privilege.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/o7sctl.h"
#include "o7sctl/table.h"
#include "services/common/layer-file.h"
#include "services/common/name-file.h"

enum { PATH, LINE, COLUMN, SEVERITY, MESSAGE };

static const Column message_columns[] = {
        [PATH] = { "FILE", "file", 0 },
        [LINE] = { "LINE", "line", COLUMN_RIGHT },
        [COLUMN] = { "COLUMN", "column", COLUMN_RIGHT },
        [SEVERITY] = { "SEVERITY", "severity", 0 },
        [MESSAGE] = { "MESSAGE", "message", 0 },
};

typedef struct Verify {
        const Options *options;
        Table *table;           /* of messages, for JSON */
        ConfStrings seen;       /* what was checked, as files of several roots hide each other */
        size_t n_checked;
        size_t n_bad;
        int status;
} Verify;

static void add_messages(Verify *v, const ConfFile *conf) {
        size_t n;
        const ConfMessage *messages = conf_messages(conf, &n);

        for (size_t i = 0; i < n; i++) {
                table_row(v->table);
                table_set_string(v->table, PATH, messages[i].place.path);
                table_set_u64(v->table, LINE, messages[i].place.line);
                table_set_u64(v->table, COLUMN, messages[i].place.column);
                table_set_string(v->table, SEVERITY, messages[i].severity == CONF_ERROR ? "error" : "warning");
                table_set_string(v->table, MESSAGE, messages[i].text);
        }
}

/* r is what loading said; conf may be NULL. */
static void judge(Verify *v, const char *what, int r, const ConfFile *conf) {
        v->n_checked++;

        if (conf && v->options->json != JSON_OFF)
                add_messages(v, conf);
        else if (conf)
                conf_print_messages(conf, stderr);

        if (r >= 0) {
                if (v->options->json == JSON_OFF && !v->options->quiet)
                        (void) printf("%s: fine\n", what);
                return;
        }

        v->n_bad++;
        if (r == -EBADMSG)
                v->status = EXIT_CONFIG;
        else {
                (void) fprintf(stderr, "%s: %s.\n", what, strerror(-r));
                v->status = v->status ?: EXIT_FAILED;
        }
}

/* Layers and names are loaded as the daemons do: from the strongest root, with drop-ins. */
static void verify_layer(Verify *v, const char *name) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_load("", name, &file);
        if (r == -ENOENT) {
                (void) fprintf(stderr,
                               "There is no file %s" LAYER_FILE_SUFFIX
                               " in /etc/o7s/layers, /run/o7s/layers or "
                               "/usr/lib/o7s/layers.\n",
                               name);
                v->n_bad++;
                v->status = v->status ?: EXIT_FAILED;
                return;
        }

        judge(v, name, r, file ? file->conf : NULL);
}

static void verify_name(Verify *v, const char *name) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        r = name_file_load("", name, &file);
        judge(v, name, r, file ? file->conf : NULL);
}

/* The whole file. Returns: 0; -EFBIG; errors of open() and read(). */
static int read_file(const char *path, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        size_t size = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        text = malloc(CONF_FILE_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;

        for (;;) {
                ssize_t n = read(fd, text + size, CONF_FILE_BYTES_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;

                size += (size_t) n;
                if (size > CONF_FILE_BYTES_MAX)
                        return -EFBIG;
        }

        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

/* A file at any place: its name says what it is, and what it is called. */
static void verify_path(Verify *v, const char *path) {
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        bool is_layer = endswith(base, LAYER_FILE_SUFFIX);
        _cleanup_(layer_file_freep) LayerFile *layer = NULL;
        _cleanup_(name_file_freep) NameFile *name = NULL;
        _cleanup_free_ char *text = NULL, *object = NULL;
        size_t size = 0;
        int r;

        if (!is_layer && !endswith(base, NAME_FILE_SUFFIX)) {
                (void) fprintf(stderr,
                               "%s: is neither a " LAYER_FILE_SUFFIX " nor a " NAME_FILE_SUFFIX " file.\n",
                               path);
                v->n_bad++;
                v->status = v->status ?: EXIT_FAILED;
                return;
        }

        object = strndup(base, strlen(base) - strlen(is_layer ? LAYER_FILE_SUFFIX : NAME_FILE_SUFFIX));
        r = object ? read_file(path, &text, &size) : -ENOMEM;
        if (r >= 0)
                r = is_layer ? layer_file_parse(object, path, text, size, &layer)
                             : name_file_parse(object, path, text, size, &name);

        judge(v, path, r, layer ? layer->conf : name ? name->conf : NULL);
}

static bool seen_before(Verify *v, const char *key) {
        for (size_t i = 0; i < v->seen.n; i++)
                if (streq(v->seen.items[i], key))
                        return true;

        return conf_strings_add(&v->seen, key) < 0;     /* out of memory: check it twice rather than not at all */
}

/* Everything that ends in the suffix, in one directory of one root. */
static void verify_directory(Verify *v, const char *root, const char *directory, const char *suffix,
                             void (*verify)(Verify *, const char *)) {
        _cleanup_free_ char *path = NULL;
        struct dirent **entries = NULL;
        int n;

        if (format_string(&path, "%s/%s", root, directory) < 0)
                return;

        n = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
                char *name = entries[i]->d_name;

                if (name[0] != '.' && endswith(name, suffix) && !seen_before(v, name)) {
                        name[strlen(name) - strlen(suffix)] = '\0';
                        verify(v, name);
                }
                free(entries[i]);
        }
        free(entries);
}

static void verify_all(Verify *v) {
        static const char *const roots[] = { O7S_CONF_ROOTS };

        for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
                verify_directory(v, roots[i], LAYER_FILE_DIRECTORY, LAYER_FILE_SUFFIX, verify_layer);
                verify_directory(v, roots[i], NAME_FILE_DIRECTORY, NAME_FILE_SUFFIX, verify_name);
        }

        if (v->n_checked == 0 && v->options->json == JSON_OFF && !v->options->quiet)
                (void) printf("There are no files to check in /etc/o7s, /run/o7s and /usr/lib/o7s.\n");
}

int verb_verify(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_(table_freep) Table *table = NULL;
        Verify v = { .options = &ctl->options };
        int r;

        r = table_new(message_columns, ELEMENTSOF(message_columns), &table);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot check anything: %s.\n", strerror(-r));
                return EXIT_FAILED;
        }
        v.table = table;

        for (int i = 1; i < argc; i++)
                if (strchr(argv[i], '/') || endswith(argv[i], LAYER_FILE_SUFFIX) ||
                    endswith(argv[i], NAME_FILE_SUFFIX))
                        verify_path(&v, argv[i]);
                else
                        verify_layer(&v, argv[i]);
        if (argc == 1)
                verify_all(&v);
        conf_strings_done(&v.seen);

        if (ctl->options.json != JSON_OFF)
                (void) table_print(table, &ctl->options);
        else if (v.n_bad > 0)
                (void) fprintf(stderr, "%zu of %zu checked cannot be used.\n", v.n_bad,
                               MAX(v.n_checked, v.n_bad));

        return v.status;
}
