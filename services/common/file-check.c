/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Value parsers and helpers that layer files and name files share. Each complaint says what is wrong and what to
 * write instead. */

#include <ctype.h>

#include "basic/log.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/file-check.h"

/* -- lists of names -- */

/* Splits with the ready-made parser into a list of its own, checks each item, then adds them: a bad item is never
 * kept. */
static int parse_checked_list(ConfFile *file, const ConfAssignment *a, ConfStrings *list, const ConfKey *key,
                              bool (*valid)(const char *item), const char *rule) {
        ConfStrings items = {};
        int r;

        if (isempty(a->value))
                return conf_parse_strings(file, a, list, key);

        r = conf_parse_strings(file, a, &items, key);
        for (size_t i = 0; r >= 0 && i < items.n; i++) {
                if (valid(items.items[i]))
                        r = conf_strings_add(list, items.items[i]);
                else
                        r = conf_complain(file, CONF_ERROR, a->value_place, "'%s' is no good for %s=: %s.",
                                          items.items[i], a->key, rule);
        }

        conf_strings_done(&items);
        return r;
}

static bool user_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > 255 || name[0] == '-' || name[0] == '.')
                return false;

        for (const char *c = name; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("._-", *c) && !(*c == '$' && c[1] == '\0'))
                        return false;

        return true;
}

static bool unit_name_is_valid(const char *name) {
        if (strlen(name) > 255 || name[0] == '.')
                return false;

        for (const char *c = name; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr(":_.\\@-", *c))
                        return false;

        return endswith(name, ".service") || endswith(name, ".scope");
}

static bool program_is_valid(const char *path) {
        return path[0] == '/' && path[1] != '\0' && strlen(path) < 4096 && !strstr(path, "//") &&
               !strstr(path, "/./") && !strstr(path, "/../") && !endswith(path, "/..") && !endswith(path, "/");
}

int check_parse_layer_names(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return parse_checked_list(file, a, field, key, layer_name_is_valid,
                                  "names of layers have 1 to 63 of A-Z a-z 0-9 . _ - and no dot in front");
}

int check_parse_flow_names(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return parse_checked_list(file, a, field, key, flow_name_is_valid,
                                  "names have 1 to 200 bytes of UTF-8, without '/' and control characters");
}

int check_parse_user_names(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return parse_checked_list(file, a, field, key, user_name_is_valid, "write the name of a user, or a uid");
}

int check_parse_unit_names(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return parse_checked_list(file, a, field, key, unit_name_is_valid,
                                  "write the full name of a unit, such as nginx.service");
}

int check_parse_programs(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        return parse_checked_list(file, a, field, key, program_is_valid,
                                  "write the full path of a program, such as /usr/bin/o7s-echo");
}

/* -- single values -- */

int check_parse_description(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        bool good = utf8_is_valid(a->value, strlen(a->value));

        for (const char *c = a->value; *c; c++)
                good = good && (unsigned char) *c >= ' ';
        if (!good)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "%s= holds bytes that are no text: write UTF-8 on one line.", a->key);

        return conf_parse_string(file, a, field, key);
}

int check_parse_log_level(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (!isempty(a->value) && log_level_from_string(a->value) < 0)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "'%s' is not a log level: write emerg, alert, crit, err, "
                                     "warning, notice, info or debug.", a->value);

        return conf_parse_string(file, a, field, key);
}

int check_parse_later(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        if (isempty(a->value))
                return 0;

        return conf_complain(file, CONF_ERROR, a->key_place,
                             "%s= belongs to %s, which this build does not have: remove the line.", a->key,
                             (const char *) key->data);
}

/* -- places -- */

const ConfAssignment *check_find(const ConfFile *file, const char *section, const char *key) {
        const ConfAssignment *assignments, *found = NULL;
        size_t n;

        assignments = conf_assignments(file, &n);
        for (size_t i = 0; i < n; i++)
                if (streq(assignments[i].section, section) && streq(assignments[i].key, key))
                        found = assignments[i].value[0] == '\0' ? NULL : &assignments[i];

        return found;
}

ConfPlace check_place(const ConfFile *file, const char *section, const char *key) {
        const ConfAssignment *assignment = check_find(file, section, key);
        const char *const *paths;
        size_t n;

        if (assignment)
                return assignment->value_place;

        paths = conf_paths(file, &n);
        return (ConfPlace) { .path = n > 0 ? paths[0] : "" };
}

const ConfMessage *check_first_error(const ConfFile *file) {
        const ConfMessage *messages;
        size_t n;

        messages = conf_messages(file, &n);
        for (size_t i = 0; i < n; i++)
                if (messages[i].severity == CONF_ERROR)
                        return &messages[i];

        return NULL;
}

bool check_has_errors(const ConfFile *file) {
        return check_first_error(file);
}

int check_message_text(const ConfMessage *message, char **ret) {
        const ConfPlace *place = &message->place;

        if (place->line == 0)
                return format_string(ret, "%s: %s", strempty(place->path), message->text);

        return format_string(ret, "%s:%u:%u: %s", place->path, place->line, place->column, message->text);
}

/* -- loading -- */

void conf_roots_done(ConfRoots *roots) {
        for (size_t i = 0; i < ELEMENTSOF(roots->paths); i++)
                free(roots->paths[i]);

        *roots = (ConfRoots) {};
}

int conf_roots_init(ConfRoots *roots, const char *root) {
        static const char *const below[] = { O7S_CONF_ROOTS };
        _cleanup_(conf_roots_done) ConfRoots made = {};

        for (size_t i = 0; i < ELEMENTSOF(below); i++) {
                int r;

                r = format_string(&made.paths[i], "%s%s", strempty(root), below[i]);
                if (r < 0)
                        return r;
        }

        *roots = made;
        made = (ConfRoots) {};
        return 0;
}

int check_load(ConfFile *file, const char *root, const char *directory, const char *name, const char *suffix) {
        _cleanup_(conf_roots_done) ConfRoots roots = {};
        _cleanup_free_ char *file_name = NULL;
        int r;

        r = conf_roots_init(&roots, root);
        if (r < 0)
                return r;

        r = format_string(&file_name, "%s%s", name, suffix);
        if (r < 0)
                return r;

        return conf_load(file, (const char *const *) roots.paths, directory, file_name);
}
