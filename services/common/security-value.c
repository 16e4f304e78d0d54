/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What may stand behind each key of a security policy. A value that we do not understand, or cannot honour, is refused
 * with a sentence: a host must not look better protected than it is.
 */

#include "services/common/oap-algorithm.h"
#include "services/common/pkcs11-url.h"
#include "services/common/security-value.h"

#define PIN_PREFIX "sha256:"
#define PIN_DIGITS 64U
#define CREDENTIAL_PREFIX "credential:"
#define CREDENTIAL_NAME_BYTES_MAX 255U

static const char *const authentication_table[_AUTHENTICATION_MAX] = {
        [AUTHENTICATION_DEFAULT] = "default",
        [AUTHENTICATION_NONE] = "none",
        [AUTHENTICATION_SERVER] = "server",
        [AUTHENTICATION_MUTUAL] = "mutual",
};
DEFINE_ENUM_NAMES(authentication, Authentication);

static const char *const encryption_table[_ENCRYPTION_MAX] = {
        [ENCRYPTION_DEFAULT] = "default",
        [ENCRYPTION_NO] = "no",
        [ENCRYPTION_OPPORTUNISTIC] = "opportunistic",
        [ENCRYPTION_REQUIRED] = "required",
};
DEFINE_ENUM_NAMES(encryption, Encryption);

static const char *const peer_kind_table[_PEER_KIND_MAX] = {
        [PEER_DEFAULT] = "default",
        [PEER_ANY] = "any",
        [PEER_O7S] = "o7s",
};
DEFINE_ENUM_NAMES(peer_kind, PeerKind);

/* A sentence, and the result that goes with it. */
static int refuse(const char **ret_problem, const char *problem) {
        *ret_problem = problem;
        return -EINVAL;
}

/* -- single words -- */

