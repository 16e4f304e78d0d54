/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From text to assignments. The text is copied once; words are cut out of the copy in place, since a line
 * without its continuations is never longer than with them. What is wrong with a line becomes a message with
 * its place, and the line is left out: one run shows all mistakes. The lines below a broken header are
 * skipped without a word, because nobody can say which section they were meant for.
 */

#include "basic/conf-internal.h"
#include "basic/string.h"

#define BLANK " \t\r\f\v"
#define KEY_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

typedef struct Parser {
        ConfFile *file;
        const char *path;
        char *p, *end;          /* what is still to be read */
        unsigned line;          /* of p, from 1 */
        const char *section;    /* NULL: below a broken header */
        unsigned instance;
} Parser;

/* One line, its continuations joined, terminated by a NUL in the buffer. */
typedef struct Line {
        char *text;
        size_t size;
        size_t first_size;      /* bytes of text that stem from the first physical line */
        unsigned number;        /* of that line */
} Line;

/* Where a byte of a line is. What stands behind a continuation is said to be at the end of the first line.
 */
static ConfPlace line_place(const Parser *parser, const Line *line, const char *at) {
        return (ConfPlace) {
                .path = parser->path,
                .line = line->number,
                .column = (unsigned) MIN((size_t) (at - line->text), line->first_size) + 1,
        };
}

static bool is_comment(const char *p, const char *end) {
        while (p < end && strchr(BLANK, *p) && *p != '\0')
                p++;

        return p < end && (*p == '#' || *p == ';');
}

/* Cuts the next line out of the buffer and joins its continuations: backslash and line break become one
 * blank; comments in between are dropped. A comment itself is never continued. Returns whether there was a
 * line. */
static bool next_line(Parser *parser, Line *ret) {
        char *write = parser->p;
        bool continued = false;

        if (parser->p >= parser->end)
                return false;

        *ret = (Line) { .text = parser->p, .number = parser->line };

        while (parser->p < parser->end) {
                char *start = parser->p, *stop = memchr(start, '\n', (size_t) (parser->end - start));
                bool comment;
                size_t size;

                if (!stop)
                        stop = parser->end;
                parser->p = stop < parser->end ? stop + 1 : stop;
                parser->line++;

                comment = is_comment(start, stop);
                if (continued && comment)
                        continue;

                size = (size_t) (stop - start);
                if (size > 0 && start[size - 1] == '\r')
                        size--;

                memmove(write, start, size);
                write += size;
                if (!continued)
                        ret->first_size = size;
                if (comment || size == 0 || write[-1] != '\\')
                        break;

                write[-1] = ' ';
                continued = true;
        }

        *write = '\0';
        ret->size = (size_t) (write - ret->text);
        return true;
}

/* Complains about bytes that no configuration has any business to contain. */
static bool line_is_clean(Parser *parser, const Line *line) {
        if (line->size > CONF_LINE_BYTES_MAX) {
                (void) conf_complain(parser->file, CONF_ERROR, line_place(parser, line, line->text),
                                     "Line is longer than %u bytes", CONF_LINE_BYTES_MAX);
                return false;
        }

        for (size_t i = 0; i < line->size; i++) {
                uint8_t byte = (uint8_t) line->text[i];

                if ((byte < 0x20 && !strchr("\t\r\f\v", byte)) || byte == 0 || byte == 0x7f) {
                        (void) conf_complain(parser->file, CONF_ERROR,
                                             line_place(parser, line, line->text + i),
                                             "Control character 0x%02x", byte);
                        return false;
                }
        }

        if (!utf8_is_valid(line->text, line->size)) {
                (void) conf_complain(parser->file, CONF_ERROR, line_place(parser, line, line->text),
                                     "Line is not valid UTF-8");
                return false;
        }

        return true;
}

static char *trim_end(char *text) {
        size_t size = strlen(text);

        while (size > 0 && strchr(BLANK, text[size - 1]))
                size--;

        text[size] = '\0';
        return text;
}

