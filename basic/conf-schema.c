/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Assignments against a table of what is known. Four passes: sections, then each assignment's key, then,
 * from the end, what an empty value makes void, and last the values themselves. So a mistake in a name is
 * reported even where a value before it is wrong too, and a parser sees only what counts.
 */

#include "basic/conf-internal.h"
#include "basic/string.h"

#define FOREIGN_PREFIX "X-"     /* sections and keys that other programs put there */
#define HINTS_MAX 128U          /* names that a hint is chosen from */

static const ConfSection *schema_section(const ConfSchema *schema, const char *name) {
        for (size_t i = 0; i < schema->n_sections; i++)
                if (streq(schema->sections[i].name, name))
                        return schema->sections + i;

        return NULL;
}

static const ConfKey *schema_key(const ConfSchema *schema, const char *section, const char *name) {
        for (size_t i = 0; i < schema->n_keys; i++)
                if (streq(schema->keys[i].section, section) && streq(schema->keys[i].key, name))
                        return schema->keys + i;

        return NULL;
}

static void complain_section(ConfFile *file, const ConfSchema *schema, const ConfHeader *header) {
        const char *names[HINTS_MAX], *near;
        size_t n = 0;

        for (size_t i = 0; i < schema->n_sections && n < HINTS_MAX; i++)
                names[n++] = schema->sections[i].name;

        near = nearest_word(header->section, names, n);
        if (near)
                (void) conf_complain(file, CONF_ERROR, header->place,
                                     "Unknown section [%s], did you mean [%s]?", header->section, near);
        else
                (void) conf_complain(file, CONF_ERROR, header->place, "Unknown section [%s]",
                                     header->section);
}

static void complain_key(ConfFile *file, const ConfSchema *schema, const ConfAssignment *assignment) {
        const char *names[HINTS_MAX], *near;
        size_t n = 0;

        /* The right word in the wrong section is the commonest mistake. */
        for (size_t i = 0; i < schema->n_keys; i++)
                if (streq(schema->keys[i].key, assignment->key)) {
                        (void) conf_complain(
                                file, CONF_WARNING, assignment->key_place,
                                "Key \"%s\" does not belong in section [%s] but in [%s], ignored",
                                assignment->key, assignment->section, schema->keys[i].section);
                        return;
                }

        for (size_t i = 0; i < schema->n_keys && n < HINTS_MAX; i++)
                if (streq(schema->keys[i].section, assignment->section))
                        names[n++] = schema->keys[i].key;

        near = nearest_word(assignment->key, names, n);
        if (near)
                (void) conf_complain(file, CONF_WARNING, assignment->key_place,
                                     "Unknown key \"%s\" in section [%s], ignored; did you mean \"%s\"?",
                                     assignment->key, assignment->section, near);
        else
                (void) conf_complain(file, CONF_WARNING, assignment->key_place,
                                     "Unknown key \"%s\" in section [%s], ignored", assignment->key,
                                     assignment->section);
}

static void check_sections(ConfFile *file, const ConfSchema *schema) {
        for (size_t i = 0; i < file->n_headers; i++)
                if (!startswith(file->headers[i].section, FOREIGN_PREFIX) &&
                    !schema_section(schema, file->headers[i].section))
                        complain_section(file, schema, file->headers + i);
}

/* Finds the key of each assignment; NULL where it is to be skipped. */
static void resolve_keys(ConfFile *file, const ConfSchema *schema, const ConfKey **keys) {
        for (size_t i = 0; i < file->n_assignments; i++) {
                const ConfAssignment *a = file->assignments + i;

                keys[i] = NULL;

                if (startswith(a->section, FOREIGN_PREFIX) || startswith(a->key, FOREIGN_PREFIX))
                        continue;

                if (!schema_section(schema, a->section)) {
                        if (a->section[0] == '\0')      /* unknown headers have been reported */
                                (void) conf_complain(file, CONF_ERROR, a->key_place,
                                                     "Key \"%s\" stands before the first [Section]", a->key);
                        continue;
                }

                keys[i] = schema_key(schema, a->section, a->key);
                if (!keys[i])
                        complain_key(file, schema, a);
        }
}

/* From the end: everything before an empty value of its key is void. An instance of a section that repeats
 * is contiguous, so one number for each key, the instance that was emptied last, says all. */
static int drop_void(const ConfFile *file, const ConfSchema *schema, const ConfKey **keys) {
        _cleanup_free_ size_t *emptied = NULL;          /* instance + 1; 0: not emptied */

        emptied = calloc(schema->n_keys + 1, sizeof(*emptied));
        if (!emptied)
                return -ENOMEM;

        for (size_t i = file->n_assignments; i > 0; i--) {
                const ConfAssignment *a = file->assignments + i - 1;
                const ConfSection *section;
                size_t k, instance;

                if (!keys[i - 1])
                        continue;

                k = (size_t) (keys[i - 1] - schema->keys);
                section = schema_section(schema, a->section);
                instance = section->repeats ? (size_t) a->instance + 1 : 1;

                if (emptied[k] == instance)
                        keys[i - 1] = NULL;
                else if (a->value[0] == '\0')
                        emptied[k] = instance;
        }

        return 0;
}

/* One value to its parser. A parser that fails without a word has failed all the same. */
static int deliver(ConfFile *file, const ConfAssignment *a, const ConfKey *key, void *object) {
        unsigned n_errors = file->n_errors;
        int r;

        if (!key->parse)
                return 0;

        r = key->parse(file, a, (char *) object + key->offset, key);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && file->n_errors == n_errors)
                (void) conf_complain(file, CONF_ERROR, a->value_place, "Value \"%s\" of %s= is not valid",
                                     a->value, a->key);

        return 0;
}

int conf_apply(ConfFile *file, const ConfSchema *schema, void *object,
               void *(*instance)(void *object, const char *section, unsigned number)) {
        _cleanup_free_ const ConfKey **keys = NULL;
        const ConfAssignment *previous = NULL;          /* of a section that repeats */
        void *current = NULL;
        int r;

        assert(file);
        assert(schema);

        keys = calloc(file->n_assignments + 1, sizeof(*keys));
        if (!keys)
                return -ENOMEM;

        check_sections(file, schema);
        resolve_keys(file, schema, keys);
        r = drop_void(file, schema, keys);
        if (r < 0)
                return r;

        for (size_t i = 0; i < file->n_assignments; i++) {
                const ConfAssignment *a = file->assignments + i;
                void *target = object;

                if (!keys[i])
                        continue;

                if (instance && schema_section(schema, a->section)->repeats) {
                        if (!previous || !streq(previous->section, a->section) ||
                            previous->instance != a->instance)
                                current = instance(object, a->section, a->instance);
                        previous = a;
                        target = current;
                        if (!target)
                                continue;
                }

                r = deliver(file, a, keys[i], target);
                if (r < 0)
                        return r;
        }

        return file->n_errors > 0 ? -EBADMSG : 0;
}
