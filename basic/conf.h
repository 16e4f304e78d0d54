/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Configuration files in the dialect of systemd: [Section], Key=value, comments with # or ;, a trailing
 * backslash continues the line. A key that comes again appends, an empty value empties what was gathered
 * so far, a section may come several times and its instances are kept apart. NAME.d/ files named *.conf,
 * sorted by file name, are read after the main file; an equal file name in an earlier root hides a later one.
 *
 * The parser knows nothing of keys: it delivers assignments in order, each with its place. conf_schema_*
 * checks them against a table and says what is wrong, where, and what was probably meant.
 */

#include <stdio.h>

#include "basic/list.h"
#include "basic/macro.h"

#define CONF_FILE_BYTES_MAX (1024U * 1024U)
#define CONF_LINE_BYTES_MAX (64U * 1024U)
#define CONF_ASSIGNMENTS_MAX 16384U

typedef struct ConfPlace {
        const char *path;       /* owned by the ConfFile */
        unsigned line;          /* from 1 */
        unsigned column;        /* from 1, in bytes */
} ConfPlace;

typedef struct ConfAssignment {
        const char *section;    /* as written; "" before the first header */
        unsigned instance;      /* 0 for the first [Section] of this name in all files, and so on; a drop-in's
                                   plain [Section] continues the instance 0 unless the section may repeat */
        const char *key;
        const char *value;      /* trimmed; "" resets */
        ConfPlace key_place;
        ConfPlace value_place;
} ConfAssignment;

typedef enum ConfSeverity {
        CONF_WARNING,
        CONF_ERROR,
        _CONF_SEVERITY_MAX,
        _CONF_SEVERITY_INVALID = -EINVAL,
} ConfSeverity;

typedef struct ConfMessage {
        ConfSeverity severity;
        ConfPlace place;        /* line 0: the whole file */
        char *text;             /* a sentence with its hint, owned by the ConfFile */
} ConfMessage;

typedef struct ConfFile ConfFile;

/* One key of a schema. */
typedef struct ConfKey ConfKey;
struct ConfKey {
        const char *section;
        const char *key;
        /* Takes one value. Returns 0, or a negative errno after conf_complain(). NULL: only the name is checked. */
        int (*parse)(ConfFile *file, const ConfAssignment *assignment, void *field, const ConfKey *key);
        size_t offset;          /* of the field in the object being filled */
        const void *data;       /* for parse: an enum's names, a limit, ... */
};

typedef struct ConfSection {
        const char *name;
        bool repeats;           /* several instances mean several objects, see conf_apply() */
} ConfSection;

typedef struct ConfSchema {
        const ConfSection *sections;
        size_t n_sections;
        const ConfKey *keys;
        size_t n_keys;
} ConfSchema;

int conf_new(ConfFile **ret);
ConfFile *conf_free(ConfFile *file);
DEFINE_CLEANUP(ConfFile, conf_free);

/* Parses text that belongs to path (only named in messages). Complaints go to the file's messages.
 * Returns: 0, also with complaints; -E2BIG, -ENOMEM. */
int conf_add_text(ConfFile *file, const char *path, const char *text, size_t size);

/* Reads one file. Returns: 0; -ENOENT and other errors of open() and read(); -E2BIG; -ENOMEM. */
int conf_add_file(ConfFile *file, const char *path);

/* Reads ROOT/directory/name for the first root that has it, then ROOT/directory/name.d/ *.conf of all roots.
 * roots is NULL-terminated, strongest first. Returns: 0; -ENOENT: no root has the main file. */
int conf_load(ConfFile *file, const char *const *roots, const char *directory, const char *name);

/* Files read so far, in order. */
const char *const *conf_paths(const ConfFile *file, size_t *ret_n);

const ConfAssignment *conf_assignments(const ConfFile *file, size_t *ret_n);

/* Checks names against the schema: an unknown section is an error, an unknown key a warning with the nearest
 * known key; then hands each assignment of instance-0 sections (and of sections that do not repeat) to its parser
 * with field = (char *) object + key->offset. For sections that repeat, "instance" is called before the first
 * assignment of each instance and returns the object to fill (NULL: skip it).
 * Returns: 0; -EBADMSG: at least one message is an error. */
int conf_apply(ConfFile *file, const ConfSchema *schema, void *object,
               void *(*instance)(void *object, const char *section, unsigned number));

/* Adds a message: for parsers and for checks across keys. Returns -EBADMSG for errors, 0 for warnings. */
int conf_complain(ConfFile *file, ConfSeverity severity, ConfPlace place, const char *format, ...) _printf_(4, 5);

const ConfMessage *conf_messages(const ConfFile *file, size_t *ret_n);

/* "path:line:column: message", as compilers write. */
void conf_print_messages(const ConfFile *file, FILE *stream);

/* Ready-made value parsers. */
int conf_parse_string(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);        /* char * */
int conf_parse_strings(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);       /* ConfStrings, split at white space */
int conf_parse_bool(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);          /* bool */
int conf_parse_u16(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);           /* uint16_t */
int conf_parse_u32(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);           /* uint32_t */
int conf_parse_u64(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);           /* uint64_t; K, M, G suffixes */
int conf_parse_usec(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);          /* usec_t */
int conf_parse_enum(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);          /* int; data = ConfEnum */

typedef struct ConfEnum {
        const char *const *names;
        size_t n;
} ConfEnum;

/* A growing list of owned strings. */
typedef struct ConfStrings {
        char **items;
        size_t n;
} ConfStrings;

int conf_strings_add(ConfStrings *strings, const char *item);
void conf_strings_done(ConfStrings *strings);
