/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One line after the other; what is wrong anywhere fails the file, since a line that is passed over might be the one
 * that asks for more. */

#include "services/common/enc-conf.h"

typedef struct Text {
        const char *p;
        size_t n;
} Text;

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static Text trim(Text text) {
        while (text.n > 0 && is_space(text.p[0])) {
                text.p++;
                text.n--;
        }
        while (text.n > 0 && is_space(text.p[text.n - 1]))
                text.n--;

        return text;
}

static bool text_is(Text text, const char *word) {
        return strlen(word) == text.n && memcmp(text.p, word, text.n) == 0;
}

static Text take_line(Text *rest) {
        const char *end = memchr(rest->p, '\n', rest->n);
        Text line = { rest->p, end ? (size_t) (end - rest->p) : rest->n };
        size_t taken = line.n + (end ? 1 : 0);

        rest->p += taken;
        rest->n -= taken;
        return line;
}

static void set_defaults(EncConf *conf) {
        *conf = (EncConf) {
                .key_exchange = OAP_P256,
                .cipher = oap_cipher_by_name("aes-256-gcm"),
                .derivation = oap_digest_by_name("sha256"),
                .digest = oap_digest_by_name("sha256"),
        };
}

static const char *set_algorithm(const OapAlgorithm *algorithm, const OapAlgorithm **field, const char *problem) {
        if (!algorithm)
                return problem;

        *field = algorithm;
        return NULL;
}

/* Returns: NULL; what is wrong. */
static const char *assign(EncConf *conf, Text key, const char *value) {
        if (text_is(key, "kex")) {
                OapKeyExchange kex = oap_key_exchange_from_string(value);

                if ((int) kex < 0)
                        return "no such key exchange";
                conf->key_exchange = kex;
                conf->none = false;
        } else if (text_is(key, "cipher"))
                return set_algorithm(oap_cipher_by_name(value), &conf->cipher, "no such cipher");
        else if (text_is(key, "kdf"))
                return set_algorithm(oap_digest_by_name(value), &conf->derivation, "no such key derivation");
        else if (text_is(key, "digest"))
                return set_algorithm(oap_digest_by_name(value), &conf->digest, "no such digest");
        else if (text_is(key, "kem_mode")) {
                if (!streq(value, "server") && !streq(value, "client"))
                        return "kem_mode is server or client";
                conf->client_encapsulates = streq(value, "client");
        }

        return NULL;
}

/* Returns: NULL; what is wrong. */
static const char *read_line(EncConf *conf, Text line) {
        char value[ENC_CONF_LINE_BYTES_MAX + 1];
        const char *equals;
        Text key, rest;

        if (line.n > ENC_CONF_LINE_BYTES_MAX)
                return "the line is longer than 255 bytes";
        if (memchr(line.p, '\0', line.n))
                return "there is a NUL in the line";

        line = trim(line);
        if (line.n == 0 || line.p[0] == '#')
                return NULL;
        if (text_is(line, "none")) {
                set_defaults(conf);
                conf->none = true;
                return NULL;
        }

        equals = memchr(line.p, '=', line.n);
        if (!equals)
                return "this is neither KEY=VALUE nor none";

        key = trim((Text) { line.p, (size_t) (equals - line.p) });
        rest = trim((Text) { equals + 1, line.n - (size_t) (equals - line.p) - 1 });
        memcpy(value, rest.p, rest.n);
        value[rest.n] = '\0';
        return assign(conf, key, value);
}

int enc_conf_parse(const char *text, size_t size, EncConf *ret, unsigned *ret_line, const char **ret_problem) {
        Text rest = { text, size };
        const char *problem = NULL;
        unsigned line = 0;
        EncConf conf;

        assert(text || size == 0);
        assert(ret);
        assert(ret_line);
        assert(ret_problem);

        if (size > ENC_CONF_BYTES_MAX)
                problem = "the file is too large";

        set_defaults(&conf);
        while (!problem && rest.n > 0) {
                line++;
                problem = read_line(&conf, take_line(&rest));
        }
        if (problem) {
                *ret_line = line;
                *ret_problem = problem;
                return -EBADMSG;
        }

        *ret = conf;
        return 0;
}
