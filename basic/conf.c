/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A configuration: the files that make it up, what they assign, and what is wrong with them. This file holds
 * it and its messages. conf-load.c finds the files, conf-text.c reads them, conf-schema.c compares with what
 * is known, conf-parse.c takes values.
 */

#include <stdarg.h>

#include "basic/conf-internal.h"
#include "basic/string.h"

int conf_new(ConfFile **ret) {
        ConfFile *file;

        assert(ret);

        file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;

        *ret = file;
        return 0;
}

ConfFile *conf_free(ConfFile *file) {
        if (!file)
                return NULL;

        for (size_t i = 0; i < file->n_texts; i++)
                free(file->texts[i]);
        for (size_t i = 0; i < file->n_messages; i++)
                free(file->messages[i].text);

        conf_strings_done(&file->names);
        free(file->paths);
        free(file->texts);
        free(file->headers);
        free(file->assignments);
        free(file->messages);
        return mfree(file);
}

const char *conf_intern_path(ConfFile *file, const char *path) {
        for (size_t i = 0; i < file->names.n; i++)
                if (streq(file->names.items[i], path))
                        return file->names.items[i];

        return conf_strings_add(&file->names, path) < 0 ? NULL : file->names.items[file->names.n - 1];
}

/* Makes a message fit for a terminal: short, and without control characters. */
static void message_tame(char *text) {
        size_t size = strlen(text);

        if (size > CONF_MESSAGE_BYTES_MAX) {
                size = CONF_MESSAGE_BYTES_MAX - STRLEN("...");
                while (size > 0 && ((uint8_t) text[size] & 0xc0) == 0x80)
                        size--;         /* not in the middle of a character */
                memcpy(text + size, "...", sizeof("..."));
        }

        for (char *p = text; *p != '\0'; p++) {
                /* C1, which some terminals act on, is C2 80 to C2 9F in UTF-8. */
                bool c1 = (uint8_t) p[0] == 0xc2 && (uint8_t) p[1] >= 0x80 && (uint8_t) p[1] < 0xa0;

                if ((uint8_t) *p < 0x20 || *p == 0x7f || c1)
                        *p = '?';
                if (c1)
                        *++p = '?';
        }
}

static void message_add(ConfFile *file, ConfSeverity severity, ConfPlace place, char *text) {
        file->messages[file->n_messages++] = (ConfMessage) {
                .severity = severity,
                .place = place,
                .text = text,
        };
}

int conf_complain(ConfFile *file, ConfSeverity severity, ConfPlace place, const char *format, ...) {
        int r = severity == CONF_ERROR ? -EBADMSG : 0;
        va_list arguments;
        char *text;
        int n;

        assert(file);

        /* Counted before anything can fail: an error stays one even if there is no memory for its words. */
        if (severity == CONF_ERROR)
                file->n_errors++;

        if (file->n_messages >= CONF_MESSAGES_MAX) {
                file->truncated = true;
                return r;
        }

        place.path = place.path ? conf_intern_path(file, place.path) : NULL;
        if (conf_array_reserve(&file->messages, file->n_messages, sizeof(*file->messages)) < 0)
                return r;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n < 0)
                return r;

        message_tame(text);
        message_add(file, severity, place, text);
        return r;
}

const char *const *conf_paths(const ConfFile *file, size_t *ret_n) {
        assert(file);

        *ret_n = file->n_paths;
        return file->paths;
}

const ConfAssignment *conf_assignments(const ConfFile *file, size_t *ret_n) {
        assert(file);

        *ret_n = file->n_assignments;
        return file->assignments;
}

const ConfMessage *conf_messages(const ConfFile *file, size_t *ret_n) {
        assert(file);

        *ret_n = file->n_messages;
        return file->messages;
}

void conf_print_messages(const ConfFile *file, FILE *stream) {
        assert(file);

        for (size_t i = 0; i < file->n_messages; i++) {
                const ConfMessage *m = file->messages + i;
                const char *severity = m->severity == CONF_ERROR ? "error" : "warning";

                if (m->place.line > 0)
                        fprintf(stream, "%s:%u:%u: %s: %s\n", strempty(m->place.path), m->place.line,
                                m->place.column, severity, m->text);
                else
                        fprintf(stream, "%s%s%s: %s\n", strempty(m->place.path), m->place.path ? ": " : "",
                                severity, m->text);
        }

        if (file->truncated)
                fprintf(stream, "More than %u messages; the others are left out\n", CONF_MESSAGES_MAX);
}
