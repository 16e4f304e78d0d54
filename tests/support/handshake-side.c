/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gnutls/crypto.h>

#include "tests/support/handshake-side.h"

#define DAY_SEC 86400
#define SIGNATURE_BYTES 1024U
#define OID_O7S "1.3.6.1.4.1.59999.7.1"

static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
        gnutls_digest_algorithm_t digest;       /* of what it certifies */
} kinds[_TEST_KEY_MAX] = {
        [TEST_KEY_ED25519] = { GNUTLS_PK_EDDSA_ED25519, 0, GNUTLS_DIG_SHA512 },
        [TEST_KEY_P256]    = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), GNUTLS_DIG_SHA256 },
        [TEST_KEY_P384]    = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), GNUTLS_DIG_SHA256 },
        [TEST_KEY_RSA]     = { GNUTLS_PK_RSA, 2048, GNUTLS_DIG_SHA256 },
        [TEST_KEY_ED448]   = { GNUTLS_PK_EDDSA_ED448, 0, GNUTLS_DIG_SHAKE_256 },
};

/* -- identities -- */

static int describe(TestIdentity *identity, const char *name, bool authority) {
        gnutls_x509_crt_t crt = identity->crt;
        uint8_t serial[8];
        int r;

        r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
        serial[0] = (uint8_t) (0x40 | (serial[0] & 0x3f));         /* of one length */
        r |= gnutls_x509_crt_set_version(crt, 3);
        r |= gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
        r |= gnutls_x509_crt_set_activation_time(crt, (time_t) TEST_NOW_SEC - DAY_SEC);
        r |= gnutls_x509_crt_set_expiration_time(crt, (time_t) TEST_NOW_SEC + 30 * DAY_SEC);
        r |= gnutls_x509_crt_set_key(crt, identity->x509_key);
        if (authority) {
                r |= gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned) strlen(name));
                r |= gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
                r |= gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
                return r;
        }

        r |= gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "o7s test", 8);
        r |= gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_URI, name, (unsigned) strlen(name), GNUTLS_FSAN_SET);
        r |= gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
        r |= gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
        r |= gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
        r |= gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
        return r;
}

int test_identity_init(TestIdentity *identity, TestKey kind, const char *name, const TestIdentity *issuer, bool o7s) {
        static const uint8_t promise[] = { 0x05, 0x00 };        /* NULL */
        const TestIdentity *signer = issuer ? issuer : identity;
        int r;

        *identity = (TestIdentity) { .kind = kind };
        r = gnutls_x509_privkey_init(&identity->x509_key);
        r |= gnutls_privkey_init(&identity->key);
        r |= gnutls_x509_crt_init(&identity->crt);
        if (r < 0)
                return -EIO;

        r |= gnutls_x509_privkey_generate(identity->x509_key, kinds[kind].algorithm, kinds[kind].bits, 0);
        r |= gnutls_privkey_import_x509(identity->key, identity->x509_key, GNUTLS_PRIVKEY_IMPORT_COPY);
        r |= describe(identity, name, !issuer);
        if (o7s)
                r |= gnutls_x509_crt_set_extension_by_oid(identity->crt, OID_O7S, promise, sizeof(promise), 0);
        r |= gnutls_x509_crt_sign2(identity->crt, signer->crt, signer->x509_key, kinds[signer->kind].digest, 0);
        r |= gnutls_x509_crt_export2(identity->crt, GNUTLS_X509_FMT_DER, &identity->der);
        return r < 0 ? -EIO : 0;
}

void test_identity_done(TestIdentity *identity) {
        if (identity->der.data)
                gnutls_free(identity->der.data);
        if (identity->crt)
                gnutls_x509_crt_deinit(identity->crt);
        if (identity->key)
                gnutls_privkey_deinit(identity->key);
        if (identity->x509_key)
                gnutls_x509_privkey_deinit(identity->x509_key);
        *identity = (TestIdentity) {};
}

static gnutls_sign_algorithm_t sign_algorithm(TestKey kind, uint16_t digest) {
        static const struct {
                uint16_t digest;
                gnutls_sign_algorithm_t rsa, ecdsa;
        } table[] = {
                { 0,    GNUTLS_SIGN_RSA_SHA256,   GNUTLS_SIGN_ECDSA_SHA256   },
                { 672,  GNUTLS_SIGN_RSA_SHA256,   GNUTLS_SIGN_ECDSA_SHA256   },
                { 673,  GNUTLS_SIGN_RSA_SHA384,   GNUTLS_SIGN_ECDSA_SHA384   },
                { 674,  GNUTLS_SIGN_RSA_SHA512,   GNUTLS_SIGN_ECDSA_SHA512   },
                { 1097, GNUTLS_SIGN_RSA_SHA3_256, GNUTLS_SIGN_ECDSA_SHA3_256 },
                { 1098, GNUTLS_SIGN_RSA_SHA3_384, GNUTLS_SIGN_ECDSA_SHA3_384 },
                { 1099, GNUTLS_SIGN_RSA_SHA3_512, GNUTLS_SIGN_ECDSA_SHA3_512 },
        };

        if (kind == TEST_KEY_ED25519)
                return GNUTLS_SIGN_EDDSA_ED25519;
        if (kind == TEST_KEY_ED448)
                return GNUTLS_SIGN_EDDSA_ED448;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].digest == digest)
                        return kind == TEST_KEY_RSA ? table[i].rsa : table[i].ecdsa;

        return GNUTLS_SIGN_UNKNOWN;
}

