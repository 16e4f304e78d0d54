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
#define CONF_SECTIONS_MAX 4096U         /* headers, in all files together */
#define CONF_FILES_MAX 256U
#define CONF_MESSAGES_MAX 256U          /* later ones are counted, not kept */
#define CONF_MESSAGE_BYTES_MAX 1024U

typedef struct ConfPlace {
        const char *path;       /* owned by the ConfFile */
        unsigned line;          /* from 1 */
        unsigned column;        /* from 1, in bytes */
} ConfPlace;

typedef struct ConfAssignment {
        const char *section;    /* as written; "" before the first header */
        unsigned instance;      /* 0 for the first [Section] header of this name in all files, 1 for the next, and
                                   so on; without meaning unless the schema lets the section repeat */
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
        /* Takes one value. Returns 0, or a negative errno after conf_complain(). NULL: only the name is checked. An
         * empty value empties a list; a scalar has nothing to do then: what came before it was not handed over. */
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
 * Returns: 0, also with complaints; -E2BIG: beyond one of the limits above; -ENOMEM. */
int conf_add_text(ConfFile *file, const char *path, const char *text, size_t size);

/* Reads one file. A link to /dev/null is an empty file: that is how files are masked.
 * Returns: 0; -ENOENT and other errors of open() and read(); -EINVAL: not a regular file; -E2BIG; -ENOMEM. */
int conf_add_file(ConfFile *file, const char *path);

/* Reads ROOT/directory/name for the first root that has it, then ROOT/directory/name.d/ *.conf of all roots.
 * roots is NULL-terminated, strongest first; directory may be "". A drop-in that cannot be read is a complaint of
 * severity error: leaving it out might weaken what the host asked for.
 * Returns: 0; -ENOENT: no root has the main file; -EINVAL: name is no file name; as conf_add_file(). */
int conf_load(ConfFile *file, const char *const *roots, const char *directory, const char *name);

/* Only the drop-ins of that file: for programs that have defaults and need no main file. Errors as conf_load(). */
int conf_load_drop_ins(ConfFile *file, const char *const *roots, const char *directory, const char *name);

/* Files read so far, in order. */
const char *const *conf_paths(const ConfFile *file, size_t *ret_n);

const ConfAssignment *conf_assignments(const ConfFile *file, size_t *ret_n);

/* Checks names against the schema: an unknown section is an error, an unknown key a warning with the nearest
 * known key; sections and keys that begin with "X-" are other programs' and skipped. Then hands the assignments to
 * their parsers, in order, with field = (char *) object + key->offset; those that a later empty value of the same key
 * makes void are left out. For sections that repeat, "instance" is called before the first assignment of each instance
 * and returns the object to fill (NULL: skip it); an empty value reaches no further back than its own instance.
 * Returns: 0; -EBADMSG: at least one message is an error, those of parsing included; -ENOMEM. */
int conf_apply(ConfFile *file, const ConfSchema *schema, void *object,
               void *(*instance)(void *object, const char *section, unsigned number));

/* Adds a message: for parsers and for checks across keys. Control characters in it become "?".
 * Returns: -EBADMSG for errors, 0 for warnings. */
int conf_complain(ConfFile *file, ConfSeverity severity, ConfPlace place, const char *format, ...) _printf_(4, 5);

const ConfMessage *conf_messages(const ConfFile *file, size_t *ret_n);

/* "path:line:column: error: message", as compilers write. */
void conf_print_messages(const ConfFile *file, FILE *stream);

/* Ready-made value parsers. Type of the field; what data is, where it is not NULL. */

/* char * */
int conf_parse_string(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
/* ConfStrings, split at white space; quotes hold a word together */
int conf_parse_strings(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
/* bool */
int conf_parse_bool(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
/* uint16_t, uint32_t, uint64_t; ConfRange. Suffixes K, M and G count in 1024. */
int conf_parse_u16(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
int conf_parse_u32(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
int conf_parse_u64(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
/* usec_t; ConfRange */
int conf_parse_usec(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);
/* int; ConfEnum, never NULL */
int conf_parse_enum(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key);

typedef struct ConfRange {
        uint64_t min, max;
} ConfRange;

typedef struct ConfEnum {
        const char *const *names;       /* may have NULLs in it */
        size_t n;
} ConfEnum;

/* A growing list of owned strings. */
typedef struct ConfStrings {
        char **items;           /* not NULL-terminated */
        size_t n;
} ConfStrings;

int conf_strings_add(ConfStrings *strings, const char *item);
void conf_strings_done(ConfStrings *strings);
