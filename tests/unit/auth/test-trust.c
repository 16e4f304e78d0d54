/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the corpus does not say: files of certificates, signatures of handshakes, and small questions to one
 * certificate. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/auth/certificate-internal.h"
#include "tests/unit/auth/certificate-maker.h"

static const Recipe authority = { .subject = "C:Root", .key_number = 1, .constraints = CONSTRAINTS_AUTHORITY };

/* -- files -- */

static void test_files(void **state) {
        static const struct {
                const char *name;
                const char *before, *between, *behind;
                bool der;
                int r;
                unsigned n;
        } cases[] = {
                { "two blocks",         "", "", "", false, 0, 2 },
                { "text around them",   "subject=CN=Root\n", "\nissuer\n", "the end\n", false, 0, 2 },
                { "carriage returns",   "\r\n", "\r\n", "\r\n", false, 0, 2 },
                { "a key behind them",  "", "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", false,
                  -EBADMSG, 0 },
                { "a key before them",  "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "", false,
                  -EBADMSG, 0 },
                { "an end that lacks",  "-----BEGIN CERTIFICATE-----\n", "", "", false, -EBADMSG, 0 },
                { "a list between",     "", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "", false,
                  -EBADMSG, 0 },
                { "DER",                "", "", "", true, 0, 2 },
                { "DER and a byte",     "", "", "x", true, -EBADMSG, 0 },
        };
        _cleanup_(blob_done) Blob der = {}, pem = {};

        maker_certificate(&authority, NULL, &der);
        maker_pem("CERTIFICATE", &der, &pem);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Blob *one = cases[i].der ? &der : &pem;
                _cleanup_(blob_done) Blob file = {};
                Trust *trust;
                int r;

                print_message("%s\n", cases[i].name);
                blob_add(&file, cases[i].before, strlen(cases[i].before));
                blob_add(&file, one->data, one->size);
                blob_add(&file, cases[i].between, strlen(cases[i].between));
                blob_add(&file, one->data, one->size);
                blob_add(&file, cases[i].behind, strlen(cases[i].behind));

                assert_int_equal(trust_new(&trust), 0);
                r = trust_add_anchors(trust, file.data, file.size);
                assert_int_equal(r, cases[i].r);
                if (r == 0)
                        assert_int_equal(trust_n_anchors(trust), cases[i].n);
                assert_int_equal(trust_add_intermediates(trust, file.data, file.size), cases[i].r);
                trust_free(trust);
        }
}

static void test_lists(void **state) {
        const ListRecipe plain = { .revoked = { 7 } }, critical = { .critical = true };
        _cleanup_(blob_done) Blob good = {}, odd = {}, pem = {};
        Trust *trust;

        maker_list(&plain, &authority, NULL, &good);
        maker_list(&critical, &authority, NULL, &odd);
        maker_pem("X509 CRL", &good, &pem);

        assert_int_equal(trust_new(&trust), 0);
        assert_int_equal(trust_add_revocations(trust, good.data, good.size), 0);
        assert_int_equal(trust_add_revocations(trust, pem.data, pem.size), 0);
        assert_int_equal(trust_add_revocations(trust, odd.data, odd.size), -EBADMSG);
        assert_int_equal(trust_add_revocations(trust, "", 0), -EBADMSG);
        assert_int_equal(trust_add_anchors(trust, good.data, good.size), -EBADMSG);
        trust_free(trust);
}

/* -- signatures -- */

