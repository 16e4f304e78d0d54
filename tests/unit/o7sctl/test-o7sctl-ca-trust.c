/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "o7sctl ca" makes, o7s-auth believes: for the name that it was issued for and for no other, until it is
 * revoked or over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <gnutls/x509.h>

#include "o7sctl/ca.h"
#include "services/auth/trust.h"

#define NOW_SEC 1800000000ULL
#define DAY_SEC 86400ULL

static void issue(const CaPair *authority, const char *name, KeyType type, bool client, CaPair *ret,
                  char ret_serial[CA_SERIAL_CHARS + 1]) {
        CaTerms terms = { .name = name, .key_type = type, .days = 30, .client = client, .promises_o7s = true,
                          .now_sec = NOW_SEC };
        uint64_t expiry_sec;

        memset(terms.serial, 0x51, sizeof(terms.serial));
        (void) hex_encode(ret_serial, terms.serial, sizeof(terms.serial));
        assert_int_equal(ca_issue(authority, &terms, ret, &expiry_sec), 0);
}

static Certificate *parse(const CaPair *pair) {
        gnutls_datum_t text = { (unsigned char *) pair->certificate, (unsigned) strlen(pair->certificate) }, der = {};
        Certificate *certificate = NULL;

        assert_int_equal(gnutls_pem_base64_decode2("CERTIFICATE", &text, &der), 0);
        assert_int_equal(certificate_parse(der.data, der.size, &certificate), 0);
        gnutls_free(der.data);
        return certificate;
}

static int verify(const Trust *trust, const Certificate *certificate, const char *name, bool server, uint64_t now_sec,
                  char *identity) {
        static const SecurityPolicy policy = {};
        Expectation expected = { .name = name, .policy = &policy, .server = server,
                                 .now_realtime_nsec = now_sec * 1000000000ULL };
        char text[AUTH_TEXT_BYTES_MAX];

        return trust_verify(trust, certificate, &expected, identity, text);
}

static void test_names(void **state) {
        static const char *const names[] = { "web.example", "printer", "a b.c", "caf\303\251", "x,CN=web.example",
                                             "home.alpha" };
        CaTerms terms = { .name = "An authority", .days = 3650, .now_sec = NOW_SEC, .serial = { 0x50 } };
        _cleanup_(trust_freep) Trust *trust = NULL;
        _cleanup_(ca_pair_done) CaPair authority = {};

        assert_int_equal(ca_make(&terms, &authority), 0);
        assert_int_equal(trust_new(&trust), 0);
        assert_int_equal(trust_add_anchors(trust, authority.certificate, strlen(authority.certificate)), 0);

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(ca_pair_done) CaPair leaf = {};
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                char serial[CA_SERIAL_CHARS + 1], identity[AUTH_IDENTITY_BYTES_MAX], uri[AUTH_IDENTITY_BYTES_MAX];

                print_message("%s\n", names[i]);
                issue(&authority, names[i], (KeyType) (i % _KEY_TYPE_MAX), false, &leaf, serial);
                certificate = parse(&leaf);
                assert_true(certificate_promises_o7s(certificate));
                assert_int_equal(certificate_expiry_usec(certificate) / 1000000, NOW_SEC + 30 * DAY_SEC);

                (void) copy_string(uri, sizeof(uri), CA_NAME_URI_PREFIX);
                (void) copy_string(uri + strlen(uri), sizeof(uri) - strlen(uri), names[i]);
                for (size_t k = 0; k < ELEMENTSOF(names); k++)
                        assert_int_equal(verify(trust, certificate, names[k], true, NOW_SEC, identity),
                                         i == k ? 0 : -EKEYREJECTED);
                assert_int_equal(verify(trust, certificate, names[i], true, NOW_SEC, identity), 0);
                assert_string_equal(identity, uri);

                /* Not for calling, and not for ever. */
                assert_int_equal(verify(trust, certificate, names[i], false, NOW_SEC, identity), -EKEYREJECTED);
                assert_int_equal(verify(trust, certificate, names[i], true, NOW_SEC + 31 * DAY_SEC, identity),
                                 -EKEYREJECTED);
        }
}

