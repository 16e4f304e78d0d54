/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of configuration files, changed in place: line by line, in one pass. */

#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/conf-edit.h"

typedef struct Edit {
        const char *section;
        const Setting *settings;
        size_t n;
        bool done[SETTINGS_MAX];        /* of the first setting of each key: its new lines are written */
        bool inside;                    /* the section */
        FILE *out;
} Edit;

/* The first setting of the same key, which stands for all of them. */
static size_t first_of(const Edit *e, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq(e->settings[k].key, e->settings[i].key))
                        return k;

        return i;
}

static void write_key(Edit *e, size_t first) {
        if (e->done[first])
                return;

        e->done[first] = true;
        for (size_t i = first; i < e->n; i++)
                if (streq(e->settings[i].key, e->settings[first].key) && !isempty(e->settings[i].value))
                        (void) fprintf(e->out, "%s=%s\n", e->settings[i].key, e->settings[i].value);
}

static void write_rest(Edit *e) {
        for (size_t i = 0; i < e->n; i++)
                write_key(e, first_of(e, i));
}

/* Whether anything but the removal of keys is left to be written. */
static bool has_rest(const Edit *e) {
        for (size_t i = 0; i < e->n; i++)
                if (!e->done[first_of(e, i)] && !isempty(e->settings[i].value))
                        return true;

        return false;
}

/* The setting whose key a line assigns; n: none. */
static size_t setting_of(const Edit *e, const char *line, size_t length) {
        size_t key;

        while (length > 0 && (*line == ' ' || *line == '\t')) {
                line++;
                length--;
        }
        for (key = 0; key < length && !strchr("= \t", line[key]); key++)
                ;

        for (size_t i = 0; i < e->n; i++)
                if (strlen(e->settings[i].key) == key && memcmp(e->settings[i].key, line, key) == 0 && memchr(line + key, '=', length - key))
                        return i;

        return e->n;
}

static bool is_comment(const char *line, size_t length) {
        size_t blank = 0;

        while (blank < length && (line[blank] == ' ' || line[blank] == '\t'))
                blank++;

        return blank < length && (line[blank] == '#' || line[blank] == ';');
}

/* "[Server]", with blanks around it. Returns whether it is a header; *ret_ours: of our section. */
static bool is_header(const Edit *e, const char *line, size_t length, bool *ret_ours) {
        while (length > 0 && (*line == ' ' || *line == '\t')) {
                line++;
                length--;
        }
        while (length > 0 && strchr(" \t\r", line[length - 1]))
                length--;
        if (length < 2 || line[0] != '[' || line[length - 1] != ']')
                return false;

        *ret_ours = strlen(e->section) == length - 2 && memcmp(line + 1, e->section, length - 2) == 0;
        return true;
}

/* Up to the end of what a line assigns: a backslash at its end, where it is no comment, goes on with the next. */
static size_t statement_length(const char *text) {
        size_t length = strcspn(text, "\n");
        bool more = length > 0 && text[length - 1] == '\\' && !is_comment(text, length);

        while (more && text[length] == '\n') {
                const char *next = text + length + 1;
                size_t n = strcspn(next, "\n");

                if (!is_comment(next, n))       /* one in between is passed over */
                        more = n > 0 && next[n - 1] == '\\';
                length += 1 + n;
        }

        return length;
}

/* Blank lines at the end of a section belong to the next: what is new comes before them. */
static void edit_text(Edit *e, const char *text) {
        size_t n_blank = 0;

        while (*text) {
                size_t length = statement_length(text), setting;
                bool ours, header = is_header(e, text, length, &ours);

                if (strspn(text, " \t\r") == length) {
                        n_blank++;
                        text += length + (text[length] == '\n');
                        continue;
                }
                if (header && e->inside)
                        write_rest(e);
                for (; n_blank > 0; n_blank--)
                        (void) fputc('\n', e->out);
                if (header)
                        e->inside = ours;

                setting = e->inside && !header && !is_comment(text, length) ? setting_of(e, text, length) : e->n;
                if (setting < e->n)
                        write_key(e, first_of(e, setting));
                else
                        (void) fprintf(e->out, "%.*s\n", (int) length, text);

                text += length + (text[length] == '\n');
        }
}

int conf_edit(const char *text, const char *section, const Setting *settings, size_t n, char **ret) {
        Edit e = { .section = section, .settings = settings, .n = MIN(n, (size_t) SETTINGS_MAX) };
        char *result = NULL;
        size_t size = 0;

        e.out = open_memstream(&result, &size);
        if (!e.out)
                return -ENOMEM;

        edit_text(&e, text);
        if (!e.inside && has_rest(&e))
                (void) fprintf(e.out, "%s[%s]\n", *text ? "\n" : "", section);
        write_rest(&e);
        if (fclose(e.out) != 0) {
                free(result);
                return -ENOMEM;
        }

        *ret = result;
        return 0;
}
