/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "basic/conf.h"
#include "services/common/security-policy.h"

#define PIN "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_PIN "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEXT_MAX 4096

static int append(void *userdata, const char *key, const char *value) {
        char *text = userdata;
        size_t n = strlen(text);

        (void) snprintf(text + n, TEXT_MAX - n, "%s%s=%s", n > 0 ? "; " : "", key, value);
        return 0;
}

/* The policy as one line, for comparing. */
static const char *describe(const SecurityPolicy *policy, char text[TEXT_MAX]) {
        text[0] = '\0';
        assert_int_equal(security_policy_describe(policy, append, text), 0);
        return text;
}

/* "Key=value; Key=value" */
static void fill(SecurityPolicy *policy, const char *text) {
        char copy[TEXT_MAX], *rest = copy, *word;

        assert_true(copy_string(copy, sizeof(copy), text));
        while ((word = strsep(&rest, ";"))) {
                const char *problem = NULL;
                char *value;

                word += strspn(word, " ");
                value = strchr(word, '=');
                if (!value)
                        continue;
                *value++ = '\0';
                if (security_policy_set(policy, word, value, &problem) < 0)
                        fail_msg("%s=%s: %s", word, value, strempty(problem));
        }
}

/* -- values -- */

static const struct {
        const char *name;
        const char *key, *value;
        int r;
        const char *shown;      /* NULL: nothing */
} values[] = {
        { "authentication",             "Authentication", "mutual",                     0,
          "Authentication=mutual"                      },
        { "authentication by default",  "Authentication", "",                           0,
          NULL                                         },
        { "default is not said",        "Authentication", "default",                    -EINVAL,
          NULL                                         },
        { "case counts",                "Authentication", "Server",                     -EINVAL,
          NULL                                         },
        { "encryption",                 "Encryption",     "required",                   0,
          "Encryption=required"                        },
        { "encryption, a boolean",      "Encryption",     "yes",                        -EINVAL,
          NULL                                         },
        { "peer",                       "Peer",           "o7s",                        0,
          "Peer=o7s"                                   },
        { "common name",                "CommonName",     "yes",                        0,
          "CommonName=yes"                             },
        { "common name, refused",       "CommonName",     "no",                         0,
          "CommonName=no"                              },
        { "common name, nonsense",      "CommonName",     "perhaps",                    -EINVAL,
          NULL                                         },
        { "key exchanges",              "KeyExchange",    "X25519  prime256v1 X25519",  0,
          "KeyExchange=X25519 prime256v1"              },
        { "key exchange unknown",       "KeyExchange",    "X25519 X25518",              -EINVAL,
          NULL                                         },
        { "key exchange not ours",      "KeyExchange",    "ML-KEM-768",                 -EINVAL,
          NULL                                         },
        { "ciphers",                    "Cipher",         "aes-256-gcm chacha20-poly1305", 0,
          "Cipher=aes-256-gcm chacha20-poly1305"       },
        { "cipher refused",             "Cipher",         "aes-256-ctr",                -EINVAL,
          NULL                                         },
        { "digest",                     "Digest",         "sha512",                     0,
          "Digest=sha512"                              },
        { "derivation",                 "KeyDerivation",  "sha384",                     0,
          "KeyDerivation=sha384"                       },
        { "digest unknown",             "Digest",         "md5",                        -EINVAL,
          NULL                                         },
        { "certificate",                "Certificate",    "/etc/o7s/web.pem",           0,
          "Certificate=/etc/o7s/web.pem"               },
        { "relative path",              "Certificate",    "web.pem",                    -EINVAL,
          NULL                                         },
        { "path that climbs",           "Certificate",    "/etc/o7s/../shadow",         -EINVAL,
          NULL                                         },
        { "path that ends in ..",       "TrustAnchor",    "/etc/o7s/..",                -EINVAL,
          NULL                                         },
        { "two dots in a name",         "Certificate",    "/etc/o7s/..web",             0,
          "Certificate=/etc/o7s/..web"                 },
        { "line break in a path",       "Certificate",    "/etc/a\nb",                  -EINVAL,
          NULL                                         },
        { "key, path",                  "PrivateKey",     "/etc/o7s/key.pem",           0,
          "PrivateKey=/etc/o7s/key.pem"                },
        { "key, credential",            "PrivateKey",     "credential:web.key",         0,
          "PrivateKey=credential:web.key"              },
        { "key, credential elsewhere",  "PrivateKey",     "credential:../web",          -EINVAL,
          NULL                                         },
        { "key, credential unnamed",    "PrivateKey",     "credential:",                -EINVAL,
          NULL                                         },
        { "key, PKCS#11",               "PrivateKey",     "pkcs11:token=a;object=b",    0,
          "PrivateKey=pkcs11:token=a;object=b"         },
        { "key, PKCS#11, any",          "PrivateKey",     "pkcs11:",                    -EINVAL,
          NULL                                         },
        { "key, other scheme",          "PrivateKey",     "file:/etc/key.pem",          -EINVAL,
          NULL                                         },
        { "anchors",                    "TrustAnchor",    "/a.pem \"/b c.pem\"",        0,
          "TrustAnchor=/a.pem \"/b c.pem\""            },
        { "quote not closed",           "TrustAnchor",    "\"/a.pem",                   -EINVAL,
          NULL                                         },
        { "empty entry",                "TrustAnchor",    "/a.pem \"\"",                -EINVAL,
          NULL                                         },
        { "pin",                        "Pin",            PIN,                          0,
          "Pin=" PIN                                   },
        { "pin, upper case",            "Pin",
          "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", 0, "Pin=" PIN    },
        { "pin, short",                 "Pin",            "sha256:0123",                -EINVAL,
          NULL                                         },
        { "pin, other digest",          "Pin",
          "sha1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", -EINVAL, NULL },
        { "patterns",                   "AllowPeer",      "o7s:name:a* *",              0,
          "AllowPeer=o7s:name:a* *"                    },
        { "star in the middle",         "AllowPeer",      "o7s:*:a",                    -EINVAL,
          NULL                                         },
        { "two stars",                  "DenyPeer",       "o7s:**",                     -EINVAL,
          NULL                                         },
        { "not UTF-8",                  "DenyPeer",       "\xff",                       -EINVAL,
          NULL                                         },
        { "no such key",                "Authentification", "none",                     -ENOENT,
          NULL                                         },
};

