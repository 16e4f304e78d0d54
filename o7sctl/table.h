/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A table from one definition of columns: aligned and coloured for people (libsmartcols), an array of objects
 * for programs (json-c). Cells that were not set show as a dash and are null in JSON. A failed allocation is
 * remembered and comes out of table_print(), so that filling is a straight list of statements.
 */

#include <json-c/json.h>

#include "o7sctl/terminal.h"

typedef enum ColumnFlags {
        COLUMN_RIGHT = 1,       /* numbers */
        COLUMN_SHORTEN = 2,     /* may be cut off with "..." where the terminal is too narrow */
        COLUMN_JSON_ONLY = 4,
} ColumnFlags;

typedef struct Column {
        const char *title;
        const char *key;        /* in JSON */
        unsigned flags;
} Column;

typedef struct Table Table;

int table_new(const Column *columns, size_t n_columns, Table **ret);
Table *table_free(Table *table);
DEFINE_CLEANUP(Table, table_free);

/* Begins the next row; the setters below fill it. */
void table_row(Table *table);

void table_set_string(Table *table, size_t column, const char *text);
void table_set_u64(Table *table, size_t column, uint64_t value);
void table_set_id(Table *table, size_t column, uint64_t value);         /* a number that JSON shows as a string */
void table_set_bytes(Table *table, size_t column, uint64_t bytes);      /* "2.1 MiB"; a number in JSON */
void table_set_rtt(Table *table, size_t column, int64_t usec);          /* "1.3 ms"; a number in JSON; negative: none */
void table_set_strings(Table *table, size_t column, json_object *array);        /* "a b c"; borrowed */
void table_set_state(Table *table, size_t column, const char *state);   /* with its colour */

/* Text for people and the value for programs; takes value. */
void table_set(Table *table, size_t column, const char *text, json_object *value, Color color);

size_t table_rows(const Table *table);

/* The array of objects, one reference for the caller. */
json_object *table_json(const Table *table);

/* Prints as the options say. Returns: 0; -ENOMEM and other errors of allocation. */
int table_print(const Table *table, const Options *options);

/* "2.1 MiB"; returns buffer. */
char *bytes_format(char *buffer, size_t size, uint64_t bytes);

/* "1.3 ms"; negative: a dash. */
const char *rtt_format(char *buffer, size_t size, int64_t usec);

/* Prints a value as --json= says; to be used only where it is not off. */
void json_print(json_object *value, JsonMode mode);
