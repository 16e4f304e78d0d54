/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values. Every parser says in its complaint what it would have taken. An empty value reaches a parser only
 * when nothing of its key counts before it: lists are emptied, since they may have begun with a default; for
 * all else the default stands already.
 */

#include "basic/conf-internal.h"
#include "basic/string.h"
#include "basic/time.h"

#define BLANK " \t\r\f\v"

int conf_strings_add(ConfStrings *strings, const char *item) {
        _cleanup_free_ char *copy = NULL;
        int r;

        assert(strings);
        assert(item);

        r = conf_array_reserve(&strings->items, strings->n, sizeof(*strings->items));
        if (r < 0)
                return r;

        copy = strdup(item);
        if (!copy)
                return -ENOMEM;

        strings->items[strings->n++] = TAKE_PTR(copy);
        return 0;
}

void conf_strings_done(ConfStrings *strings) {
        for (size_t i = 0; i < strings->n; i++)
                free(strings->items[i]);

        free(strings->items);
        *strings = (ConfStrings) {};
}

int conf_parse_string(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        char **string = field, *copy = NULL;

        if (a->value[0] != '\0') {
                copy = strdup(a->value);
                if (!copy)
                        return -ENOMEM;
        }

        free(*string);
        *string = copy;
        return 0;
}

/* Cuts the next word off the text. Returns: 1; 0: there is none; -EINVAL: a quote is not closed, or ends
 * within a word; -ENOMEM. */
static int next_word(const char **text, char **ret) {
        const char *p = *text + strspn(*text, BLANK), *stop;
        char *word;

        if (*p == '\0')
                return 0;

        if (*p == '"' || *p == '\'') {
                stop = strchr(p + 1, *p);
                if (!stop || (stop[1] != '\0' && !strchr(BLANK, stop[1])))
                        return -EINVAL;

                word = strndup(p + 1, (size_t) (stop - p - 1));
                stop++;
        } else {
                stop = p + strcspn(p, BLANK);
                word = strndup(p, (size_t) (stop - p));
        }
        if (!word)
                return -ENOMEM;

        *text = stop;
        *ret = word;
        return 1;
}

