/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-keyd signs, and what it does not: the caller is somebody who may have been taken over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/keyd/key.h"
#include "tests/unit/auth/certificate-maker.h"

#define NOW UINT64_C(1780272000000000000)

static const uint8_t extension[] = "O7sX\1\0\0\x08" "\0\x03\0\x04" "\0\0\0\1";
static const uint8_t bytes[UINT16_MAX];

typedef struct Bench {
        Key *key;
        Blob certificate, other, older;
} Bench;

/* A key of the store's form, without a file. */
static Key *key_from(MakerKey kind) {
        Key *key = calloc(1, sizeof(*key));
        _cleanup_(blob_done) Blob spki = {};

        assert_non_null(key);
        list_init(&key->by_store);
        (void) snprintf(key->name, sizeof(key->name), "test");
        key->private_key = maker_key(kind, 0);
        key->algorithm = gnutls_privkey_get_pk_algorithm(key->private_key, NULL);
        maker_public_key(kind, 0, &spki);
        memcpy(key->public_key, spki.data, spki.size);
        key->public_size = spki.size;
        return key;
}

static int setup(void **state) {
        const Recipe recipe = { .names = "U:o7s:name:web" }, other = { .names = "U:o7s:name:web", .key_number = 1 },
                     older = { .subject = "C:web", .version = 1 };
        Bench *b = calloc(1, sizeof(*b));

        assert_non_null(b);
        b->key = key_from(MAKER_P256);
        maker_certificate(&recipe, NULL, &b->certificate);
        maker_certificate(&other, NULL, &b->other);
        maker_certificate(&older, NULL, &b->older);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        Bench *b = *state;

        blob_done(&b->certificate);
        blob_done(&b->other);
        blob_done(&b->older);
        free(b->key);
        free(b);
        maker_done();
        return 0;
}

static OapHeader good(const Bench *b) {
        return (OapHeader) {
                .id = { 1 },
                .timestamp = NOW,
                .digest = 672,
                .certificate = b->certificate.data,
                .certificate_size = b->certificate.size,
        };
}

static int ask(const Bench *b, const OapHeader *header, char text[KEY_TEXT_BYTES_MAX]) {
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        size_t size = 0;
        int r;

        r = key_sign(b->key, header, NOW, signature, &size, text);
        assert_true((r == 0) == (size > 0));
        return r;
}

static void expect(const Bench *b, const char *name, const OapHeader *header, int wanted, const char *says) {
        char text[KEY_TEXT_BYTES_MAX] = "";
        int r;

        r = ask(b, header, text);
        if (r != wanted || !strstr(text, says))
                fail_msg("%s: %d, \"%s\"", name, r, text);
}

static void test_signs(void **state) {
        const Bench *b = *state;
        OapHeader h = good(b);

        expect(b, "request", &h, 0, "");
        h.timestamp = NOW - OAP_BACKDATE_NSEC;
        expect(b, "backdated request", &h, 0, "");
        h.data = extension;
        h.data_size = sizeof(extension) - 1;
        expect(b, "request with the extension", &h, 0, "");
        h = good(b);
        h.certificate = b->older.data;
        h.certificate_size = b->older.size;
        expect(b, "certificate of version 1", &h, 0, "");
        h = good(b);
        h.key_exchange = bytes;
        h.key_exchange_size = 44;
        h.cipher = 895;
        h.kdf = 672;
        h.request_hash = bytes;
        h.request_hash_size = 48;
        expect(b, "response", &h, 0, "");
        h.digest = 0;
        expect(b, "digest by default", &h, 0, "");
        h.digest = 1099;
        expect(b, "SHA-3", &h, 0, "");
}

