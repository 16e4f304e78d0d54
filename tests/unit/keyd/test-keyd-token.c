/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Private keys on a token: SoftHSM makes one in a directory of the test's, with an ECDSA key and an RSA key in it, and
 * o7s-keyd's own code finds them by their names, signs with them, and says why it does not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <gnutls/pkcs11.h>

#include "services/keyd/key.h"
#include "tests/unit/keyd/soft-token.h"

#define NOW UINT64_C(1780272000000000000)
#define PIN SOFT_TOKEN_PIN
#define KEY_P256 SOFT_TOKEN ";object=web"
#define KEY_RSA SOFT_TOKEN ";object=mail;type=private"
#define KEY_BY_ID SOFT_TOKEN ";id=%01%02;manufacturer=SoftHSM%20project"

typedef struct Bench {
        SoftToken token;
        Blob ecdsa, rsa;                /* certificates of the keys on it */
} Bench;

static int group_setup(void **state) {
        const Recipe ecdsa = { .names = "U:o7s:name:web" };
        const Recipe rsa = { .key = MAKER_RSA_2048, .names = "U:o7s:name:mail" };
        Bench *b = calloc(1, sizeof(*b));

        assert_non_null(b);
        *state = b;
        soft_token_make(&b->token);
        if (b->token.missing)
                return 0;

        soft_token_add_key(&b->token, MAKER_P256, "web", "0102");
        soft_token_add_key(&b->token, MAKER_RSA_2048, "mail", "03");
        soft_token_add_key(&b->token, MAKER_P224, "weak", "04");
        maker_certificate(&ecdsa, NULL, &b->ecdsa);
        maker_certificate(&rsa, NULL, &b->rsa);
        return 0;
}

static int group_teardown(void **state) {
        Bench *b = *state;

        gnutls_pkcs11_deinit();
        soft_token_done(&b->token);
        blob_done(&b->ecdsa);
        blob_done(&b->rsa);
        free(b);
        maker_done();
        return 0;
}

static void write_pin(const Bench *b, const char *name, const char *pin) {
        soft_token_write(&b->token, name, pin, strlen(pin));
}

static const char *const pin_credentials[] = { "pkcs11-pin", "pkcs11-pin.o7s_keys", "pkcs11-pin.o7s" };

/* A store of its own for each test: a process that has just started, and a token that nobody is logged in to. */
static KeyStore *store_with(const Bench *b, const char *pin) {
        KeyStore *store;

        if (b->token.missing)
                skip();

        for (size_t i = 0; i < ELEMENTSOF(pin_credentials); i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), "%s/%s", b->token.directory, pin_credentials[i]);
                (void) unlink(path);
        }
        if (pin)
                write_pin(b, pin_credentials[0], pin);
        assert_int_equal(key_store_new(b->token.directory, &store), 0);
        return store;
}

static void expect(KeyStore *store, const char *name, int wanted, const char *says) {
        char text[KEY_TEXT_BYTES_MAX] = "";
        const Key *key = NULL;
        int r;

        r = key_store_get(store, name, &key, text);
        if (r != wanted || !strstr(text, says))
                fail_msg("%s: %d, \"%s\"", name, r, text);
        assert_true((key != NULL) == (r == 0));
}

/* -- signatures -- */

static void check_signature(MakerKey kind, gnutls_sign_algorithm_t algorithm, const OapHeader *header,
                            uint8_t *signature, size_t size) {
        gnutls_datum_t signature_data = { .data = signature, .size = (unsigned) size };
        uint8_t message[8192];
        gnutls_datum_t data = { .data = message };
        gnutls_pubkey_t public_key;
        ssize_t n;

        n = oap_header_pack(header, message, sizeof(message));
        assert_true(n > 0);
        data.size = (unsigned) n;

        assert_true(gnutls_pubkey_init(&public_key) >= 0);
        assert_true(gnutls_pubkey_import_privkey(public_key, maker_key(kind, 0), 0, 0) >= 0);
        assert_true(gnutls_pubkey_verify_data2(public_key, algorithm, 0, &data, &signature_data) >= 0);
        message[n / 2] ^= 1;
        assert_true(gnutls_pubkey_verify_data2(public_key, algorithm, 0, &data, &signature_data) < 0);
        gnutls_pubkey_deinit(public_key);
}

static void test_signs(void **state) {
        static const struct {
                const char *name;
                const char *url;
                MakerKey kind;
                uint16_t digest;
                gnutls_sign_algorithm_t algorithm;
        } cases[] = {
                { "ECDSA",          KEY_P256,  MAKER_P256,     672, GNUTLS_SIGN_ECDSA_SHA256 },
                { "ECDSA, SHA-512", KEY_P256,  MAKER_P256,     674, GNUTLS_SIGN_ECDSA_SHA512 },
                { "ECDSA, by id",   KEY_BY_ID, MAKER_P256,     672, GNUTLS_SIGN_ECDSA_SHA256 },
                { "RSA",            KEY_RSA,   MAKER_RSA_2048, 672, GNUTLS_SIGN_RSA_SHA256   },
                { "RSA, SHA-384",   KEY_RSA,   MAKER_RSA_2048, 673, GNUTLS_SIGN_RSA_SHA384   },
        };
        const Bench *b = *state;
        _cleanup_(key_store_freep) KeyStore *store = store_with(b, PIN);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Blob *certificate = cases[i].kind == MAKER_P256 ? &b->ecdsa : &b->rsa;
                const Blob *other = cases[i].kind == MAKER_P256 ? &b->rsa : &b->ecdsa;
                OapHeader header = { .id = { 1 }, .timestamp = NOW, .digest = cases[i].digest };
                uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
                char text[KEY_TEXT_BYTES_MAX] = "";
                const Key *key;
                size_t size = 0;

                print_message("%s\n", cases[i].name);
                expect(store, cases[i].url, 0, "");
                assert_int_equal(key_store_get(store, cases[i].url, &key, text), 0);

                header.certificate = certificate->data;
                header.certificate_size = certificate->size;
                assert_int_equal(key_sign(key, &header, NOW, signature, &size, text), 0);
                check_signature(cases[i].kind, cases[i].algorithm, &header, signature, size);

                header.certificate = other->data;
                header.certificate_size = other->size;
                assert_int_equal(key_sign(key, &header, NOW, signature, &size, text), -EKEYREJECTED);
        }
}