static bool is_printable(const char *text) {
        for (const char *p = text; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;

        return utf8_is_valid(text, strlen(text));
}

static bool has_parent_component(const char *path) {
        for (const char *p = path; (p = strstr(p, "/..")); p += 3)
                if (p[3] == '/' || p[3] == '\0')
                        return true;

        return false;
}

static int check_path(const char *word, const char **ret_problem) {
        if (word[0] != '/')
                return refuse(ret_problem, "a path starts with \"/\"");
        if (!is_printable(word) || has_parent_component(word))
                return refuse(ret_problem, "a path has neither \"..\" nor control characters in it");

        return 0;
}

static int check_private_key(const char *word, const char **ret_problem) {
        Pkcs11Url url;

        if (startswith(word, CREDENTIAL_PREFIX)) {
                const char *name = word + STRLEN(CREDENTIAL_PREFIX);

                if (isempty(name) || strlen(name) > CREDENTIAL_NAME_BYTES_MAX || strchr(name, '/') || name[0] == '.' ||
                    !is_printable(name))
                        return refuse(ret_problem,
                                      "behind \"credential:\" comes the name of a credential of o7s-keyd.service");
                return 0;
        }

        if (startswith(word, PKCS11_URL_PREFIX))
                return pkcs11_url_parse(word, &url, ret_problem);

        if (word[0] != '/')
                return refuse(ret_problem, "it is a path, \"credential:NAME\" or \"pkcs11:...\"");

        return check_path(word, ret_problem);
}

static int check_key_exchange(const char *word, const char **ret_problem) {
        OapKeyExchange kex = oap_key_exchange_from_string(word);
        const char *refusal;

        if ((int) kex < 0)
                return refuse(ret_problem, "no such key exchange; the usual ones are X25519, prime256v1 and secp384r1");

        refusal = oap_key_exchange_refusal(kex);
        return refusal ? refuse(ret_problem, refusal) : 0;
}

static int check_algorithm(const OapAlgorithm *algorithm, const char *unknown, const char **ret_problem) {
        if (!algorithm)
                return refuse(ret_problem, unknown);

        return algorithm->refusal ? refuse(ret_problem, algorithm->refusal) : 0;
}

static int check_cipher(const char *word, const char **ret_problem) {
        return check_algorithm(oap_cipher_by_name(word),
                               "no such cipher; the usual ones are aes-128-gcm, aes-256-gcm and chacha20-poly1305",
                               ret_problem);
}

static int check_digest(const char *word, const char **ret_problem) {
        return check_algorithm(oap_digest_by_name(word), "no such digest; the usual ones are sha256, sha384 and sha512",
                               ret_problem);
}

static int check_pin(const char *word, const char **ret_problem) {
        const char *digits = word + STRLEN(PIN_PREFIX);

        if (!startswith(word, PIN_PREFIX) || strlen(digits) != PIN_DIGITS ||
            strspn(digits, "0123456789abcdefABCDEF") != PIN_DIGITS)
                return refuse(ret_problem,
                              "a pin is \"sha256:\" and the 64 hexadecimal digits of a public key's digest");

        return 0;
}

static int check_pattern(const char *word, const char **ret_problem) {
        const char *star = strchr(word, '*');

        if (!is_printable(word))
                return refuse(ret_problem, "an identity is UTF-8 without control characters");
        if (star && star[1] != '\0')
                return refuse(ret_problem, "\"*\" stands at the end of a pattern, and only there");

        return 0;
}

static int (*const checks[_SECURITY_VALUE_KIND_MAX])(const char *word, const char **ret_problem) = {
        [SECURITY_PATH] = check_path,
        [SECURITY_PRIVATE_KEY] = check_private_key,
        [SECURITY_KEY_EXCHANGES] = check_key_exchange,
        [SECURITY_CIPHERS] = check_cipher,
        [SECURITY_DIGESTS] = check_digest,
        [SECURITY_PATHS] = check_path,
        [SECURITY_PINS] = check_pin,
        [SECURITY_PEER_PATTERNS] = check_pattern,
};

static int check_word(SecurityValueKind kind, const char *word, const char **ret_problem) {
        if (word[0] == '\0')
                return refuse(ret_problem, "an entry is empty");
        if (strlen(word) >= SECURITY_ENTRY_BYTES_MAX)
                return refuse(ret_problem, "an entry is longer than 511 bytes");

        return checks[kind](word, ret_problem);
}

/* -- whole values -- */

static int assign_choice(const char *const *table, size_t n, const char *text, const char *choices, int *field,
                         const char **ret_problem) {
        int value = 0;

        if (text[0] != '\0') {
                value = enum_from_string(table, n, text);
                if (value <= 0)         /* "default" is how it is shown, not how it is asked for */
                        return refuse(ret_problem, choices);
        }

        *field = value;
        return 0;
}

static int assign_common_name(SecurityPolicy *policy, const char *text, const char **ret_problem) {
        int value = 0;

        if (text[0] != '\0') {
                value = parse_bool(text);
                if (value < 0)
                        return refuse(ret_problem, "it is neither \"yes\" nor \"no\"");
        }

        policy->common_name = value > 0;
        policy->common_name_refused = text[0] != '\0' && value == 0;
        return 0;
}

static int assign_string(SecurityValueKind kind, const char *text, char **field, const char **ret_problem) {
        _cleanup_free_ char *copy = NULL;
        int r;

        if (text[0] != '\0') {
                r = check_word(kind, text, ret_problem);
                if (r < 0)
                        return r;

                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        }

        free(*field);
        *field = TAKE_PTR(copy);
        return 0;
}

static int split_words(const char *text, ConfStrings *ret, const char **ret_problem) {
        static const ConfKey key = { .key = "" };
        _cleanup_(conf_freep) ConfFile *file = NULL;    /* only takes the complaint */
        const ConfAssignment assignment = { .section = "", .key = "", .value = text };
        int r;

        r = conf_new(&file);
        if (r < 0)
                return r;

        r = conf_parse_strings(file, &assignment, ret, &key);
        if (r == -EBADMSG)
                return refuse(ret_problem, "a quote is not closed, or something follows it without a blank");
        return r;
}

static bool contains(const ConfStrings *list, const char *word) {
        for (size_t i = 0; i < list->n; i++)
                if (streq(list->items[i], word))
                        return true;

        return false;
}

/* Digits of a pin are compared as text later on. */
static void lower_digits(char *pin) {
        for (char *p = pin; *p != '\0'; p++)
                if (*p >= 'A' && *p <= 'F')
                        *p = (char) (*p - 'A' + 'a');
}

/* All words or none. */
static int assign_list(SecurityValueKind kind, const char *text, ConfStrings *field, const char **ret_problem) {
        _cleanup_(conf_strings_done) ConfStrings words = {}, list = {};
        int r;

        for (size_t i = 0; text[0] != '\0' && i < field->n; i++) {
                r = conf_strings_add(&list, field->items[i]);
                if (r < 0)
                        return r;
        }

        r = split_words(text, &words, ret_problem);
        if (r < 0)
                return r;

        for (size_t i = 0; i < words.n; i++) {
                r = check_word(kind, words.items[i], ret_problem);
                if (r < 0)
                        return r;
                if (kind == SECURITY_PINS)
                        lower_digits(words.items[i]);
                if (contains(&list, words.items[i]))
                        continue;
                if (list.n == SECURITY_LIST_MAX)
                        return refuse(ret_problem, "there are more than 32 entries");

                r = conf_strings_add(&list, words.items[i]);
                if (r < 0)
                        return r;
        }

        conf_strings_done(field);
        *field = list;
        list = (ConfStrings) {};
        return 0;
}

int security_value_assign(SecurityValueKind kind, void *field, const char *text, const char **ret_problem) {
        assert(field);
        assert(text);
        assert(ret_problem);

        switch (kind) {
        case SECURITY_AUTHENTICATION:
                return assign_choice(authentication_table, _AUTHENTICATION_MAX, text,
                                     "it is one of \"none\", \"server\" or \"mutual\"", field, ret_problem);
        case SECURITY_ENCRYPTION:
                return assign_choice(encryption_table, _ENCRYPTION_MAX, text,
                                     "it is one of \"no\", \"opportunistic\" or \"required\"", field, ret_problem);
        case SECURITY_PEER_KIND:
                return assign_choice(peer_kind_table, _PEER_KIND_MAX, text, "it is one of \"any\" or \"o7s\"", field,
                                     ret_problem);
        case SECURITY_COMMON_NAME:
                return assign_common_name(container_of(field, SecurityPolicy, common_name), text, ret_problem);
        case SECURITY_PATH:
        case SECURITY_PRIVATE_KEY:
                return assign_string(kind, text, field, ret_problem);
        case SECURITY_KEY_EXCHANGES:
        case SECURITY_CIPHERS:
        case SECURITY_DIGESTS:
        case SECURITY_PATHS:
        case SECURITY_PINS:
        case SECURITY_PEER_PATTERNS:
                return assign_list(kind, text, field, ret_problem);
        case _SECURITY_VALUE_KIND_MAX:
        case _SECURITY_VALUE_KIND_INVALID:
                break;
        }

        return -EINVAL;
}

bool security_pattern_covers(const char *pattern, const char *other) {
        const char *star = strchr(pattern, '*');

        if (!star)
                return streq(pattern, other);

        return strncmp(pattern, other, (size_t) (star - pattern)) == 0;
}

/* -- in files -- */

static int parse_value(ConfFile *file, const ConfAssignment *a, void *field, SecurityValueKind kind) {
        const char *problem = NULL;
        int r;

        r = security_value_assign(kind, field, a->value, &problem);
        if (r == -EINVAL)
                return conf_complain(file, CONF_ERROR, a->value_place, "%s=%s: %s", a->key, a->value,
                                     strempty(problem));

        return r;
}

#define DEFINE_PARSER(name, kind)                                                                                      \
        int conf_parse_##name(ConfFile *file, const ConfAssignment *a, void *field, const ConfKey *key) {              \
                return parse_value(file, a, field, kind);                                                              \
        }                                                                                                              \
        struct _parser_needs_a_semicolon_

DEFINE_PARSER(authentication, SECURITY_AUTHENTICATION);
DEFINE_PARSER(encryption, SECURITY_ENCRYPTION);
DEFINE_PARSER(peer_kind, SECURITY_PEER_KIND);
DEFINE_PARSER(common_name, SECURITY_COMMON_NAME);
DEFINE_PARSER(security_path, SECURITY_PATH);
DEFINE_PARSER(private_key, SECURITY_PRIVATE_KEY);
DEFINE_PARSER(key_exchanges, SECURITY_KEY_EXCHANGES);
DEFINE_PARSER(ciphers, SECURITY_CIPHERS);
DEFINE_PARSER(digests, SECURITY_DIGESTS);
DEFINE_PARSER(security_paths, SECURITY_PATHS);
DEFINE_PARSER(pins, SECURITY_PINS);
DEFINE_PARSER(peer_patterns, SECURITY_PEER_PATTERNS);