static int parse_header(Parser *parser, const Line *line, char *text) {
        ConfPlace place = line_place(parser, line, text);
        char *close;
        int r;

        parser->section = NULL;

        close = strchr(trim_end(text), ']');
        if (!close || close == text + 1 || close[1] != '\0' || strchr(text + 1, '[')) {
                (void) conf_complain(
                        parser->file, CONF_ERROR, place,
                        "\"%s\" is no section header, which is [Name]; the lines below it are skipped",
                        text);
                return 0;
        }

        if (parser->file->n_headers >= CONF_SECTIONS_MAX)
                return -E2BIG;

        r = conf_array_reserve(&parser->file->headers, parser->file->n_headers,
                               sizeof(*parser->file->headers));
        if (r < 0)
                return r;

        *close = '\0';
        parser->section = text + 1;
        parser->instance = 0;
        for (size_t i = 0; i < parser->file->n_headers; i++)
                if (streq(parser->file->headers[i].section, parser->section))
                        parser->instance++;

        parser->file->headers[parser->file->n_headers++] = (ConfHeader) {
                .section = parser->section,
                .place = place,
        };
        return 0;
}

static int parse_assignment(Parser *parser, const Line *line, char *text) {
        ConfPlace key_place = line_place(parser, line, text);
        char *equals, *value;
        int r;

        equals = strchr(text, '=');
        if (!equals) {
                (void) conf_complain(parser->file, CONF_ERROR, key_place,
                                     "\"%s\" is no assignment, which is Key=value", text);
                return 0;
        }

        *equals = '\0';
        value = equals + 1 + strspn(equals + 1, BLANK);
        (void) trim_end(text);
        (void) trim_end(value);

        if (text[0] == '\0' || text[strspn(text, KEY_BYTES)] != '\0') {
                (void) conf_complain(parser->file, CONF_ERROR, key_place,
                                     "\"%s\" is no key: keys are letters, digits, \"-\" and \"_\"", text);
                return 0;
        }

        if (parser->file->n_assignments >= CONF_ASSIGNMENTS_MAX)
                return -E2BIG;

        r = conf_array_reserve(&parser->file->assignments, parser->file->n_assignments,
                               sizeof(*parser->file->assignments));
        if (r < 0)
                return r;

        parser->file->assignments[parser->file->n_assignments++] = (ConfAssignment) {
                .section = parser->section,
                .instance = parser->instance,
                .key = text,
                .value = value,
                .key_place = key_place,
                .value_place = line_place(parser, line, value),
        };
        return 0;
}

static int parse_line(Parser *parser, const Line *line) {
        char *text = line->text + strspn(line->text, BLANK);

        if (is_comment(line->text, line->text + line->size))
                return 0;
        if (!line_is_clean(parser, line) || *text == '\0')
                return 0;
        if (*text == '[')
                return parse_header(parser, line, text);
        if (!parser->section)
                return 0;

        return parse_assignment(parser, line, text);
}

/* Takes over a path that is about to be read. */
static int add_path(ConfFile *file, const char *path, const char **ret) {
        int r;

        if (file->n_paths >= CONF_FILES_MAX)
                return -E2BIG;

        *ret = conf_intern_path(file, path);
        if (!*ret)
                return -ENOMEM;

        r = conf_array_reserve(&file->paths, file->n_paths, sizeof(*file->paths));
        if (r < 0)
                return r;

        file->paths[file->n_paths++] = *ret;
        return 0;
}

int conf_add_text(ConfFile *file, const char *path, const char *text, size_t size) {
        Parser parser = { .file = file, .line = 1, .section = "" };
        Line line;
        char *copy;
        int r;

        assert(file);
        assert(path);
        assert(text || size == 0);

        if (size > CONF_FILE_BYTES_MAX)
                return -E2BIG;

        r = add_path(file, path, &parser.path);
        if (r < 0)
                return r;

        r = conf_array_reserve(&file->texts, file->n_texts, sizeof(*file->texts));
        if (r < 0)
                return r;

        copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        if (size > 0)
                memcpy(copy, text, size);
        copy[size] = '\0';
        file->texts[file->n_texts++] = copy;

        parser.p = copy;
        parser.end = copy + size;
        if (startswith(copy, "\xef\xbb\xbf"))
                parser.p += 3;          /* some editors' mark of UTF-8 */

        while (next_line(&parser, &line)) {
                r = parse_line(&parser, &line);
                if (r < 0)
                        return r;
        }

        return 0;
}