static void test_signatures(void **state) {
        static const struct {
                const char *name;
                MakerKey kind;
                gnutls_sign_algorithm_t made;
                uint16_t digest;
                int r;
        } cases[] = {
                { "RSA, SHA-256",                 MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA256,       672,  0             },
                { "RSA, by default",              MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA256,       0,    0             },
                { "RSA, SHA-384",                 MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA384,       673,  0             },
                { "RSA, SHA-512",                 MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA512,       674,  0             },
                { "RSA, SHA3-256",                MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA3_256,     1097, 0             },
                { "RSA, another digest",          MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA256,       673,  -EKEYREJECTED },
                { "RSA, PSS",                     MAKER_RSA_2048, GNUTLS_SIGN_RSA_PSS_SHA256,   672,  -EKEYREJECTED },
                { "RSA, SHA-1 as the default",    MAKER_RSA_2048, GNUTLS_SIGN_RSA_SHA1,         0,    -EKEYREJECTED },
                { "RSA of 1024",                  MAKER_RSA_1024, GNUTLS_SIGN_RSA_SHA256,       672,  -EKEYREJECTED },
                { "P-256, SHA-256",               MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA256,     672,  0             },
                { "P-256, by default",            MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA256,     0,    0             },
                { "P-384, by default",            MAKER_P384,     GNUTLS_SIGN_ECDSA_SHA256,     0,    0             },
                { "P-384, SHA-384",               MAKER_P384,     GNUTLS_SIGN_ECDSA_SHA384,     673,  0             },
                { "P-521, by default",            MAKER_P521,     GNUTLS_SIGN_ECDSA_SHA256,     0,    0             },
                { "P-521, SHA-512",               MAKER_P521,     GNUTLS_SIGN_ECDSA_SHA512,     674,  0             },
                { "P-256, SHA3-512",              MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA3_512,   1099, 0             },
                { "P-256, another digest",        MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA256,     674,  -EKEYREJECTED },
                { "Ed25519",                      MAKER_ED25519,  GNUTLS_SIGN_EDDSA_ED25519,    0,    0             },
                { "Ed25519 with a digest",        MAKER_ED25519,  GNUTLS_SIGN_EDDSA_ED25519,    672,  -EOPNOTSUPP   },
                { "Ed448",                        MAKER_ED448,    GNUTLS_SIGN_EDDSA_ED448,      0,    0             },
                { "Ed448 with a digest",          MAKER_ED448,    GNUTLS_SIGN_EDDSA_ED448,      674,  -EOPNOTSUPP   },
                { "a digest that we have not",    MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA256,     1056, -EOPNOTSUPP   },
                { "a digest that there is not",   MAKER_P256,     GNUTLS_SIGN_ECDSA_SHA256,     64,   -EOPNOTSUPP   },
                { "DSA",                          MAKER_DSA,      GNUTLS_SIGN_DSA_SHA256,       0,    -EKEYREJECTED },
        };
        static const uint8_t data[] = "what was said";

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Recipe recipe = { .key = cases[i].kind, .names = "U:o7s:name:web" };
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                _cleanup_(blob_done) Blob der = {}, signature = {};

                print_message("%s\n", cases[i].name);
                maker_certificate(&recipe, &authority, &der);
                assert_int_equal(certificate_parse(der.data, der.size, &certificate), 0);
                maker_sign(maker_key(cases[i].kind, 0), cases[i].made, data, sizeof(data), &signature);

                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data),
                                                             signature.data, signature.size),
                                 cases[i].r);
                if (cases[i].r < 0)
                        continue;

                /* Any other data, any other signature. */
                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data) - 1,
                                                             signature.data, signature.size),
                                 -EKEYREJECTED);
                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data),
                                                             signature.data, signature.size - 1),
                                 -EKEYREJECTED);
                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data),
                                                             signature.data, 0),
                                 -EKEYREJECTED);
                blob_add(&signature, "", 1);
                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data),
                                                             signature.data, signature.size),
                                 -EKEYREJECTED);
                signature.data[signature.size / 2] ^= 4;
                assert_int_equal(certificate_check_signature(certificate, cases[i].digest, data, sizeof(data),
                                                             signature.data, signature.size - 1),
                                 -EKEYREJECTED);
        }
}

