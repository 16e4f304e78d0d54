/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See pkcs11-url.h. What is not in the table below is refused; p11-kit never sees it. */

#include "services/common/pkcs11-url.h"

#define VALUE_BYTES_MAX 255U
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz-"
#define VALUE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]@!$'()*+,=&"
#define PROBLEM_FORM "behind \"pkcs11:\" come the attributes of a key, such as \"token=...;object=...\""

enum {
        TOKEN,
        OBJECT,
        ID,
        TYPE,
};

/* The order of the first four is that of the enum. */
static const char *const attributes[] = {
        [TOKEN] = "token",
        [OBJECT] = "object",
        [ID] = "id",
        [TYPE] = "type",
        "library-description",
        "library-manufacturer",
        "library-version",
        "manufacturer",
        "model",
        "serial",
        "slot-description",
        "slot-id",
        "slot-manufacturer",
};

static int refuse(const char **ret_problem, const char *problem) {
        *ret_problem = problem;
        return -EINVAL;
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

/* Returns: bytes of the value; -EINVAL. */
static ssize_t decode(const char *text, size_t size, char ret[VALUE_BYTES_MAX + 1]) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                int high, low;

                if (n == VALUE_BYTES_MAX)
                        return -EINVAL;
                if (text[i] != '%') {
                        if (!strchr(VALUE_CHARACTERS, text[i]))
                                return -EINVAL;
                        ret[n++] = text[i];
                        continue;
                }

                if (size - i < 3)
                        return -EINVAL;
                high = hex_value(text[i + 1]);
                low = hex_value(text[i + 2]);
                if (high < 0 || low < 0)
                        return -EINVAL;
                ret[n++] = (char) (high << 4 | low);
                i += 2;
        }

        ret[n] = '\0';
        return n > 0 ? (ssize_t) n : -EINVAL;
}

/* Returns: its place in the table; -EINVAL. */
static int find_attribute(const char *name, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(attributes); i++)
                if (strlen(attributes[i]) == size && memcmp(attributes[i], name, size) == 0)
                        return (int) i;

        return -EINVAL;
}

static bool is_label(const char *value, size_t size) {
        for (size_t i = 0; i < size; i++)
                if ((uint8_t) value[i] < 0x20 || value[i] == 0x7f)
                        return false;

        return size <= PKCS11_LABEL_BYTES_MAX && utf8_is_valid(value, size);
}

/* One "name=value" of size bytes. */
static int take_attribute(const char *text, size_t size, unsigned *seen, Pkcs11Url *url, const char **ret_problem) {
        size_t name_size = strspn(text, NAME_CHARACTERS);
        char value[VALUE_BYTES_MAX + 1];
        ssize_t n;
        int which;

        if (name_size >= size || text[name_size] != '=')
                return refuse(ret_problem, PROBLEM_FORM);

        which = find_attribute(text, name_size);
        if (which < 0)
                return refuse(ret_problem, "of the attributes of a key on a token only those by which it is found are "
                                           "accepted, and no module or PIN");
        if (*seen & 1U << which)
                return refuse(ret_problem, "an attribute of the key on a token is there twice");
        *seen |= 1U << which;

        n = decode(text + name_size + 1, size - name_size - 1, value);
        if (n < 0)
                return refuse(ret_problem, "the value of an attribute of the key on a token is empty, too long, or has "
                                           "characters that are to be written as %XX");
        if (which == TYPE && !streq(value, "private"))
                return refuse(ret_problem, "the type of a private key on a token is \"private\"");
        if (which != TOKEN)
                return 0;

        if (!is_label(value, (size_t) n))
                return refuse(ret_problem, "the label of a token is text of at most 64 bytes");
        memcpy(url->token, value, (size_t) n + 1);
        return 0;
}

int pkcs11_url_parse(const char *url, Pkcs11Url *ret, const char **ret_problem) {
        Pkcs11Url parsed = {};
        unsigned seen = 0;
        const char *p;
        int r;

        assert(url);
        assert(ret);
        assert(ret_problem);

        if (!startswith(url, PKCS11_URL_PREFIX))
                return refuse(ret_problem, PROBLEM_FORM);

        p = url + STRLEN(PKCS11_URL_PREFIX);
        if (strchr(p, '?'))
                return refuse(ret_problem,
                              "behind a \"?\" in the name of a key on a token come modules and PINs, which "
                              "are not accepted there: PINs are credentials of o7s-keyd.service, "
                              "\"pkcs11-pin\"");

        for (;;) {
                size_t size = strcspn(p, ";");

                r = take_attribute(p, size, &seen, &parsed, ret_problem);
                if (r < 0)
                        return r;
                if (p[size] == '\0')
                        break;
                p += size + 1;
        }

        if (!(seen & 1U << TOKEN) || !(seen & (1U << OBJECT | 1U << ID)))
                return refuse(ret_problem, "the name of a key on a token has \"token=\", and \"object=\" or \"id=\"");

        *ret = parsed;
        return 0;
}
