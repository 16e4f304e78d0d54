/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables for people and programs. */

#include <libsmartcols.h>
#include <stdio.h>

#include "basic/string.h"
#include "basic/time.h"
#include "o7sctl/table.h"

struct Table {
        const Column *columns;          /* not owned */
        size_t n_columns;
        struct libscols_table *cells;
        struct libscols_line *line;     /* being filled; owned by cells */
        json_object *rows;
        json_object *row;               /* being filled; owned by rows */
        size_t n_rows;
        int error;
};

/* In libsmartcols a hidden column still takes its cell, so numbers of columns stay the same. */
static int add_column(Table *t, const Column *column) {
        int flags = 0;

        if (column->flags & COLUMN_RIGHT)
                flags |= SCOLS_FL_RIGHT;
        if (column->flags & COLUMN_SHORTEN)
                flags |= SCOLS_FL_TRUNC;
        if (column->flags & COLUMN_JSON_ONLY)
                flags |= SCOLS_FL_HIDDEN;

        return scols_table_new_column(t->cells, column->title, 0, flags) ? 0 : -ENOMEM;
}

int table_new(const Column *columns, size_t n_columns, Table **ret) {
        _cleanup_(table_freep) Table *t = NULL;
        int r;

        assert(columns);
        assert(ret);

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;

        *t = (Table) { .columns = columns, .n_columns = n_columns };

        t->cells = scols_new_table();
        t->rows = json_object_new_array();
        if (!t->cells || !t->rows)
                return -ENOMEM;

        for (size_t i = 0; i < n_columns; i++) {
                r = add_column(t, &columns[i]);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(t);
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;

        scols_unref_table(t->cells);
        json_object_put(t->rows);
        return mfree(t);
}

void table_row(Table *t) {
        json_object *row = json_object_new_object();

        t->line = scols_table_new_line(t->cells, NULL);
        t->row = NULL;
        if (!t->line || !row || json_object_array_add(t->rows, row) < 0) {
                json_object_put(row);
                t->error = -ENOMEM;
                return;
        }

        t->row = row;
        t->n_rows++;

        for (size_t i = 0; i < t->n_columns; i++)
                table_set(t, i, NULL, NULL, COLOR_NORMAL);
}

void table_set(Table *t, size_t column, const char *text, json_object *value, Color color) {
        struct libscols_cell *cell;

        if (!t->row || column >= t->n_columns ||
            json_object_object_add(t->row, t->columns[column].key, value) < 0) {
                json_object_put(value);
                t->error = t->error ?: -ENOMEM;
                return;
        }

        if (scols_line_set_data(t->line, column, isempty(text) ? terminal_glyph(GLYPH_DASH) : text) < 0) {
                t->error = -ENOMEM;
                return;
        }

        cell = scols_line_get_cell(t->line, column);
        if (cell && terminal_color_name(color))
                (void) scols_cell_set_color(cell, terminal_color_name(color));
}

void table_set_string(Table *t, size_t column, const char *text) {
        table_set(t, column, text, json_object_new_string(strempty(text)), COLOR_NORMAL);
}

void table_set_u64(Table *t, size_t column, uint64_t value) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        table_set(t, column, text, json_object_new_uint64(value), COLOR_NORMAL);
}

void table_set_id(Table *t, size_t column, uint64_t value) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        table_set(t, column, text, json_object_new_string(text), COLOR_NORMAL);
}

char *bytes_format(char *buffer, size_t size, uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double) bytes;
        size_t i = 0;

        while (value >= 1023.5 && i + 1 < ELEMENTSOF(units)) {
                value /= 1024;
                i++;
        }

        (void) snprintf(buffer, size, "%.*f %s", i > 0 && value < 99.95 ? 1 : 0, value, units[i]);
        return buffer;
}

const char *rtt_format(char *buffer, size_t size, int64_t usec) {
        if (usec < 0)
                return terminal_glyph(GLYPH_DASH);

        if (usec < (int64_t) USEC_PER_MSEC)
                (void) snprintf(buffer, size, "%" PRIi64 " us", usec);
        else if (usec < 10 * (int64_t) USEC_PER_MSEC)
                (void) snprintf(buffer, size, "%.1f ms", (double) usec / (double) USEC_PER_MSEC);
        else
                (void) snprintf(buffer, size, "%" PRIi64 " ms", usec / (int64_t) USEC_PER_MSEC);
        return buffer;
}

void table_set_rtt(Table *t, size_t column, int64_t usec) {
        char text[32];

        table_set(t, column, usec < 0 ? NULL : rtt_format(text, sizeof(text), usec),
                  usec < 0 ? NULL : json_object_new_int64(usec), COLOR_NORMAL);
}

void table_set_bytes(Table *t, size_t column, uint64_t bytes) {
        char text[32];

        table_set(t, column, bytes_format(text, sizeof(text), bytes), json_object_new_uint64(bytes),
                  COLOR_NORMAL);
}

void table_set_strings(Table *t, size_t column, json_object *array) {
        size_t n = json_object_get_type(array) == json_type_array ? json_object_array_length(array) : 0;
        _cleanup_free_ char *joined = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *before = joined;

                joined = NULL;
                if (format_string(&joined, "%s%s%s", strempty(before), before ? " " : "",
                                  json_object_get_string(json_object_array_get_idx(array, i))) < 0) {
                        t->error = -ENOMEM;
                        return;
                }
        }

        table_set(t, column, joined, json_object_get(array), COLOR_NORMAL);
}

void table_set_state(Table *t, size_t column, const char *state) {
        table_set(t, column, state, json_object_new_string(state), state_color(state));
}

size_t table_rows(const Table *t) {
        return t->n_rows;
}

json_object *table_json(const Table *t) {
        return json_object_get(t->rows);
}

void json_print(json_object *value, JsonMode mode) {
        int flags = mode == JSON_PRETTY ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                                        : JSON_C_TO_STRING_PLAIN;

        (void) printf("%s\n", json_object_to_json_string_ext(value, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
        (void) fflush(stdout);
}

int table_print(const Table *t, const Options *options) {
        int r;

        if (t->error < 0)
                return t->error;

        if (options->json != JSON_OFF) {
                json_print(t->rows, options->json);
                return 0;
        }

        if (t->n_rows == 0)
                return 0;

        (void) scols_table_enable_noheadings(t->cells, !options->legend);
        (void) scols_table_enable_colors(t->cells, terminal_color());
        (void) scols_table_enable_maxout(t->cells, false);
        if (options->full || !isatty(STDOUT_FILENO))
                (void) scols_table_set_termforce(t->cells, SCOLS_TERMFORCE_NEVER);

        r = scols_print_table(t->cells);
        return r < 0 ? r : 0;
}