static void test_refuses(void **state) {
        const Bench *b = *state;
        OapHeader h = good(b);

        h.certificate = b->other.data;
        h.certificate_size = b->other.size;
        expect(b, "another key's certificate", &h, -EKEYREJECTED, "not that of the private key");
        h.certificate = bytes;
        expect(b, "no certificate but bytes", &h, -EKEYREJECTED, "not that of the private key");
        h.certificate_size = 0;
        expect(b, "no certificate", &h, -EKEYREJECTED, "not that of the private key");
        h = good(b);
        h.certificate_size--;
        expect(b, "a cut certificate", &h, -EKEYREJECTED, "not that of the private key");
        h.certificate = b->key->public_key;
        h.certificate_size = b->key->public_size;
        expect(b, "only the public key", &h, -EKEYREJECTED, "not that of the private key");

        h = good(b);
        h.timestamp = NOW - UINT64_C(61000000000);
        expect(b, "a minute ago", &h, -EBADMSG, "not of now");
        h.timestamp = NOW + UINT64_C(61000000000);
        expect(b, "in a minute", &h, -EBADMSG, "not of now");
        h.timestamp = 0;
        expect(b, "at no time", &h, -EBADMSG, "not of now");
        h.timestamp = UINT64_MAX;
        expect(b, "at the end of time", &h, -EBADMSG, "not of now");

        h = good(b);
        h.data = bytes;
        h.data_size = 100;
        expect(b, "data of its own", &h, -EBADMSG, "not the o7s extension");
        h.data = extension;
        h.data_size = sizeof(extension) - 2;
        expect(b, "a cut extension", &h, -EBADMSG, "not the o7s extension");
        h.data_size = sizeof(extension);
        expect(b, "an extension and more", &h, -EBADMSG, "not the o7s extension");

        h = good(b);
        h.request_hash = bytes;
        h.request_hash_size = 33;
        expect(b, "a hash of no size", &h, -EBADMSG, "request hash");
        h = good(b);
        h.cipher = 1;
        expect(b, "an unknown cipher", &h, -EBADMSG, "no handshake");
        h.cipher = 0x2020;
        expect(b, "the blanks of another protocol", &h, -EBADMSG, "no handshake");
        h = good(b);
        h.kdf = 1096;
        expect(b, "an unknown derivation", &h, -EBADMSG, "no handshake");
        h = good(b);
        h.digest = 64;
        expect(b, "an unknown digest", &h, -EBADMSG, "no handshake");
        h.digest = 1056;
        expect(b, "a digest that we have not", &h, -EOPNOTSUPP, "digest 1056");
        h = good(b);
        h.signature = bytes;
        h.signature_size = 64;
        expect(b, "signed already", &h, -EBADMSG, "already");
        h = good(b);
        h.key_exchange = bytes;
        h.key_exchange_size = 0x4000;
        expect(b, "a key exchange that is too long", &h, -EBADMSG, "too long");
}

static void test_eddsa(void **state) {
        const Recipe recipe = { .names = "U:o7s:name:web", .key = MAKER_ED25519 };
        Bench b = { .key = key_from(MAKER_ED25519) };
        OapHeader h;

        maker_certificate(&recipe, NULL, &b.certificate);
        h = good(&b);
        expect(&b, "with a digest", &h, -EOPNOTSUPP, "digest 672");
        h.digest = 0;
        expect(&b, "without", &h, 0, "");
        blob_done(&b.certificate);
        free(b.key);
}

/* The bytes that are signed are those that go out. */
static void test_is_the_message(void **state) {
        const Bench *b = *state;
        OapHeader h = good(b);
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX], message[4096];
        gnutls_datum_t data = { .data = message }, signature_data = { .data = signature };
        char text[KEY_TEXT_BYTES_MAX];
        gnutls_pubkey_t public_key;
        size_t size;
        ssize_t n;

        assert_int_equal(key_sign(b->key, &h, NOW, signature, &size, text), 0);
        n = oap_header_pack(&h, message, sizeof(message));
        assert_true(n > 0);
        data.size = (unsigned) n;
        signature_data.size = (unsigned) size;

        assert_true(gnutls_pubkey_init(&public_key) >= 0);
        assert_true(gnutls_pubkey_import_privkey(public_key, b->key->private_key, 0, 0) >= 0);
        assert_true(gnutls_pubkey_verify_data2(public_key, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &signature_data) >= 0);
        message[0] ^= 1;
        assert_true(gnutls_pubkey_verify_data2(public_key, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &signature_data) < 0);
        gnutls_pubkey_deinit(public_key);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_signs),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_eddsa),
                cmocka_unit_test(test_is_the_message),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
