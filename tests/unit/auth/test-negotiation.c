/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What policy, files and defaults make of each other, and what is chosen with a peer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/auth/negotiation.h"

#define GCM128 895
#define GCM192 898
#define GCM256 901
#define CHACHA 1018
#define MAC(suite) ((suite) | OAP_SUITE_MAC_ONLY)

static const struct {
        const char *name;
        const char *settings[5];
        Credentials files;              /* .certificate_size > 0: there is a certificate */
        bool server;
        int r;
        int authentication, encryption;
        bool show, want_peer;
        const char *kex, *cipher, *kdf;
        unsigned n_suites;
        uint16_t suites[OAP_SUITES_MAX];
} cases[] = {
        { "defaults", {}, {}, false, 0, AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC, false, false, "X25519",
          "aes-128-gcm", "sha256",
          3, { GCM128, GCM256, CHACHA } },
        { "a trust anchor", {}, { .authentication = AUTHENTICATION_SERVER }, false, 0, AUTHENTICATION_SERVER,
          ENCRYPTION_OPPORTUNISTIC,
          false, true, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "a trust anchor of a server", {}, { .authentication = AUTHENTICATION_SERVER }, true, 0, AUTHENTICATION_SERVER,
          ENCRYPTION_OPPORTUNISTIC, false, false, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "a certificate", {}, { .certificate_size = 9 }, true, 0, AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC, true,
          false, "X25519",
          "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "a certificate that is not to be shown", { "Authentication=none" }, { .certificate_size = 9 }, true, 0,
          AUTHENTICATION_NONE,
          ENCRYPTION_OPPORTUNISTIC, false, false, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "the policy overrides the files", { "Authentication=none", "Encryption=required" },
          { .authentication = AUTHENTICATION_SERVER, .encryption = ENCRYPTION_NO }, false, 0, AUTHENTICATION_NONE,
          ENCRYPTION_REQUIRED,
          false, false, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "enc.conf", {}, { .key_exchange = "prime256v1", .cipher = "aes-256-gcm", .derivation = "sha512",
                            .digest = "sha384" }, false, 0,
          AUTHENTICATION_NONE, ENCRYPTION_REQUIRED, false, false, "prime256v1", "aes-256-gcm", "sha512", 2,
          { GCM256, CHACHA } },
        { "enc.conf says none", {}, { .none = true }, false, 0, AUTHENTICATION_NONE, ENCRYPTION_NO, false, false,
          "X25519", "aes-128-gcm",
          "sha256", 6, { MAC(GCM128), MAC(GCM256), MAC(CHACHA), GCM128, GCM256, CHACHA } },
        { "enc.conf wants AES-CTR", {}, { .cipher = "aes-256-ctr" }, false, -EOPNOTSUPP },
        { "enc.conf wants BLAKE2", {}, { .derivation = "blake2b512" }, false, -EOPNOTSUPP },
        { "enc.conf wants ML-KEM", {}, { .key_exchange = "ML-KEM-768" }, false, -EOPNOTSUPP },
        { "lists, by preference", { "KeyExchange=X448 X25519", "Cipher=chacha20-poly1305 aes-128-gcm",
                                    "KeyDerivation=sha3-256" }, {}, false, 0,
          AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC, false, false, "X448", "chacha20-poly1305", "sha3-256", 2,
          { CHACHA, GCM128 } },
        { "lists override enc.conf", { "Cipher=aes-128-gcm" }, { .cipher = "aes-256-gcm" }, false, 0,
          AUTHENTICATION_NONE,
          ENCRYPTION_OPPORTUNISTIC, false, false, "X25519", "aes-128-gcm", "sha256", 1, { GCM128 } },
        { "AES-192 alone", { "Cipher=aes-192-gcm" }, {}, false, 0, AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC, false,
          false, "X25519",
          "aes-192-gcm", "sha256", 0 },
        { "pins want to know", { "Pin=sha256:0000000000000000000000000000000000000000000000000000000000000000" }, {},
          true, 0,
          AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC, false, true, "X25519", "aes-128-gcm", "sha256", 3,
          { GCM128, GCM256, CHACHA } },
        { "denied ones do", { "DenyPeer=o7s:name:x" }, {}, true, 0, AUTHENTICATION_NONE, ENCRYPTION_OPPORTUNISTIC,
          false, true, "X25519",
          "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "mutual", { "Authentication=mutual" }, { .certificate_size = 9 }, true, 0, AUTHENTICATION_MUTUAL,
          ENCRYPTION_OPPORTUNISTIC, true,
          true, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
        { "mutual without a certificate", { "Authentication=mutual" }, {}, false, -ENOKEY },
        { "a server without a certificate", { "Authentication=server" }, {}, true, -ENOKEY },
        { "a client without a certificate", { "Authentication=server" }, {}, false, 0, AUTHENTICATION_SERVER,
          ENCRYPTION_OPPORTUNISTIC, false,
          true, "X25519", "aes-128-gcm", "sha256", 3, { GCM128, GCM256, CHACHA } },
};

static void set(SecurityPolicy *policy, const char *const *settings) {
        for (; settings && *settings; settings++) {
                const char *equals = strchr(*settings, '='), *problem;
                char key[32] = {};

                assert_non_null(equals);
                memcpy(key, *settings, (size_t) (equals - *settings));
                assert_int_equal(security_policy_set(policy, key, equals + 1, &problem), 0);
        }
}

static int init(const char *const *settings, const Credentials *files, bool server, Negotiation *ret) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        char text[AUTH_TEXT_BYTES_MAX] = "";
        Credentials credentials = *files;
        int r;

        if (credentials.authentication == AUTHENTICATION_DEFAULT)
                credentials.authentication = AUTHENTICATION_NONE;
        if (credentials.certificate_size > 0)
                credentials.certificate = (const uint8_t *) "leaf";
        set(&policy, settings);
        r = negotiation_init(&policy, &credentials, server, ret, text);
        assert_int_equal(strlen(text) > 0, r < 0);
        return r;
}

