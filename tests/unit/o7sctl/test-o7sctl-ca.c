/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Certificates: what was made is read back with the library, and checked as a peer would. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <gnutls/x509.h>

#include "o7sctl/ca.h"
#include "o7sctl/file.h"

#define NOW_SEC 1800000000U
#define DAY_SEC 86400U

static void terms_init(CaTerms *ret, const char *name, KeyType type, unsigned days) {
        *ret = (CaTerms) { .name = name, .key_type = type, .days = days, .now_sec = NOW_SEC, .promises_o7s = true };
        memset(ret->serial, 0x42, sizeof(ret->serial));
}

static void make(CaPair *ret, const char *name, KeyType type) {
        CaTerms terms;

        terms_init(&terms, name, type, 3650);
        assert_int_equal(ca_make(&terms, ret), 0);
}

static gnutls_x509_crt_t import(const char *pem) {
        gnutls_datum_t text = { (unsigned char *) (uintptr_t) pem, (unsigned) strlen(pem) };
        gnutls_x509_crt_t certificate;

        assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
        assert_int_equal(gnutls_x509_crt_import(certificate, &text, GNUTLS_X509_FMT_PEM), 0);
        return certificate;
}

/* Whether it chains to the authority, now, for this purpose. */
static unsigned problems_of(const CaPair *authority, const CaPair *leaf, const char *list, const char *purpose) {
        gnutls_x509_crt_t anchor = import(authority->certificate), certificate = import(leaf->certificate);
        gnutls_typed_vdata_st data = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                       .data = (unsigned char *) (uintptr_t) purpose };
        gnutls_x509_trust_list_t trust;
        unsigned problems = 0;

        assert_int_equal(gnutls_x509_trust_list_init(&trust, 0), 0);
        assert_int_equal(gnutls_x509_trust_list_add_cas(trust, &anchor, 1, 0), 1);
        if (list) {
                gnutls_datum_t text = { (unsigned char *) (uintptr_t) list, (unsigned) strlen(list) };

                assert_int_equal(gnutls_x509_trust_list_add_trust_mem(trust, NULL, &text, GNUTLS_X509_FMT_PEM, 0,
                                                                      GNUTLS_TL_VERIFY_CRL),
                                 1);
        }

        assert_int_equal(gnutls_x509_trust_list_verify_crt2(trust, &certificate, 1, &data, 1,
                                                            GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &problems, NULL),
                         0);
        gnutls_x509_crt_deinit(certificate);
        gnutls_x509_trust_list_deinit(trust, 1);
        return problems;
}

static void assert_san(gnutls_x509_crt_t certificate, unsigned i, int kind, const char *expected) {
        char name[512];
        size_t size = sizeof(name) - 1;

        assert_int_equal(gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL), kind);
        name[size] = '\0';
        assert_string_equal(name, expected);
}

/* Every type of key, signed by every type of authority. */
static void test_key_types(void **state) {
        for (int type = 0; type < _KEY_TYPE_MAX; type++) {
                _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
                uint64_t expiry_sec = 0;
                CaTerms terms;

                print_message("%s\n", key_type_to_string((KeyType) type));
                make(&authority, "An authority", (KeyType) type);
                terms_init(&terms, "web.example", (KeyType) type, 30);
                assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);
                assert_int_equal(expiry_sec, NOW_SEC + 30 * DAY_SEC);
                assert_int_equal(ca_check_pair(&leaf), 0);
                assert_int_equal(problems_of(&authority, &leaf, NULL, GNUTLS_KP_TLS_WWW_SERVER), 0);
        }
}

