/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text: validation of names, comparing, and building strings without fixed buffers. */

#include "basic/macro.h"

#define FLOW_NAME_BYTES_MAX 200         /* names created on this host */
#define FLOW_NAME_WIRE_BYTES_MAX 255    /* names asked for elsewhere */
#define LAYER_NAME_BYTES_MAX 63

/* UTF-8 without control characters and without '/', 1 to FLOW_NAME_BYTES_MAX bytes. */
bool flow_name_is_valid(const char *name);

/* 1 to FLOW_NAME_WIRE_BYTES_MAX bytes: what may be asked for. */
bool flow_name_is_valid_on_wire(const char *name);

/* [A-Za-z0-9._-]{1,63}, no leading dot. */
bool layer_name_is_valid(const char *name);

bool utf8_is_valid(const char *text, size_t size);

/* For sentences with foreign bytes in them, or cut in the middle of a character: what is not UTF-8 becomes '?'. */
void utf8_mend(char *text);

static inline bool startswith(const char *text, const char *prefix) {
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool endswith(const char *text, const char *suffix);

/* Number of single-character edits between two words: for "did you mean". */
size_t edit_distance(const char *a, const char *b);

/* The candidate nearest to word, or NULL where none is near enough to be worth mentioning. */
const char *nearest_word(const char *word, const char *const *candidates, size_t n);

/* As asprintf(), but 0 or -ENOMEM. */
int format_string(char **ret, const char *format, ...) _printf_(2, 3);

/* Copies at most size - 1 bytes and always terminates; returns whether all of it fitted. */
bool copy_string(char *to, size_t size, const char *from);

/* Whole string a decimal (or 0x hexadecimal) number within 0..max. Returns: 0; -EINVAL; -ERANGE. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);
int parse_bool(const char *text);       /* 1, 0, -EINVAL */

/* Lower-case hexadecimal; to must have room for 2 * size + 1. */
char *hex_encode(char *to, const void *data, size_t size);
