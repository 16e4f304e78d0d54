/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of configuration files, changed in place: line by line, in one pass. */

#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/conf-edit.h"

#define BLANK " \t\r\f\v"

typedef struct Edit {
        const char *section;
        const Setting *settings;
        size_t n;
        bool done[SETTINGS_MAX];        /* of the first setting of each key: its new lines are written */
        bool inside;                    /* the section */
        size_t n_blank;                 /* lines that are not written yet */
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

static bool is_comment(const char *line, size_t length) {
        size_t blank = 0;

        while (blank < length && strchr(BLANK, line[blank]))
                blank++;

        return blank < length && (line[blank] == '#' || line[blank] == ';');
}

/* What a line says up to its end, or to the "\r" before that. */
static size_t line_length(const char *line, size_t *ret_said) {
        size_t length = strcspn(line, "\n");

        *ret_said = length > 0 && line[length - 1] == '\r' ? length - 1 : length;
        return length;
}

/* The line behind the first *length bytes, which grow by it. Returns whether there is one. */
static bool next_line(const char *text, size_t *length, const char **ret, size_t *ret_said) {
        if (text[*length] == '\0' || text[*length + 1] == '\0')
                return false;

        *ret = text + *length + 1;
        *length += 1 + line_length(*ret, ret_said);
        return true;
}

/* One statement: a line and those that continue it, with comments in between. *ret_length: all of it but the last line
 * break; *ret: what it says in one line; of a comment: ""; *ret_open: the file ends where it would go on. Returns: 0;
 * -ENOMEM. */
static int next_statement(const char *text, size_t *ret_length, char **ret, bool *ret_open) {
        size_t said, length = line_length(text, &said), n = 0;
        char *joined = malloc(strlen(text) + 1);
        const char *line = text;
        bool have = true;

        if (!joined)
                return -ENOMEM;

        if (is_comment(text, said))
                said = 0;
        while (have) {
                memcpy(joined + n, line, said);
                n += said;
                *ret_open = said > 0 && joined[n - 1] == '\\';
                if (!*ret_open)
                        break;

                joined[n - 1] = ' ';
                do              /* a comment in between is passed over */
                        have = next_line(text, &length, &line, &said);
                while (have && is_comment(line, said));
        }

        joined[n] = '\0';
        *ret_length = length;
        *ret = joined;
        return 0;
}

/* "[Server]", with blanks around it. Returns whether it is a header; *ret_ours: of our section. */
static bool is_header(const Edit *e, const char *said, bool *ret_ours) {
        size_t length;

        said += strspn(said, BLANK);
        length = strlen(said);
        while (length > 0 && strchr(BLANK, said[length - 1]))
                length--;
        if (length < 2 || said[0] != '[' || said[length - 1] != ']')
                return false;

        *ret_ours = strlen(e->section) == length - 2 && memcmp(said + 1, e->section, length - 2) == 0;
        return true;
}

/* The setting whose key is assigned; n: none. */
static size_t setting_of(const Edit *e, const char *said) {
        size_t key;

        said += strspn(said, BLANK);
        key = strcspn(said, BLANK "=");

        for (size_t i = 0; i < e->n; i++)
                if (strlen(e->settings[i].key) == key && memcmp(e->settings[i].key, said, key) == 0 &&
                    said[key + strspn(said + key, BLANK)] == '=')
                        return i;

        return e->n;
}

/* What would go on beyond the end of the file must not go on with what is new. */
static void edit_statement(Edit *e, const char *text, size_t length, const char *said, bool open) {
        bool ours = false, header = is_header(e, said, &ours);
        size_t setting;

        if (header && e->inside)
                write_rest(e);
        for (; e->n_blank > 0; e->n_blank--)
                (void) fputc('\n', e->out);
        if (header)
                e->inside = ours;

        setting = e->inside && !header ? setting_of(e, said) : e->n;
        if (setting < e->n)
                write_key(e, first_of(e, setting));
        else
                (void) fprintf(e->out, "%.*s\n", open ? (int) strlen(said) : (int) length, open ? said : text);
}

/* Blank lines at the end of a section belong to the next: what is new comes before them. */
static int edit_text(Edit *e, const char *text) {
        while (*text) {
                _cleanup_free_ char *said = NULL;
                bool open = false;
                size_t length;
                int r;

                r = next_statement(text, &length, &said, &open);
                if (r < 0)
                        return r;

                if (strspn(text, BLANK) == length || (open && said[strspn(said, BLANK)] == '\0'))
                        e->n_blank++;
                else
                        edit_statement(e, text, length, said, open);
                text += length + (text[length] == '\n');
        }

        return 0;
}

int conf_edit(const char *text, const char *section, const Setting *settings, size_t n, char **ret) {
        Edit e = { .section = section, .settings = settings, .n = MIN(n, (size_t) SETTINGS_MAX) };
        char *result = NULL;
        size_t size = 0;
        int r;

        e.out = open_memstream(&result, &size);
        if (!e.out)
                return -ENOMEM;

        r = edit_text(&e, text);
        if (!e.inside && has_rest(&e))
                (void) fprintf(e.out, "%s[%s]\n", *text ? "\n" : "", section);
        write_rest(&e);
        if (fclose(e.out) != 0 || r < 0) {
                free(result);
                return -ENOMEM;
        }

        *ret = result;
        return 0;
}