/* A member of a layer is called by its name and by the layer's, and calls others: one certificate for all of it. */
static void test_member(void **state) {
        static const struct {
                const char *name;
                const char *layer;
                const char *asked;      /* NULL: it calls */
                bool believed;
        } cases[] = {
                { "home.beta", "home", "home.beta",  true },
                { "home.beta", "home", "home",       true },
                { "home.beta", "home", NULL,         true },
                { "home.beta", "home", "home.alpha", false },
                { "home.beta", "home", "hom",        false },
                { "beta",      "a.b",  "a.b",        true },
                { "beta",      "a.b",  "beta.a.b",   false },
                { "home.beta", NULL,   "home",       false },
                { "home.beta", NULL,   NULL,         false },
        };
        CaTerms terms = { .name = "An authority", .days = 3650, .now_sec = NOW_SEC, .serial = { 0x50 } };
        _cleanup_(trust_freep) Trust *trust = NULL;
        _cleanup_(ca_pair_done) CaPair authority = {};

        assert_int_equal(ca_make(&terms, &authority), 0);
        assert_int_equal(trust_new(&trust), 0);
        assert_int_equal(trust_add_anchors(trust, authority.certificate, strlen(authority.certificate)), 0);
        terms.days = 30;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(ca_pair_done) CaPair leaf = {};
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                char identity[AUTH_IDENTITY_BYTES_MAX];
                uint64_t expiry_sec;

                print_message("%s of %s as %s\n", cases[i].name, strempty(cases[i].layer), strempty(cases[i].asked));
                terms.name = cases[i].name;
                terms.layer = cases[i].layer;
                assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);
                certificate = parse(&leaf);
                assert_int_equal(verify(trust, certificate, cases[i].asked, cases[i].asked != NULL, NOW_SEC, identity),
                                 cases[i].believed ? 0 : -EKEYREJECTED);
        }
}

/* Names as long as they may be, both with their DNS form. */
static void test_long_names(void **state) {
        CaTerms terms = { .name = "An authority", .days = 3650, .now_sec = NOW_SEC, .serial = { 0x50 } };
        char name[FLOW_NAME_BYTES_MAX + 1], layer[FLOW_NAME_BYTES_MAX + 2];
        _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
        uint64_t expiry_sec;

        assert_int_equal(ca_make(&terms, &authority), 0);
        for (size_t i = 0; i < FLOW_NAME_BYTES_MAX; i++)
                name[i] = layer[i] = i % 50 == 49 ? '.' : 'a';
        name[FLOW_NAME_BYTES_MAX] = layer[FLOW_NAME_BYTES_MAX] = '\0';
        name[FLOW_NAME_BYTES_MAX - 1] = layer[FLOW_NAME_BYTES_MAX - 1] = 'a';
        assert_true(ca_looks_like_dns(name));
        terms.name = name;
        terms.layer = layer;
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), 0);

        ca_pair_done(&leaf);
        (void) memset(layer, 'a', FLOW_NAME_BYTES_MAX + 1);
        layer[FLOW_NAME_BYTES_MAX + 1] = '\0';
        assert_int_equal(ca_issue(&authority, &terms, &leaf, &expiry_sec), -EINVAL);
}

static void test_client(void **state) {
        CaTerms terms = { .name = "An authority", .key_type = KEY_ED25519, .days = 3650, .now_sec = NOW_SEC,
                          .serial = { 0x50 } };
        char serial[CA_SERIAL_CHARS + 1], identity[AUTH_IDENTITY_BYTES_MAX];
        _cleanup_(trust_freep) Trust *trust = NULL;
        _cleanup_(ca_pair_done) CaPair authority = {}, leaf = {};
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        _cleanup_free_ char *list = NULL;
        CaRevoked revoked = { .when_sec = NOW_SEC };
        const CaListTerms list_terms = { .number = NOW_SEC, .days = 10, .now_sec = NOW_SEC };

        assert_int_equal(ca_make(&terms, &authority), 0);
        assert_int_equal(trust_new(&trust), 0);
        assert_int_equal(trust_add_anchors(trust, authority.certificate, strlen(authority.certificate)), 0);
        issue(&authority, "alice", KEY_P256, true, &leaf, serial);
        certificate = parse(&leaf);
        assert_int_equal(verify(trust, certificate, NULL, false, NOW_SEC, identity), 0);
        assert_string_equal(identity, "o7s:name:alice");
        assert_int_equal(verify(trust, certificate, "alice", true, NOW_SEC, identity), -EKEYREJECTED);

        (void) copy_string(revoked.serial, sizeof(revoked.serial), serial);
        assert_int_equal(ca_make_revocation_list(&authority, &revoked, 1, &list_terms, &list), 0);
        assert_int_equal(trust_add_revocations(trust, list, strlen(list)), 0);
        assert_int_equal(verify(trust, certificate, NULL, false, NOW_SEC, identity), -EKEYREJECTED);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_member),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_client),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