/* What a leaf says, and does not. */
static void test_leaf(void **state) {
        static const struct {
                const char *name;
                bool client, promises;
                const char *uri, *dns, *common_name;    /* NULL: has none */
        } cases[] = {
                { "web.example", false, true, "o7s:name:web.example", "web.example", "web.example" },
                { "web.example", true, false, "o7s:name:web.example", "web.example", "web.example" },
                { "printer", false, true, "o7s:name:printer", NULL, "printer" },
                { "a b.c", false, true, "o7s:name:a b.c", NULL, "a b.c" },
                { "-a.b", false, true, "o7s:name:-a.b", NULL, "-a.b" },
                { "a..b", false, true, "o7s:name:a..b", NULL, "a..b" },
                { "caf\303\251", false, true, "o7s:name:caf\303\251", NULL, "caf\303\251" },
                { "x,CN=other", false, true, "o7s:name:x,CN=other", NULL, "x\\,CN=other" },
                { "a.23456789012345678901234567890123456789012345678901234567890123.z", false, true,
                  "o7s:name:a.23456789012345678901234567890123456789012345678901234567890123.z",
                  "a.23456789012345678901234567890123456789012345678901234567890123.z", NULL },
        };
        _cleanup_(ca_pair_done) CaPair authority = {};

        make(&authority, "An authority", KEY_P256);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(ca_pair_done) CaPair leaf = {};
                gnutls_x509_crt_t certificate;
                char text[256], other[256];
                size_t size = sizeof(text) - 1;
                uint64_t expiry_sec;
                unsigned critical = 1, usage = 0;
                CaTerms terms;

                print_message("%s\n", cases[i].name);
                terms_init(&terms, cases[i].name, KEY_P256, 30);
                terms.client = cases[i].client;
                terms.promises_o7s = cases[i].promises;
                assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);

                certificate = import(leaf.certificate);
                assert_san(certificate, 0, GNUTLS_SAN_URI, cases[i].uri);
                if (cases[i].dns)
                        assert_san(certificate, 1, GNUTLS_SAN_DNSNAME, cases[i].dns);
                size = sizeof(other);
                assert_int_equal(
                        gnutls_x509_crt_get_subject_alt_name(certificate, cases[i].dns ? 2 : 1, other, &size, NULL),
                        GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);

                size = sizeof(text) - 1;
                assert_int_equal(
                        gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &size),
                        cases[i].common_name ? 0 : GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
                if (cases[i].common_name)
                        assert_string_equal(text, cases[i].common_name);        /* with commas escaped */

                size = sizeof(text);
                assert_int_equal(gnutls_x509_crt_get_extension_by_oid(certificate, CA_OID_PROMISES_O7S, 0, text, &size,
                                                                      &critical),
                                 cases[i].promises ? 0 : GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
                if (cases[i].promises)
                        assert_int_equal(critical, 0);
                assert_int_equal(gnutls_x509_crt_get_ca_status(certificate, NULL), 0);
                assert_int_equal(gnutls_x509_crt_get_key_usage(certificate, &usage, NULL), 0);
                assert_int_equal(usage, GNUTLS_KEY_DIGITAL_SIGNATURE);
                gnutls_x509_crt_deinit(certificate);

                assert_int_equal(problems_of(&authority, &leaf, NULL, GNUTLS_KP_TLS_WWW_SERVER) != 0, cases[i].client);
                assert_int_equal(problems_of(&authority, &leaf, NULL, GNUTLS_KP_TLS_WWW_CLIENT) != 0, !cases[i].client);
        }
}

/* As people see them. */
static void test_read(void **state) {
        _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
        _cleanup_free_ CaCertificate *all = NULL;
        _cleanup_free_ char *both = NULL;
        uint64_t expiry_sec;
        CaTerms terms;

        make(&authority, "An authority", KEY_ED25519);
        terms_init(&terms, "caf\303\251 \033[31m", KEY_P256, 30);
        terms.client = true;
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);
        assert_int_equal(format_string(&both, "%s%s", authority.certificate, leaf.certificate), 0);

        assert_int_equal(ca_read_certificates(both, strlen(both), &all), 2);
        assert_true(all[0].authority);
        assert_string_equal(all[0].subject, "An authority");
        assert_int_equal(all[0].expiry_sec, NOW_SEC + 3650ULL * DAY_SEC);
        assert_false(all[1].authority);
        assert_string_equal(all[1].subject, "caf\303\251 ?[31m");        /* nothing that a terminal would obey */
        assert_string_equal(all[1].issuer, "An authority");
        assert_string_equal(all[1].serial, "42424242424242424242424242424242");
        assert_true(all[1].client && !all[1].server && all[1].promises_o7s);
        assert_int_equal(strlen(all[1].pin), STRLEN("sha256:") + 64);
        assert_string_not_equal(all[0].pin, all[1].pin);
        assert_true(all[1].from_sec < NOW_SEC);
}