static void test_is_not_there(void **state) {
        const Bench *b = *state;
        _cleanup_(key_store_freep) KeyStore *store = store_with(b, PIN);

        expect(store, "pkcs11:token=none;object=web", -ENOENT, "There is no token \"none\"");
        expect(store, "pkcs11:token=o7s%20keys;object=none", -ENOENT, "The token \"o7s keys\" has no private key");
        expect(store, "pkcs11:token=o7s%20keys;object=web;serial=0", -ENOENT, "There is no token \"o7s keys\"");
        expect(store, "pkcs11:token=o7s%20keys;object=weak", -EOPNOTSUPP, "none of the curves");
        expect(store, KEY_P256, 0, "");
}

/* -- PINs -- */

static void test_pins(void **state) {
        static const struct {
                const char *name;
                const char *general, *own, *others;     /* of any token, of this one, of another one */
                int r;
                const char *says;
        } cases[] = {
                { "of any token",          PIN,         NULL,       NULL, 0,        ""                      },
                { "with an end of line",   PIN "\n",    NULL,       NULL, 0,        ""                      },
                { "of this token",         NULL,        PIN,        NULL, 0,        ""                      },
                { "of this token, first",  "0000",      PIN,        NULL, 0,        ""                      },
                { "none",                  NULL,        NULL,       NULL, -EACCES,  "no credential with one" },
                { "another token's",       NULL,        NULL,       PIN,  -EACCES,  "no credential with one" },
                { "wrong",                 "0000",      NULL,       NULL, -EACCES,  "does not accept the PIN" },
                { "this one's wrong",      PIN,         "0000",     NULL, -EACCES,  "does not accept the PIN" },
                { "an end of line alone",  "\n",        NULL,       NULL, -EACCES,  "is no PIN"             },
                { "two lines",             PIN "\nx\n", NULL,       NULL, -EACCES,  "is no PIN"             },
        };
        const Bench *b = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(key_store_freep) KeyStore *store = store_with(b, cases[i].general);

                print_message("%s\n", cases[i].name);
                if (cases[i].own)
                        write_pin(b, pin_credentials[1], cases[i].own);
                if (cases[i].others)
                        write_pin(b, pin_credentials[2], cases[i].others);
                expect(store, KEY_P256, cases[i].r, cases[i].says);
        }
}

/* A token counts: however often strangers cause a signature, it sees a wrong PIN once. */
static void test_wrong_once(void **state) {
        const Bench *b = *state;
        _cleanup_(key_store_freep) KeyStore *store = store_with(b, "0000");

        expect(store, KEY_P256, -EACCES, "does not accept the PIN");
        expect(store, KEY_P256, -EACCES, "did not accept the PIN");
        expect(store, KEY_RSA, -EACCES, "did not accept the PIN");
        (void) key_store_forget(store);         /* as a message has it: is not enough */
        expect(store, KEY_P256, -EACCES, "did not accept the PIN");

        token_forget_pins(store);               /* as people have it */
        expect(store, KEY_P256, -EACCES, "does not accept the PIN");
        expect(store, KEY_P256, -EACCES, "did not accept the PIN");

        write_pin(b, pin_credentials[0], PIN);
        expect(store, KEY_P256, 0, "");
        expect(store, KEY_RSA, 0, "");
}

static void test_no_credentials(void **state) {
        const Bench *b = *state;
        _cleanup_(key_store_freep) KeyStore *store = NULL;

        if (b->token.missing)
                skip();

        assert_int_equal(key_store_new(NULL, &store), 0);
        expect(store, KEY_P256, -EACCES, "has no credentials");
}

/* -- names that would do more than find a key -- */

static void test_refused_names(void **state) {
        static const char *const names[] = {
                KEY_P256 "?pin-value=" PIN,
                KEY_P256 "?pin-source=file:/etc/shadow",
                KEY_P256 "?module-path=/usr/lib/softhsm/libsofthsm2.so",
                KEY_P256 "?module-name=softhsm2",
                KEY_P256 ";pin-value=" PIN,
                KEY_P256 ";pinfile=/etc/shadow",
                KEY_P256 ";module-path=/tmp/evil.so",
        };
        const Bench *b = *state;
        _cleanup_(key_store_freep) KeyStore *store = store_with(b, PIN);

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                expect(store, names[i], -EACCES, "is not looked for");
        assert_int_equal(store->n_keys, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_signs), cmocka_unit_test(test_is_not_there), cmocka_unit_test(test_pins),
                cmocka_unit_test(test_wrong_once), cmocka_unit_test(test_no_credentials),
                cmocka_unit_test(test_refused_names),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
