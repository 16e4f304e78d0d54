/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text. Names are checked where they enter the system, by these functions alone, so that every other file
 * may print, compare and put them into paths without a second thought.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "basic/string.h"

#define WORD_BYTES_MAX 63U      /* longer words are not compared: nobody mistypes them by a letter */

/* The length of the UTF-8 sequence at p, or 0: overlong forms, surrogates and above U+10FFFF are none. */
static size_t utf8_sequence(const uint8_t *p, size_t left, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t code;
        size_t n;

        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }

        if ((p[0] & 0xe0) == 0xc0)
                n = 2;
        else if ((p[0] & 0xf0) == 0xe0)
                n = 3;
        else if ((p[0] & 0xf8) == 0xf0)
                n = 4;
        else
                return 0;
        if (n > left)
                return 0;

        code = p[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3fU);
        }

        if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;

        *ret = code;
        return n;
}

bool utf8_is_valid(const char *text, size_t size) {
        const uint8_t *p = (const uint8_t *) text;
        uint32_t code;
        size_t n;

        for (; size > 0; p += n, size -= n) {
                n = utf8_sequence(p, size, &code);
                if (n == 0)
                        return false;
        }

        return true;
}

void utf8_mend(char *text) {
        size_t left = strlen(text), n;
        uint32_t code;

        for (; left > 0; text += n, left -= n) {
                n = utf8_sequence((const uint8_t *) text, left, &code);
                if (n == 0) {
                        *text = '?';
                        n = 1;
                }
        }
}

bool flow_name_is_valid(const char *name) {
        const uint8_t *p = (const uint8_t *) name;
        size_t left, n;

        if (!name)
                return false;

        left = strlen(name);
        if (left == 0 || left > FLOW_NAME_BYTES_MAX)
                return false;

        for (; left > 0; p += n, left -= n) {
                uint32_t code;

                n = utf8_sequence(p, left, &code);
                if (n == 0)
                        return false;
                /* C0, DEL and C1: a terminal acts on all of them. */
                if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == '/')
                        return false;
        }

        return true;
}

bool flow_name_is_valid_on_wire(const char *name) {
        return !isempty(name) && strnlen(name, FLOW_NAME_WIRE_BYTES_MAX + 1) <= FLOW_NAME_WIRE_BYTES_MAX;
}

bool layer_name_is_valid(const char *name) {
        size_t size;

        if (isempty(name) || name[0] == '.')
                return false;

        size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
        return name[size] == '\0' && size <= LAYER_NAME_BYTES_MAX;
}

bool endswith(const char *text, const char *suffix) {
        size_t text_size = strlen(text), suffix_size = strlen(suffix);

        return text_size >= suffix_size && streq(text + text_size - suffix_size, suffix);
}

static bool same_letter(char a, char b, bool ignore_case) {
        return ignore_case ? tolower((unsigned char) a) == tolower((unsigned char) b) : a == b;
}

static size_t distance(const char *a, const char *b, bool ignore_case) {
        size_t a_size = strlen(a), b_size = strlen(b);
        uint8_t row[WORD_BYTES_MAX + 1];

        if (a_size > WORD_BYTES_MAX || b_size > WORD_BYTES_MAX)
                return streq(a, b) ? 0 : MAX(a_size, b_size);

        for (size_t j = 0; j <= b_size; j++)
                row[j] = (uint8_t) j;

        /* One row of the usual table: row[j] is the distance of a's first i bytes from b's first j. */
        for (size_t i = 1; i <= a_size; i++) {
                uint8_t diagonal = row[0];

                row[0] = (uint8_t) i;
                for (size_t j = 1; j <= b_size; j++) {
                        uint8_t above = row[j], kept = diagonal;

                        if (!same_letter(a[i - 1], b[j - 1], ignore_case))
                                kept = (uint8_t) (MIN(diagonal, MIN(above, row[j - 1])) + 1);
                        row[j] = kept;
                        diagonal = above;
                }
        }

        return row[b_size];
}

size_t edit_distance(const char *a, const char *b) {
        return distance(a, b, false);
}

const char *nearest_word(const char *word, const char *const *candidates, size_t n) {
        const char *best = NULL;
        size_t best_distance, size = strlen(word);

        if (size == 0 || size > WORD_BYTES_MAX)
                return NULL;

        /* A letter, and one more for every four: "Tpye" is Type, "lan" is not "man page". */
        best_distance = 2 + size / 4;

        for (size_t i = 0; i < n; i++) {
                size_t d = distance(word, candidates[i], true);

                if (d < best_distance && d < size && d < strlen(candidates[i])) {
                        best = candidates[i];
                        best_distance = d;
                }
        }

        return best;
}

int format_string(char **ret, const char *format, ...) {
        va_list arguments;
        char *text;
        int n;

        assert(ret);

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n < 0)
                return -ENOMEM;

        *ret = text;
        return 0;
}

bool copy_string(char *to, size_t size, const char *from) {
        size_t n = strnlen(from, size);

        assert(size > 0);

        if (n < size) {
                memcpy(to, from, n + 1);
                return true;
        }

        memcpy(to, from, size - 1);
        to[size - 1] = '\0';
        return false;
}

int parse_u64(const char *text, uint64_t max, uint64_t *ret) {
        const char *digits = "0123456789", *p = text;
        unsigned base = 10;
        uint64_t value = 0;

        assert(text);
        assert(ret);

        if (startswith(text, "0x") || startswith(text, "0X")) {
                digits = "0123456789abcdef";
                base = 16;
                p += 2;
        }

        if (*p == '\0')
                return -EINVAL;
        for (const char *q = p; *q != '\0'; q++)
                if (!strchr(digits, tolower((unsigned char) *q)))
                        return -EINVAL;

        for (; *p != '\0'; p++) {
                uint64_t digit = (uint64_t) (strchr(digits, tolower((unsigned char) *p)) - digits);

                if (__builtin_mul_overflow(value, base, &value) ||
                    __builtin_add_overflow(value, digit, &value))
                        return -ERANGE;
        }

        if (value > max)
                return -ERANGE;

        *ret = value;
        return 0;
}

int parse_bool(const char *text) {
        static const char *const words[][2] = {
                { "no",    "yes"  },
                { "false", "true" },
                { "off",   "on"   },
                { "0",     "1"    },
                { "n",     "y"    },
                { "f",     "t"    },
        };

        if (!text)
                return -EINVAL;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                for (int value = 0; value <= 1; value++)
                        if (strcasecmp(text, words[i][value]) == 0)
                                return value;

        return -EINVAL;
}

char *hex_encode(char *to, const void *data, size_t size) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                to[2 * i] = digits[p[i] >> 4];
                to[2 * i + 1] = digits[p[i] & 0xf];
        }

        to[2 * size] = '\0';
        return to;
}