static void test_cases(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Negotiation n = {};

                print_message("%s\n", cases[i].name);
                assert_int_equal(init(cases[i].settings, &cases[i].files, cases[i].server, &n), cases[i].r);
                if (cases[i].r < 0)
                        continue;

                assert_int_equal(n.authentication, cases[i].authentication);
                assert_int_equal(n.encryption, cases[i].encryption);
                assert_int_equal(n.show, cases[i].show);
                assert_int_equal(n.want_peer, cases[i].want_peer);
                assert_string_equal(oap_key_exchange_to_string(n.key_exchange), cases[i].kex);
                assert_string_equal(n.cipher->name, cases[i].cipher);
                assert_string_equal(n.derivation->name, cases[i].kdf);
                assert_int_equal(n.n_suites, cases[i].n_suites);
                assert_memory_equal(n.suites, cases[i].suites, n.n_suites * sizeof(n.suites[0]));
        }
}

/* What a server answers with. NULL: nothing. */
static const struct {
        const char *name;
        const char *settings[3];
        uint16_t cipher, kdf;
        const char *expected_cipher, *expected_kdf;
} choices[] = {
        { "nothing asked for", {}, 0, 0, "aes-128-gcm", "sha256" },
        { "what was asked for", {}, GCM256, 1098, "aes-256-gcm", "sha3-384" },
        { "the strongest", {}, CHACHA, 1099, "chacha20-poly1305", "sha3-512" },
        { "AES-CTR", {}, 906, 672, "aes-128-gcm", "sha256" },
        { "BLAKE2", {}, GCM128, 1056, "aes-128-gcm", "sha512" },
        { "small BLAKE2", {}, GCM128, 1057, "aes-128-gcm", "sha256" },
        { "ours is higher", { "Cipher=aes-256-gcm", "KeyDerivation=sha384" }, GCM128, 672, "aes-256-gcm", "sha384" },
        { "ours is too low", { "Cipher=aes-256-gcm", "KeyDerivation=sha384" }, CHACHA, 674, NULL, NULL },
        { "one of ours is high enough", { "Cipher=aes-128-gcm chacha20-poly1305" }, GCM256, 672, "chacha20-poly1305",
          "sha256" },
};