static void test_digest(void **state) {
        static const struct {
                MakerKey kind;
                uint16_t wanted;
                int digest;
        } cases[] = {
                { MAKER_P256, 672, 672 }, { MAKER_P256, 0, 0 }, { MAKER_RSA_2048, 674, 674 },
                { MAKER_RSA_2048, 1057, -EOPNOTSUPP }, { MAKER_ED25519, 672, 0 }, { MAKER_ED448, 1099, 0 },
                { MAKER_P384, 1, -EOPNOTSUPP },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Recipe recipe = { .key = cases[i].kind };
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                _cleanup_(blob_done) Blob der = {};

                maker_certificate(&recipe, &authority, &der);
                assert_int_equal(certificate_parse(der.data, der.size, &certificate), 0);
                assert_int_equal(certificate_digest(certificate, cases[i].wanted), cases[i].digest);
        }
}

/* -- one certificate -- */

static void test_promise(void **state) {
        const Recipe with = { .extension_promise = true }, without = {},
        critical = { .extension_promise = true, .extension_critical = true };
        const struct {
                const Recipe *recipe;
                bool promises;
        } cases[] = { { &with, true }, { &without, false }, { &critical, false } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                _cleanup_(blob_done) Blob der = {};

                maker_certificate(cases[i].recipe, &authority, &der);
                assert_int_equal(certificate_parse(der.data, der.size, &certificate), 0);
                assert_int_equal(certificate_promises_o7s(certificate), cases[i].promises);
                assert_true(certificate_expiry_usec(certificate) == (uint64_t) (MAKER_NOW + DAYS(30)) * 1000000U);
        }
}

static void test_dns_like(void **state) {
        static const struct {
                const char *name;
                bool dns;
        } cases[] = {
                { "web.example", true }, { "a.b.c.d", true }, { "xn--a.example", true }, { "1.example", true },
                { "a.1b", true }, { "web", false }, { "", false }, { ".", false }, { "a.", false }, { ".a", false },
                { "a..b", false }, { "1.2.3.4", false }, { "a.1", false }, { "-a.b", false }, { "a-.b", false },
                { "a_b.c", false }, { "a b.c", false }, { "*.b", false }, { "\xc3\xbc.b", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                print_message("%s\n", cases[i].name);
                assert_int_equal(name_is_dns_like(cases[i].name), cases[i].dns);
        }
}

/* Sentences quote what strangers wrote. */
static void test_sentences(void **state) {
        static const Recipe nasty = { .subject = "C:\\x1b[2J\\x07"
                                      "a|O:01234567890123456789012345678901234567890123456789"
                                      "01234567890123456789012345678901234567890123456789" };
        _cleanup_(blob_done) Blob der = {};
        gnutls_datum_t datum;
        gnutls_x509_crt_t crt;
        char name[TRUST_SUBJECT_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX];

        maker_certificate(&nasty, NULL, &der);
        datum = (gnutls_datum_t) { .data = der.data, .size = (unsigned) der.size };
        assert_true(gnutls_x509_crt_init(&crt) >= 0);
        assert_true(gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) >= 0);

        (void) trust_subject(crt, name);
        assert_int_equal(strlen(name), TRUST_SUBJECT_BYTES_MAX - 1);
        assert_non_null(strstr(name, "..."));
        for (const char *p = name; *p != '\0'; p++)
                assert_true(*p >= ' ' && *p < 0x7f);
        assert_int_equal(trust_refuse(text, "%s", name), -EKEYREJECTED);
        gnutls_x509_crt_deinit(crt);
}

static int group_teardown(void **state) {
        maker_done();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_files), cmocka_unit_test(test_lists), cmocka_unit_test(test_signatures),
                cmocka_unit_test(test_digest), cmocka_unit_test(test_promise), cmocka_unit_test(test_dns_like),
                cmocka_unit_test(test_sentences),
        };

        return cmocka_run_group_tests(tests, NULL, group_teardown);
}