static void test_values(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(security_policy_done) SecurityPolicy policy = {};
                const char *problem = NULL;
                char text[TEXT_MAX];

                print_message("%s\n", values[i].name);
                assert_int_equal(security_policy_set(&policy, values[i].key, values[i].value, &problem), values[i].r);
                assert_int_equal(problem != NULL, values[i].r == -EINVAL);
                assert_string_equal(describe(&policy, text), strempty(values[i].shown));
        }
}

/* What a failed call leaves is what was there. */
static void test_failure_changes_nothing(void **state) {
        static const char before[] =
                "Authentication=server; CommonName=yes; Cipher=aes-128-gcm; Certificate=/a; AllowPeer=x";
        static const char *const bad[][2] = {
                { "Authentication", "all" }, { "CommonName", "ja" },  { "Cipher", "aes-256-gcm rot13" },
                { "Certificate", "b" },      { "AllowPeer", "y *z" },
        };
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        char text[TEXT_MAX];

        fill(&policy, before);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *problem;

                assert_int_equal(security_policy_set(&policy, bad[i][0], bad[i][1], &problem), -EINVAL);
                assert_string_equal(describe(&policy, text), before);
        }
}

static void test_limits(void **state) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        char list[SECURITY_LIST_MAX * 4 + 8] = "", entry[SECURITY_ENTRY_BYTES_MAX + 1];
        const char *problem = NULL;

        for (unsigned i = 0; i < SECURITY_LIST_MAX; i++)
                (void) snprintf(list + strlen(list), sizeof(list) - strlen(list), "p%u ", i);
        assert_int_equal(security_policy_set(&policy, "AllowPeer", list, &problem), 0);
        assert_int_equal(policy.allow.n, SECURITY_LIST_MAX);

        (void) snprintf(list + strlen(list), sizeof(list) - strlen(list), "q");
        assert_int_equal(security_policy_set(&policy, "AllowPeer", list, &problem), -EINVAL);
        assert_int_equal(policy.allow.n, SECURITY_LIST_MAX);

        memset(entry, 'a', sizeof(entry));
        entry[SECURITY_ENTRY_BYTES_MAX] = '\0';
        assert_int_equal(security_policy_set(&policy, "DenyPeer", entry, &problem), -EINVAL);
        entry[SECURITY_ENTRY_BYTES_MAX - 1] = '\0';
        assert_int_equal(security_policy_set(&policy, "DenyPeer", entry, &problem), 0);
}