int conf_parse_strings(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        _cleanup_(conf_strings_done) ConfStrings words = {};
        ConfStrings *strings = field;
        const char *text = a->value;
        int r;

        if (text[0] == '\0') {
                conf_strings_done(strings);
                return 0;
        }

        for (;;) {
                _cleanup_free_ char *word = NULL;

                r = next_word(&text, &word);
                if (r == -EINVAL)
                        return conf_complain(
                                file, CONF_ERROR, a->value_place,
                                "%s=: a quote is not closed, or something follows it without a blank",
                                a->key);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;

                r = conf_strings_add(&words, word);
                if (r < 0)
                        return r;
        }

        /* All words or none. */
        for (size_t i = 0; i < words.n; i++) {
                r = conf_strings_add(strings, words.items[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

int conf_parse_bool(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        int r;

        if (a->value[0] == '\0')
                return 0;

        r = parse_bool(a->value);
        if (r < 0)
                return conf_complain(file, CONF_ERROR, a->value_place, "%s=%s is neither \"yes\" nor \"no\"",
                                     a->key, a->value);

        *(bool *) field = r > 0;
        return 0;
}

/* A number with an optional suffix. */
static int parse_size(const char *text, uint64_t *ret) {
        static const char suffixes[] = "KMG";
        _cleanup_free_ char *digits = NULL;
        const char *suffix;
        uint64_t value, factor = 1;
        size_t size = strlen(text);
        int r;

        suffix = size > 1 ? strchr(suffixes, text[size - 1]) : NULL;
        if (suffix && *suffix != '\0') {
                factor = UINT64_C(1024) << 10 * (suffix - suffixes);
                size--;
        }

        digits = strndup(text, size);
        if (!digits)
                return -ENOMEM;

        r = parse_u64(digits, UINT64_MAX, &value);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(value, factor, &value))
                return -ERANGE;

        *ret = value;
        return 0;
}

/* Returns: 1: *ret is set; 0: empty value; negative after a complaint. */
static int parse_number(ConfFile *file, const ConfAssignment *a, const ConfKey *key, uint64_t type_max,
                        uint64_t *ret) {
        ConfRange range = key->data ? *(const ConfRange *) key->data : (ConfRange) { .max = UINT64_MAX };
        uint64_t value = 0;
        int r;

        if (a->value[0] == '\0')
                return 0;

        range.max = MIN(range.max, type_max);

        r = parse_size(a->value, &value);
        if (r == -ENOMEM)
                return r;
        if (r == -EINVAL)
                return conf_complain(file, CONF_ERROR, a->value_place, "%s=%s is not a number", a->key,
                                     a->value);
        if (r < 0 || value < range.min || value > range.max)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "%s=%s is not within %" PRIu64 " and %" PRIu64, a->key, a->value,
                                     range.min, range.max);

        *ret = value;
        return 1;
}

int conf_parse_u16(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value = 0;
        int r;

        r = parse_number(file, a, key, UINT16_MAX, &value);
        if (r <= 0)
                return r;

        *(uint16_t *) field = (uint16_t) value;
        return 0;
}

int conf_parse_u32(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value = 0;
        int r;

        r = parse_number(file, a, key, UINT32_MAX, &value);
        if (r <= 0)
                return r;

        *(uint32_t *) field = (uint32_t) value;
        return 0;
}

int conf_parse_u64(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        uint64_t value = 0;
        int r;

        r = parse_number(file, a, key, UINT64_MAX, &value);
        if (r <= 0)
                return r;

        *(uint64_t *) field = value;
        return 0;
}

int conf_parse_usec(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        const ConfRange *range = key->data;
        usec_t usec;

        if (a->value[0] == '\0')
                return 0;

        if (usec_parse(a->value, &usec) < 0)
                return conf_complain(file, CONF_ERROR, a->value_place,
                                     "%s=%s is no time span such as \"2s\" or \"1h 30min\"", a->key,
                                     a->value);
        if (range && (usec < range->min || usec > range->max)) {
                char low[32], high[32];

                return conf_complain(file, CONF_ERROR, a->value_place, "%s=%s is not within %s and %s",
                                     a->key, a->value, usec_format(low, sizeof(low), range->min),
                                     usec_format(high, sizeof(high), range->max));
        }

        *(usec_t *) field = usec;
        return 0;
}

/* "a", "b" or "c", for the complaint. */
static int list_names(const ConfEnum *names, char **ret) {
        _cleanup_free_ char *text = NULL;
        const char *previous = NULL;

        for (size_t i = 0; i <= names->n; i++) {
                char *longer;
                int r;

                if (i < names->n && !names->names[i])
                        continue;

                if (previous) {
                        const char *separator = !text ? "" : i == names->n ? " or " : ", ";

                        r = format_string(&longer, "%s%s\"%s\"", strempty(text), separator, previous);
                        if (r < 0)
                                return r;

                        free(text);
                        text = longer;
                }

                previous = i < names->n ? names->names[i] : NULL;
        }

        *ret = TAKE_PTR(text);
        return 0;
}

int conf_parse_enum(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {
        const ConfEnum *names = key->data;
        _cleanup_free_ char *known = NULL;
        int r;

        assert(names);

        if (a->value[0] == '\0')
                return 0;

        for (size_t i = 0; i < names->n; i++)
                if (names->names[i] && streq(names->names[i], a->value)) {
                        *(int *) field = (int) i;
                        return 0;
                }

        r = list_names(names, &known);
        if (r < 0)
                return r;

        return conf_complain(file, CONF_ERROR, a->value_place, "%s=%s is not known; it is one of %s", a->key,
                             a->value, strempty(known));
}