ssize_t test_identity_sign(const TestIdentity *identity, const OapHeader *header, uint8_t *ret, size_t size) {
        _cleanup_free_ uint8_t *bytes = NULL;
        gnutls_datum_t data, signature;
        ssize_t n;
        int r;

        bytes = malloc(AUTH_OAP_BYTES_MAX);
        if (!bytes)
                return -EIO;
        n = oap_header_pack(header, bytes, AUTH_OAP_BYTES_MAX);
        if (n < 0)
                return n;

        data = (gnutls_datum_t) { .data = bytes, .size = (unsigned) n };
        r = gnutls_privkey_sign_data2(identity->key, sign_algorithm(identity->kind, header->digest), 0, &data,
                                      &signature);
        if (r < 0)
                return -EIO;

        n = signature.size <= size ? (ssize_t) signature.size : -EIO;
        if (n > 0)
                memcpy(ret, signature.data, (size_t) n);
        gnutls_free(signature.data);
        return n;
}

int test_trust_new(const TestIdentity *const *authorities, unsigned n, Trust **ret) {
        _cleanup_(trust_freep) Trust *trust = NULL;
        int r;

        r = trust_new(&trust);
        for (unsigned i = 0; r >= 0 && i < n; i++)
                r = trust_add_anchors(trust, authorities[i]->der.data, authorities[i]->der.size);
        if (r >= 0)
                *ret = TAKE_PTR(trust);

        return r;
}

/* -- sides -- */

int test_side_init(TestSide *side, bool server, const char *name, const TestIdentity *identity, const Trust *trust,
                   const char *const *settings) {
        int r = 0;

        *side = (TestSide) {
                .server = server,
                .name = name,
                .identity = identity,
                .now = TEST_NOW_NSEC,
                .credentials = {
                        .certificate = identity ? identity->der.data : NULL,
                        .certificate_size = identity ? identity->der.size : 0,
                        .trust = trust,
                        .authentication = trust ? AUTHENTICATION_SERVER : AUTHENTICATION_NONE,
                },
        };
        memset(side->epoch, 0xe0, sizeof(side->epoch));

        for (; r >= 0 && settings && *settings; settings++) {
                const char *equals = strchr(*settings, '='), *problem;
                char key[64];

                if (!equals || (size_t) (equals - *settings) >= sizeof(key))
                        return -EINVAL;

                memcpy(key, *settings, (size_t) (equals - *settings));
                key[equals - *settings] = '\0';
                r = security_policy_set(&side->policy, key, equals + 1, &problem);
        }

        return r;
}

int test_side_start(TestSide *side, const uint8_t random[HANDSHAKE_RANDOM_BYTES], const uint8_t *replaced) {
        static const uint8_t token[OAP_TOKEN_BYTES] = "tokenAB";
        const HandshakeParameters parameters = {
                .server = side->server,
                .name = side->name,
                .policy = &side->policy,
                .credentials = &side->credentials,
                .capabilities = OAP_CAPABILITIES_OF_HOST,
                .token = token,
                .replaced = replaced,
                .epoch = side->epoch,
                .text = side->text,
        };

        side->h = handshake_free(side->h);
        return handshake_new(&parameters, random, &side->h);
}

void test_side_done(TestSide *side) {
        side->h = handshake_free(side->h);
        security_policy_done(&side->policy);
}

static ssize_t finish(TestSide *side, const OapHeader *header, bool signs, uint8_t *buffer, size_t size) {
        uint8_t signature[SIGNATURE_BYTES];
        ssize_t n = 0;

        if (signs) {
                n = test_identity_sign(side->identity, header, signature, sizeof(signature));
                if (n < 0)
                        return n;
        }

        return handshake_finish(side->h, signature, (size_t) n, buffer, size);
}

ssize_t test_side_request(TestSide *side, uint8_t *buffer, size_t size) {
        OapHeader header;
        bool signs;
        int r;

        r = handshake_build_request(side->h, side->now, side->binding, side->binding_size, &header, &signs);
        return r < 0 ? r : finish(side, &header, signs, buffer, size);
}

int test_side_check_request(TestSide *side, const uint8_t *oap, size_t size) {
        return handshake_check_request(side->h, side->now, oap, size, side->seen, side->seen_size, side->text);
}

ssize_t test_side_response(TestSide *side, uint8_t *buffer, size_t size) {
        static const uint8_t token[OAP_TOKEN_BYTES] = "tokenBA", reset[AUTH_RESET_BYTES] = "resetresetreset";
        OapHeader header;
        bool signs;
        int r;

        r = handshake_build_response(side->h, side->now, OAP_CAPABILITIES_OF_HOST, token, reset, side->binding,
                                     side->binding_size, &header, &signs);
        return r < 0 ? r : finish(side, &header, signs, buffer, size);
}

int test_side_check_response(TestSide *side, const uint8_t *oap, size_t size) {
        return handshake_check_response(side->h, side->now, oap, size, side->seen, side->seen_size, side->text);
}