/* -- merging -- */

static const struct {
        const char *name;
        const char *a, *b;
        int r;
        const char *merged;
} merges[] = {
        { "nothing", "", "", 0, "" },
        { "who says nothing has no opinion", "Authentication=none; Encryption=no", "", 0,
          "Authentication=none; Encryption=no" },
        { "the stricter one", "Authentication=none; Encryption=required", "Authentication=mutual; Encryption=no", 0,
          "Authentication=mutual; Encryption=required" },
        { "peer", "Peer=any", "Peer=o7s", 0, "Peer=o7s" },
        { "common name of one", "CommonName=yes", "", 0, "CommonName=yes" },
        { "common name refused", "CommonName=yes", "CommonName=no", 0, "CommonName=no" },
        { "algorithms of one", "", "Cipher=aes-256-gcm", 0, "Cipher=aes-256-gcm" },
        { "algorithms of both, order of the first", "Cipher=aes-256-gcm aes-128-gcm",
          "Cipher=aes-128-gcm aes-256-gcm chacha20-poly1305", 0,
          "Cipher=aes-256-gcm aes-128-gcm" },
        { "algorithms of neither", "Cipher=aes-256-gcm", "Cipher=aes-128-gcm", -ENOTUNIQ, NULL },
        { "patterns, the narrower", "AllowPeer=o7s:name:a*", "AllowPeer=o7s:name:ab o7s:name:b", 0,
          "AllowPeer=o7s:name:ab" },
        { "patterns, both overlap", "AllowPeer=a* bc", "AllowPeer=ab* b*", 0, "AllowPeer=ab* bc" },
        { "patterns, everybody", "AllowPeer=*", "AllowPeer=x", 0, "AllowPeer=x" },
        { "patterns, nobody left", "AllowPeer=a*", "AllowPeer=b", -ENOTUNIQ, NULL },
        { "denied ones add up", "DenyPeer=a b", "DenyPeer=b c", 0, "DenyPeer=a b c" },
        { "revocation lists add up", "RevocationList=/a", "RevocationList=/b", 0, "RevocationList=/a /b" },
        { "pins of both", "Pin=" PIN " " OTHER_PIN, "Pin=" OTHER_PIN, 0, "Pin=" OTHER_PIN },
        { "certificate and key as a pair", "Certificate=/a", "Certificate=/b; PrivateKey=/k", 0, "Certificate=/a" },
        { "certificate of the second", "", "Certificate=/b; PrivateKey=/k", 0, "Certificate=/b; PrivateKey=/k" },
};

static void test_merge(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(merges); i++) {
                _cleanup_(security_policy_done) SecurityPolicy a = {}, b = {}, merged = {};
                char text[TEXT_MAX];

                print_message("%s\n", merges[i].name);
                fill(&a, merges[i].a);
                fill(&b, merges[i].b);
                assert_int_equal(security_policy_merge(&a, &b, &merged), merges[i].r);
                assert_string_equal(describe(&merged, text), strempty(merges[i].merged));
        }
}

static void test_merge_has_a_limit(void **state) {
        _cleanup_(security_policy_done) SecurityPolicy all = {};
        int r = 0;

        for (unsigned round = 0; round <= SECURITY_MERGED_MAX / SECURITY_LIST_MAX; round++) {
                _cleanup_(security_policy_done) SecurityPolicy part = {}, merged = {};
                char list[SECURITY_LIST_MAX * 8] = "";
                const char *problem;

                for (unsigned i = 0; i < SECURITY_LIST_MAX; i++)
                        (void) snprintf(list + strlen(list), sizeof(list) - strlen(list), "%u.%u ", round, i);
                assert_int_equal(security_policy_set(&part, "DenyPeer", list, &problem), 0);

                r = security_policy_merge(&all, &part, &merged);
                if (r < 0)
                        break;
                security_policy_done(&all);
                all = merged;
                merged = (SecurityPolicy) {};
        }

        assert_int_equal(r, -E2BIG);
        assert_int_equal(all.deny.n, SECURITY_MERGED_MAX);
}