/* Files may hold anything: refused, and nothing comes out. */
static void test_hostile(void **state) {
        static const struct {
                const char *name;
                const char *text;
        } cases[] = {
                { "nothing", "" },
                { "text", "this is no certificate\n" },
                { "an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" },
                { "a block without end", "-----BEGIN CERTIFICATE-----\nMIIB\n" },
                { "no base 64", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n" },
                { "another structure", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n" },
                { "a length beyond the end", "-----BEGIN CERTIFICATE-----\nMIT/////MAA=\n-----END CERTIFICATE-----\n" },
        };
        _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
        _cleanup_free_ char *with_key = NULL, *half = NULL;
        uint64_t expiry_sec;
        CaTerms terms;

        make(&authority, "An authority", KEY_P256);
        terms_init(&terms, "a", KEY_P256, 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(ca_pair_done) CaPair pair = { .certificate = strdup(cases[i].text),
                                                        .key = strdup(authority.key) };
                CaCertificate *all = NULL;

                print_message("%s\n", cases[i].name);
                assert_int_equal(ca_read_certificates(cases[i].text, strlen(cases[i].text), &all), -EBADMSG);
                assert_null(all);
                assert_int_equal(ca_check_pair(&pair), -EBADMSG);
                assert_int_equal(ca_issue(&pair, &terms, &leaf, &expiry_sec), -EBADMSG);
                assert_null(leaf.key);

                free(pair.certificate);
                free(pair.key);
                pair.certificate = strdup(authority.certificate);
                pair.key = strdup(cases[i].text);
                assert_int_equal(ca_check_pair(&pair), -ENOKEY);
                assert_int_equal(ca_issue(&pair, &terms, &leaf, &expiry_sec), -EBADMSG);
                assert_int_equal(ca_is_revoked(cases[i].text, &authority, "42"), -EBADMSG);
        }

        /* A key among certificates would be shown to everybody; a certificate cut off is none. */
        assert_int_equal(format_string(&with_key, "%s%s", authority.certificate, authority.key), 0);
        assert_int_equal(ca_read_certificates(with_key, strlen(with_key), &(CaCertificate *) { NULL }), -EBADMSG);
        half = strndup(authority.certificate, strlen(authority.certificate) / 2);
        assert_int_equal(ca_read_certificates(half, strlen(half), &(CaCertificate *) { NULL }), -EBADMSG);
}

/* Each byte of a certificate changed: read as something, or refused, but never believed. */
static void test_flipped(void **state) {
        _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
        uint64_t expiry_sec;
        CaTerms terms;
        size_t n;

        make(&authority, "An authority", KEY_P256);
        terms_init(&terms, "web.example", KEY_P256, 30);
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);

        n = strlen(leaf.certificate);
        for (size_t i = STRLEN("-----BEGIN CERTIFICATE-----\n"); i < n - STRLEN("-----END CERTIFICATE-----\n"); i++) {
                _cleanup_(ca_pair_done) CaPair changed = { .certificate = strdup(leaf.certificate) };
                _cleanup_free_ CaCertificate *all = NULL;

                if (changed.certificate[i] == '\n' || changed.certificate[i] == '=')
                        continue;
                changed.certificate[i] = changed.certificate[i] == 'A' ? 'B' : 'A';
                if (streq(changed.certificate, leaf.certificate) ||
                    ca_read_certificates(changed.certificate, n, &all) < 0)
                        continue;
                if (leaf.certificate[i + 1] == '=')     /* bits that no byte has */
                        continue;
                assert_int_not_equal(problems_of(&authority, &changed, NULL, GNUTLS_KP_TLS_WWW_SERVER), 0);
        }
}

static void test_authority(void **state) {
        _cleanup_(ca_pair_done) CaPair authority = {}, other = {}, leaf = {}, mixed = {};
        uint64_t expiry_sec = 0;
        CaTerms terms;

        make(&authority, "An authority", KEY_P256);
        make(&other, "An authority", KEY_P256);
        terms_init(&terms, "web.example", KEY_P256, 36500);

        /* It never outlives its issuer, and a dead one signs nothing. */
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);
        assert_int_equal(expiry_sec, NOW_SEC + 3650ULL * DAY_SEC);
        assert_int_not_equal(problems_of(&other, &leaf, NULL, GNUTLS_KP_TLS_WWW_SERVER), 0);
        terms.now_sec = NOW_SEC + 3650ULL * DAY_SEC;
        assert_int_equal(ca_issue(&authority, &terms, &mixed, &expiry_sec), -EKEYEXPIRED);

        /* A leaf is no authority, and halves of two are none either. */
        terms.now_sec = NOW_SEC;
        assert_int_equal(ca_issue(&leaf, &terms, &mixed, &expiry_sec), -EBADMSG);
        mixed = (CaPair) { .certificate = strdup(authority.certificate), .key = strdup(other.key) };
        assert_int_equal(ca_check_pair(&mixed), -EKEYREJECTED);
        assert_int_equal(ca_issue(&mixed, &terms, &leaf, &expiry_sec), -EBADMSG);
}