static void test_choices(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(choices); i++) {
                const OapAlgorithm *cipher, *kdf;
                Negotiation n;

                print_message("%s\n", choices[i].name);
                assert_int_equal(init(choices[i].settings, &(Credentials) {}, true, &n), 0);
                cipher = negotiation_cipher(&n, choices[i].cipher);
                kdf = negotiation_derivation(&n, choices[i].kdf);
                assert_string_equal(cipher ? cipher->name : "", strempty(choices[i].expected_cipher));
                assert_string_equal(kdf ? kdf->name : "", strempty(choices[i].expected_kdf));
        }
}

static const struct {
        const char *name;
        const char *settings[3];
        uint16_t suites[4];
        bool header;
        uint16_t expected;
} suites[] = {
        { "the first", {}, { GCM256, GCM128 }, true, GCM256 },
        { "none", {}, {}, true, 0 },
        { "one of the future", {}, { 4711, CHACHA }, true, CHACHA },
        { "AES-CTR and AES-192 never", {}, { 906, GCM192 }, true, 0 },
        { "within our list", { "Cipher=chacha20-poly1305" }, { GCM128, CHACHA }, true, CHACHA },
        { "MAC, where that was asked for", {}, { MAC(GCM128), GCM128 }, false, MAC(GCM128) },
        { "MAC, and a key for encryption", {}, { MAC(GCM128), GCM128 }, true, GCM128 },
        { "MAC is not enough", { "Encryption=required" }, { MAC(GCM128), MAC(CHACHA), CHACHA }, false, CHACHA },
        { "MAC alone is not enough", { "Encryption=required" }, { MAC(GCM128) }, false, 0 },
};

static void test_suites(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                unsigned n_suites = 0;
                Negotiation n;

                print_message("%s\n", suites[i].name);
                while (n_suites < ELEMENTSOF(suites[i].suites) && suites[i].suites[n_suites] != 0)
                        n_suites++;
                assert_int_equal(init(suites[i].settings, &(Credentials) {}, true, &n), 0);
                assert_int_equal(negotiation_suite(&n, suites[i].suites, n_suites, suites[i].header),
                                 suites[i].expected);
        }
}

static void test_floors(void **state) {
        static const char *const list[] = { "KeyExchange=X25519 secp521r1", "Digest=sha3-512", NULL };
        const Credentials files = { .key_exchange = "secp384r1" };
        Negotiation n;

        assert_int_equal(init(NULL, &files, true, &n), 0);
        assert_false(negotiation_takes_key_exchange(&n, OAP_X25519));
        assert_true(negotiation_takes_key_exchange(&n, OAP_P384));
        assert_true(negotiation_takes_key_exchange(&n, OAP_FFDHE4096));
        assert_true(negotiation_takes_digest(&n, oap_digest_by_name("sha256")));

        assert_int_equal(init(list, &files, true, &n), 0);
        assert_true(negotiation_takes_key_exchange(&n, OAP_X25519));
        assert_false(negotiation_takes_key_exchange(&n, OAP_P384));
        assert_true(negotiation_takes_key_exchange(&n, OAP_P521));
        assert_false(negotiation_takes_key_exchange(&n, OAP_ML_KEM_768));
        assert_false(negotiation_takes_key_exchange(&n, _OAP_KEY_EXCHANGE_INVALID));
        assert_false(negotiation_takes_digest(&n, oap_digest_by_name("sha256")));
        assert_true(negotiation_takes_digest(&n, oap_digest_by_name("sha3-512")));
        assert_false(negotiation_takes_digest(&n, NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_choices),
                cmocka_unit_test(test_suites),
                cmocka_unit_test(test_floors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