static void test_copy(void **state) {
        static const char all[] =
                "Authentication=mutual; Encryption=required; Peer=o7s; CommonName=yes; KeyExchange=X448; "
                "Cipher=aes-256-gcm; KeyDerivation=sha512; Digest=sha384; Certificate=/c; PrivateKey=/k; "
                "TrustAnchor=/t; RevocationList=/r; Pin=" PIN "; AllowPeer=a; DenyPeer=d";
        _cleanup_(security_policy_done) SecurityPolicy policy = {}, copy = {};
        char text[TEXT_MAX];

        fill(&policy, all);
        assert_string_equal(describe(&policy, text), all);
        assert_int_equal(security_policy_copy(&policy, &copy), 0);
        security_policy_done(&policy);
        assert_string_equal(describe(&copy, text), all);
}

static void test_plain(void **state) {
        static const struct {
                const char *policy;
                bool plain;
        } cases[] = {
                { "", false },
                { "Encryption=no", false },
                { "Authentication=none", false },
                { "Encryption=no; Authentication=none", true },
                { "Encryption=opportunistic; Authentication=none", false },
                { "Encryption=no; Authentication=none; AllowPeer=a", false },
                { "Encryption=no; Authentication=none; DenyPeer=a", false },
                { "Encryption=no; Authentication=none; Pin=" PIN, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(security_policy_done) SecurityPolicy policy = {};

                fill(&policy, cases[i].policy);
                assert_int_equal(security_policy_is_plain(&policy), cases[i].plain);
        }
}

/* -- in files -- */

typedef struct Object {
        int before;
        SecurityPolicy security;
} Object;

static const ConfSection sections[] = { { .name = "Security" } };
static const ConfKey keys[] = { SECURITY_POLICY_KEYS("Security", Object, security) };
static const ConfSchema schema = { sections, ELEMENTSOF(sections), keys, ELEMENTSOF(keys) };

static const struct {
        const char *name;
        const char *text;
        const char *policy;
        const char *message;            /* NULL: none */
} files[] = {
        { "lines add", "Cipher=aes-256-gcm\nCipher=aes-128-gcm\n", "Cipher=aes-256-gcm aes-128-gcm", NULL },
        { "an empty line empties", "DenyPeer=a\nDenyPeer=\nDenyPeer=b\n", "DenyPeer=b", NULL },
        { "the last one counts", "Encryption=no\nEncryption=required\n", "Encryption=required", NULL },
        { "not a choice", "Authentication=both\n", "",
          "Authentication=both: it is one of \"none\", \"server\" or \"mutual\"" },
        { "a cipher that is refused", "Cipher=aes-128-ctr\n", "", "Cipher=aes-128-ctr: " },
        { "no path", "Certificate=web.pem\n", "", "Certificate=web.pem: a path starts with \"/\"" },
        { "common name", "CommonName=no\n", "CommonName=no", NULL },
};

static void test_files(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_(conf_freep) ConfFile *file = NULL;
                char text[TEXT_MAX] = "[Security]\n", shown[TEXT_MAX];
                const ConfMessage *messages;
                Object object = {};
                size_t n;

                print_message("%s\n", files[i].name);
                strcat(text, files[i].text);
                assert_int_equal(conf_new(&file), 0);
                assert_int_equal(conf_add_text(file, "x.layer", text, strlen(text)), 0);
                assert_int_equal(conf_apply(file, &schema, &object, NULL), files[i].message ? -EBADMSG : 0);
                messages = conf_messages(file, &n);
                assert_int_equal(n, files[i].message ? 1 : 0);
                if (n > 0)
                        assert_true(startswith(messages[0].text, files[i].message));
                assert_string_equal(describe(&object.security, shown), files[i].policy);
                security_policy_done(&object.security);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_failure_changes_nothing),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_merge_has_a_limit),
                cmocka_unit_test(test_copy),
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