static void test_revocation(void **state) {
        static const CaRevoked revoked[] = {
                { "42424242424242424242424242424242", NOW_SEC },
                { "41000000000000000000000000000001", NOW_SEC - 5 },
        };
        _cleanup_(ca_pair_done) CaPair authority = {}, other = {}, leaf = {};
        _cleanup_free_ char *empty = NULL, *list = NULL;
        CaListTerms list_terms = { .number = 1, .days = 10, .now_sec = NOW_SEC };
        uint64_t expiry_sec;
        CaTerms terms;

        make(&authority, "An authority", KEY_ED25519);
        make(&other, "An authority", KEY_ED25519);
        terms_init(&terms, "web.example", KEY_P256, 30);
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);

        assert_int_equal(ca_make_revocation_list(&authority, revoked, 0, &list_terms, &empty), 0);
        list_terms.number++;
        assert_int_equal(ca_make_revocation_list(&authority, revoked, ELEMENTSOF(revoked), &list_terms, &list), 0);

        assert_int_equal(ca_is_revoked(empty, &authority, revoked[0].serial), 0);
        assert_int_equal(ca_is_revoked(list, &authority, revoked[0].serial), 1);
        assert_int_equal(ca_is_revoked(list, &authority, revoked[1].serial), 1);
        assert_int_equal(ca_is_revoked(list, &authority, "42"), 0);
        assert_int_equal(ca_is_revoked(list, &other, revoked[0].serial), -EBADMSG);     /* same name, another key */

        assert_int_equal(problems_of(&authority, &leaf, empty, GNUTLS_KP_TLS_WWW_SERVER), 0);
        assert_true(problems_of(&authority, &leaf, list, GNUTLS_KP_TLS_WWW_SERVER) & GNUTLS_CERT_REVOKED);

        /* One that was changed is of nobody. */
        list[strlen(list) / 2] ^= 1;
        assert_int_equal(ca_is_revoked(list, &authority, revoked[0].serial), -EBADMSG);
}

/* Until when, and never beyond the authority, which counts for 3650 days. */
static void test_list_days(void **state) {
        static const CaRevoked revoked = { "42424242424242424242424242424242", NOW_SEC };
        static const struct {
                const char *name;
                unsigned days, after;   /* the authority was made so many days ago */
                int r;
                unsigned until;         /* days from NOW_SEC */
        } cases[] = {
                { "a year",               365,   0,    0,            365 },
                { "a day",                1,     3649, 0,            3650 },
                { "beyond the authority", 365,   3600, 0,            3650 },
                { "far beyond",           36500, 0,    0,            3650 },
                { "too late",             1,     3650, -EKEYEXPIRED, 0 },
        };
        _cleanup_(ca_pair_done) CaPair authority = {};

        make(&authority, "An \033authority", KEY_P256);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const CaListTerms terms = {
                        .number = 1, .days = cases[i].days, .now_sec = NOW_SEC + (uint64_t) cases[i].after * DAY_SEC,
                };
                _cleanup_free_ char *text = NULL;
                CaList list = {};

                print_message("%s\n", cases[i].name);
                assert_int_equal(ca_make_revocation_list(&authority, &revoked, 1, &terms, &text), cases[i].r);
                if (cases[i].r < 0)
                        continue;

                assert_int_equal(ca_read_list(text, &list), 0);
                assert_int_equal(list.expiry_sec, NOW_SEC + (uint64_t) cases[i].until * DAY_SEC);
                assert_int_equal(list.n_revoked, 1);
                assert_string_equal(list.issuer, "An ?authority");
                assert_int_equal(ca_read_list(authority.certificate, &list), -EBADMSG);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_key_types),
                cmocka_unit_test(test_leaf),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_flipped),
                cmocka_unit_test(test_authority),
                cmocka_unit_test(test_revocation),
                cmocka_unit_test(test_list_days),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
